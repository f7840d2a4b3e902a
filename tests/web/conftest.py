"""A real server on a socket, with the sample shop and a key for every role."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Translator
from telco.web.api import Api
from telco.web.health import Health, database_check, redis_check
from telco.web.pipeline import Limits
from telco.web.server import RunningServer, create_app, start_server
from telco.web.staff import Role, create_principal
from tests.web.hostile import NUMBERS_IN_USE
from tests.web.sample import TABLE, Shop, make_api

PEPPER = "pepper of the tests"
NUMBER = "77011234567"
LIMITS = Limits(
    max_body_bytes=4096, body_timeout_s=0.3, handler_timeout_s=2.0, header_timeout_s=0.3, shutdown_timeout_s=3.0
)


@dataclass
class Site:
    """A running service and its client."""

    server: RunningServer
    client: aiohttp.ClientSession
    shop: Shop
    health: Health
    db: Database
    app: aiohttp.web.Application
    keys: dict[Role, str]

    def key(self, role: Role, **headers: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}", **headers}

    async def call(
        self, method: str, path: str, role: Role | None = None, **arguments: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Send a request and return status, decoded body and the response."""
        headers = dict(arguments.pop("headers", {}))
        if role is not None:
            headers |= self.key(role)
        async with self.client.request(method, self.server.url + path, headers=headers, **arguments) as response:
            raw = await response.read()
            return response.status, await response.json(content_type=None) if raw else None, response

    async def top_up(self, key: str, amount: str = "100.00", **extra: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
        body = {"msisdn": NUMBER, "amount": amount, **extra}
        return await self.call("POST", "/v1/top-ups", Role.CASHIER, json=body, headers={"Idempotency-Key": key})


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def site(
    database: Database, redis_client: Redis, clock: ManualClock, translator: Translator
) -> AsyncIterator[Site]:
    async with running(database, redis_client, clock, translator) as site:
        yield site


@contextlib.asynccontextmanager
async def running(
    database: Database, redis_client: Redis, clock: ManualClock, translator: Translator
) -> AsyncIterator[Site]:
    keys: dict[Role, str] = {}
    async with database.acquire() as conn:
        await conn.execute(TABLE)
        for role in Role:
            keys[role] = await create_principal(conn, role.value, [role], pepper=PEPPER, now=clock.now())
    shop, health = Shop(database), Health()
    health.add("postgresql", database_check(database), required=True)
    health.add("redis", redis_check(redis_client), required=False)
    app = create_app(
        make_api(shop),
        db=database,
        redis=redis_client,
        clock=clock,
        translator=translator,
        pepper=PEPPER,
        health=health,
        limits=LIMITS,
    )
    server = await start_server(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as client:
        yield Site(server, client, shop, health, database, app, keys)
    await server.stop()


@dataclass
class Service:
    """The whole service, as `telco serve` composes it."""

    url: str
    api: Api
    keys: dict[Role, str]


@pytest.fixture
async def service(
    database: Database, database_url: str, redis_url: str, clock: ManualClock, calendar: Calendar
) -> AsyncIterator[Service]:
    """With the demo operator's catalogue, ten subscribers (one with the documents' number), a key for every role."""
    from telco.app import App
    from telco.settings import (
        CardSettings,
        DatabaseSettings,
        HttpSettings,
        Mode,
        RedisSettings,
        Settings,
        StaffSettings,
    )
    from tests.billing.collection.examples import make_debt_example
    from tests.billing.instalments.examples import make_examples as make_devices
    from tests.billing.invoicing.examples import make_invoice_example
    from tests.billing.payments.examples import make_examples
    from tests.billing.refunds.examples import make_refund_examples
    from tests.world import World

    world = World(database, clock, calendar)
    await world.open()
    for number in NUMBERS_IN_USE:
        await world.subscriber(money="5000", number=number)
    await make_examples(world, next(number for number in NUMBERS_IN_USE if number != NUMBER))
    await make_refund_examples(world)
    await make_invoice_example(world)
    await make_debt_example(world)
    await make_devices(world, next(number for number in NUMBERS_IN_USE if number != NUMBER))
    async with database.acquire() as conn:
        keys = {role: await create_principal(conn, role, [role], pepper=PEPPER, now=clock.now()) for role in Role}
    app = App(
        Settings(
            mode=Mode.DEMO,
            database=DatabaseSettings(url=SecretStr(database_url)),
            redis=RedisSettings(url=SecretStr(redis_url)),
            http=HttpSettings(port=0),
            staff=StaffSettings(pepper=SecretStr(PEPPER)),
            cards=CardSettings(pepper=SecretStr(PEPPER)),
        ),
        clock,
    )
    server = await app.start()
    yield Service(server.url, app.api(), keys)
    await app.stop()
    await world.close()
