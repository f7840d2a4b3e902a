"""No request, however hostile, is answered with an internal error; every refusal is a problem that says what is wrong.

The attacks are made from the declarations of the routes, so a new feature is covered as soon as it declares them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from yarl import URL

from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.web import openapi
from telco.web.api import Api
from telco.web.server import API
from telco.web.staff import Role
from tests.billing.documents.papers import make_document_example
from tests.web.conftest import Service, Site
from tests.web.hostile import Attack, attacks, example
from tests.world import World

HOSTILE = settings(
    max_examples=200,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a server keeps state: shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
pytestmark = pytest.mark.timeout(400)  # seconds on a quiet machine, minutes on a busy one
BROKEN_ON_PURPOSE = "/v1/broken"


@cache
def any_attack(api: Api, except_for: str = "") -> st.SearchStrategy[Attack]:
    """Attacks on every route of `api`."""
    routes = [route for route in api if route.path != except_for]
    return attacks(routes, openapi.build(api, "http://localhost"))


async def strike(client: aiohttp.ClientSession, url: str, attack: Attack, keys: dict[Role, str]) -> tuple[int, Any]:
    """Send an attack as somebody who may, and check what every answer has to be."""
    headers = dict(attack.headers)
    if attack.route.roles:
        headers["Authorization"] = f"Bearer {keys[min(attack.route.roles)]}"
    target = URL(url + attack.path, encoded=True)
    async with client.request(attack.route.method, target, data=attack.body, headers=headers) as response:
        raw = await response.read()
        said = f"{attack} was answered {response.status} {raw[:300]!r}"
        assert response.status < 500, said
        is_json = response.content_type.endswith("json")  # files are answered as they are
        body: Any = json.loads(raw) if raw and is_json else None
        if response.status >= 400:
            assert response.headers["Content-Type"] == "application/problem+json", said
            assert body["type"] == f"/problems/{body['code']}", said
            assert body["detail"], said
            assert (body["code"] == "invalid_request") == bool(body["fields"]), said
    return response.status, body


@pytest.fixture(scope="module")
def statuses() -> Iterator[set[int]]:
    """Where a test keeps what it was answered: at the end, the attacks have to have reached every layer."""
    seen: set[int] = set()
    yield seen
    assert {201, 400, 422} <= seen


@HOSTILE
@given(data=st.data())
async def test_the_sample_api_withstands_every_attack(site: Site, data: st.DataObject, statuses: set[int]) -> None:
    attack = data.draw(any_attack(site.app[API], BROKEN_ON_PURPOSE))
    status, _ = await strike(site.client, site.server.url, attack, site.keys)
    statuses.add(status)


@HOSTILE
@given(data=st.data())
async def test_the_whole_service_withstands_every_attack(service: Service, data: st.DataObject) -> None:
    attack = data.draw(any_attack(service.api))
    async with aiohttp.ClientSession() as client:
        await strike(client, service.url, attack, service.keys)


async def test_every_route_takes_its_own_example(
    service: Service, database: Database, clock: ManualClock, calendar: Calendar
) -> None:
    """Reads answer with what there is; a command may be refused by what the subscriber has, not for its form."""
    world = World(database, clock, calendar)
    await world.catalog.refresh()
    await make_document_example(world)
    document = openapi.build(service.api, service.url)
    OpenAPIV31SpecValidator(document).validate()
    async with aiohttp.ClientSession() as client:
        for route in sorted(service.api, key=lambda route: route.method != "GET"):
            attack = example(route, document)
            status, body = await strike(client, service.url, attack, service.keys)
            assert route.method != "GET" or status == 200, (attack, body)
            assert status not in (400, 401, 403, 415), (attack, body)
            assert status != 422 or body["code"] != "invalid_request", (attack, body)
