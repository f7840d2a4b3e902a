"""The documents for people: whole, harmless, offline, and what they say to type works."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from telco.kernel.errors import DomainError
from telco.web import docs, openapi
from telco.web.api import PUBLIC, Api, ApiRequest
from telco.web.server import API
from telco.web.staff import Role
from tests.web.conftest import Service, Site
from tests.web.shell import curl_lines, run


async def test_every_command_of_the_page_works(site: Site) -> None:
    api = site.app[API]
    document = openapi.build(api, site.server.url)
    for route in api:
        role = min(route.roles, default=Role.CLERK)
        variables = {"API": site.server.url, "API_KEY": site.keys[role]}
        status, answer = await run(docs.curl(route, document), variables, site.client)
        expected = 500 if route.path == "/v1/broken" else route.status
        assert status == expected, (route.template, answer)


async def test_the_page_shows_every_route_and_its_errors(site: Site) -> None:
    async with site.client.get(site.server.url + "/docs") as response:
        page = await response.text()
    for route in site.app[API]:
        assert f"id='{route.operation}'" in page
        assert route.summary in page
    assert "sample_too_poor" in page
    assert "The second paragraph says more." in page
    assert "curl -sS &quot;$API/v1/top-ups" in page


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_the_documents_are_the_same_at_every_address(site: Site, path: str) -> None:
    """Made once: callers name hosts as they like, and the documents name none of them."""
    answers = set()
    for host in ("a.example", "b.example", "evil'><script>"):
        async with site.client.get(site.server.url + path, headers={"Host": host}) as response:
            answers.add(await response.text())
    assert len(answers) == 1


async def test_the_openapi_document_is_relative_to_where_it_is_read(site: Site) -> None:
    async with site.client.get(site.server.url + "/openapi.json") as response:
        assert (await response.json())["servers"] == [{"url": "/"}]


async def test_the_page_needs_nothing_from_elsewhere(site: Site) -> None:
    async with site.client.get(site.server.url + "/docs") as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert re.findall(r"<(?:script|link|img|iframe|form)\b|\bsrc=|@import|url\(", page) == []
    assert {link for link in re.findall(r"href='?\"?([^'\">]+)", page) if not link.startswith(("#", "/"))} == set()
    assert "width=device-width" in page


async def test_hostile_words_are_shown_not_run() -> None:

    async def handler(request: ApiRequest) -> None:
        """<img src=x onerror=alert(1)>"""

    api = Api("<script>", "'\"", "<b>")
    api.get("/<i>", roles=PUBLIC, summary="<u>'", tags=["<s>"])(handler)
    page = docs.page(api, openapi.build(api, "http://evil'><script>"))
    for tag in ("<script>", "<img", "<b>", "<i>", "<u>", "<s>"):
        assert tag not in page


async def test_the_type_of_a_problem_leads_to_its_explanation(site: Site) -> None:
    _, problem, _ = await site.call("GET", "/v1/greeting/nothing")
    async with site.client.get(site.server.url + problem["type"]) as response:
        page = await response.text()
        assert (response.status, response.content_type) == (200, "text/html")
    assert "There is nothing at this address." in page
    async with site.client.get(site.server.url + "/problems") as response:
        page = await response.text()
    assert all(f"id='{code}'" in page for code in DomainError.registry)
    assert (await site.call("GET", "/problems/no_such_code"))[0] == 404


async def test_the_commands_of_the_api_page_work(service: Service, root: Path) -> None:
    commands = curl_lines((root / "docs" / "api.md").read_text("utf-8"))
    assert len(commands) == 3
    async with aiohttp.ClientSession() as client:
        for command in commands:
            variables = {"API": service.url, "API_KEY": service.keys[Role.ADMIN]}
            status, answer = await run(command, variables, client)
            assert 200 <= status < 300, (command, answer)
