"""The page's server: its files, its stream, what it refuses, and whom it does not listen to."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from yarl import URL

from telco.lab.cards import CardTray
from telco.lab.network import Network
from telco.lab.web import LabServer, PortInUseError, create_app
from tests.lab.conftest import AIGERIM, DMITRY

SMS = f"/api/handsets/{AIGERIM}/sms"


async def _next_event(stream: aiohttp.ClientResponse) -> tuple[str, Any]:
    """Read one server-sent event."""
    name = (await stream.content.readline()).decode().removeprefix("event: ").strip()
    value = json.loads((await stream.content.readline()).decode().removeprefix("data: "))
    assert await stream.content.readline() == b"\n"
    return name, value


async def test_the_page_and_its_files_are_there_and_guarded(browserless: aiohttp.ClientSession) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/static/app.js", "text/javascript"),
        ("/static/page.css", "text/css"),
        ("/static/strings/kk.json", "application/json"),
        ("/static/icon.svg", "image/svg+xml"),
    ):
        async with browserless.get(path) as response:
            assert (response.status, response.content_type) == (200, kind), path
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/static/../web.py", "/static/%2e%2e/web.py", "/nothing", "/static/strings/"])
async def test_nothing_else_is_served(browserless: aiohttp.ClientSession, page: str, path: str) -> None:
    async with browserless.get(URL(page + path.lstrip("/"), encoded=True)) as response:
        assert response.status == 404


async def test_the_stream_begins_with_a_snapshot_and_tells_every_change(
    browserless: aiohttp.ClientSession, network: Network
) -> None:
    async with browserless.get("/api/events") as stream:
        assert stream.content_type == "text/event-stream"
        name, snapshot = await _next_event(stream)
        assert name == "snapshot"
        assert [phone["owner"] for phone in snapshot["handsets"]] == ["Айгерім", "Дмитрий"]
        assert snapshot["cards"][0]["dial"] == "*111*4*12345678901234#"
        network.sms_delivered("111", DMITRY, '<b onclick="x">Баланс</b>')
        while (event := await _next_event(stream))[1].get("part") != "message":
            assert event[0] == "change"
        assert event[1]["number"] == DMITRY
        assert event[1]["value"]["text"] == '<b onclick="x">Баланс</b>'


async def test_an_action_is_accepted_and_its_outcome_told_on_the_stream(browserless: aiohttp.ClientSession) -> None:
    async with browserless.get("/api/events") as stream:
        await _next_event(stream)
        async with browserless.post(SMS, json={"to": DMITRY, "text": "hello"}) as response:
            assert response.status == 202
        states: list[str] = []
        while len(states) < 2:
            _, event = await _next_event(stream)
            if event["part"] == "message":
                states.append(event["value"]["state"])
        assert states == ["sending", "failed"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", SMS, "{", 422, "bad_request"),
        ("POST", SMS, "[]", 422, "bad_request"),
        ("POST", SMS, '{"to": "111"}', 422, "bad_request"),
        ("POST", SMS, '{"to": "111", "text": "x", "more": 1}', 422, "bad_request"),
        ("POST", SMS, '{"to": "nobody", "text": "x"}', 422, "bad_request"),
        ("POST", SMS, '{"to": "111", "text": "' + "x" * 20_000 + '"}', 413, "bad_request"),
        ("POST", "/api/handsets/1/sms", '{"to": "111", "text": "x"}', 404, "unknown_phone"),
        ("POST", f"/api/handsets/{AIGERIM}/ussd/answer", '{"text": "1"}', 409, "phone_busy"),
        ("POST", f"/api/handsets/{AIGERIM}/data", '{"megabytes": -1, "technology": "4G"}', 422, "bad_request"),
        ("POST", f"/api/handsets/{AIGERIM}/data", '{"megabytes": 1, "technology": "6G"}', 422, "bad_request"),
        ("PUT", SMS, "{}", 405, "bad_request"),
    ],
)
async def test_a_bad_request_gets_a_clear_answer(
    browserless: aiohttp.ClientSession, method: str, path: str, body: str, status: int, code: str
) -> None:
    async with browserless.request(method, path, data=body) as response:
        assert (response.status, (await response.json())["code"]) == (status, code)


async def test_another_sites_page_is_not_listened_to(browserless: aiohttp.ClientSession, page: str) -> None:
    async with browserless.get("/", headers={"Host": "evil.example"}) as response:
        assert response.status == 403
    async with aiohttp.ClientSession(page) as plain:
        form = {"Content-Type": "text/plain"}
        async with plain.post(SMS, data=b'{"to": "111", "text": "x"}', headers=form) as response:
            assert response.status == 415


async def test_a_second_page_on_the_same_port_says_so(page: str, network: Network) -> None:
    port = URL(page).port
    assert port is not None
    with pytest.raises(PortInUseError, match=str(port)):
        await LabServer(create_app(network, CardTray(network.feed), {}), "127.0.0.1", port).start()


async def test_stopping_the_server_ends_the_streams(network: Network) -> None:
    server = LabServer(create_app(network, CardTray(network.feed), {}), "127.0.0.1", 0)
    address = await server.start()
    async with aiohttp.ClientSession(address) as session, session.get("/api/events") as stream:
        await _next_event(stream)
        await server.stop()
        await stream.content.read()
        assert stream.content.at_eof()
