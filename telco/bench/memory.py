"""Memory of the service with a million subscribers in the database."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from telco.bench.population import msisdn, populate
from telco.bench.report import Row
from telco.db.embedded import EmbeddedPostgres, EmbeddedRedis
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel.clock import SystemClock
from telco.web.staff import Role, create_principal

MANY, FEW = 1_000_000, 20_000
REQUESTS, QUICK_REQUESTS = 20_000, 2_000
AT_ONCE = 32
BAR_MB = 300
PEPPER = "a pepper for the time of a measurement"
START_TIMEOUT_S = 60
MEGABYTE = 1_000_000


async def run(quick: bool) -> list[Row]:
    """Serve random subscribers of a large population and read what the process holds."""
    population, requests = (FEW, QUICK_REQUESTS) if quick else (MANY, REQUESTS)
    with tempfile.TemporaryDirectory(prefix="telco-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        postgres, redis = EmbeddedPostgres(directory / "postgres"), EmbeddedRedis(directory / "redis")
        url, redis_url = await asyncio.to_thread(postgres.start), await asyncio.to_thread(redis.start)
        try:
            await migrate(url)
            key = await _prepare(url, population)
            async with _service(url, redis_url) as (process, base_url):
                idle = process.memory_info().rss
                await _load(base_url, key, population, requests)
                busy = process.memory_info().rss
        finally:
            await asyncio.to_thread(redis.stop)
            await asyncio.to_thread(postgres.stop)
    against = f"at most {BAR_MB} MB"
    return [
        _row(f"memory, {population:,} subscribers, just started", idle, against),
        _row(f"memory, {population:,} subscribers, after {requests:,} requests", busy, against),
    ]


def _row(name: str, held: int, against: str) -> Row:
    return Row(name, held / MEGABYTE, "MB", against, held / MEGABYTE / BAR_MB)


async def _prepare(url: str, population: int) -> str:
    database = await Database.connect(url)
    try:
        await populate(database, population)
        roles = [Role.NETWORK, Role.AUDITOR]
        now = SystemClock().now()
        return await database.transact(
            "bench.key", lambda conn: create_principal(conn, "bench", roles, pepper=PEPPER, now=now)
        )
    finally:
        await database.close()


@asynccontextmanager
async def _service(url: str, redis_url: str) -> AsyncIterator[tuple[psutil.Process, str]]:
    """Run `telco serve` in a process of its own, as production does, and yield it with its address."""
    environment = {
        **os.environ,
        "TELCO_MODE": "demo",
        "TELCO_DATABASE_URL": url,
        "TELCO_REDIS_URL": redis_url,
        "TELCO_STAFF_PEPPER": PEPPER,
        "TELCO_CARDS_PEPPER": PEPPER,
        "TELCO_HTTP_PORT": "0",
        "TELCO_LOG_FORMAT": "json",
        "TELCO_LOG_LEVEL": "info",
    }
    served = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "telco.cli", "serve", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert served.stderr is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            base_url = await _address(served.stderr)
        reading = asyncio.create_task(_discard(served.stderr))
        yield psutil.Process(served.pid), base_url
        reading.cancel()
    finally:
        served.terminate()
        await served.wait()


async def _address(stream: asyncio.StreamReader) -> str:
    """Read the log until it says where the service listens."""
    async for line in stream:
        _, found, rest = line.decode().partition("http://")
        if found and b"http_started" in line:
            return f"http://{rest.split(chr(34))[0]}"
    raise RuntimeError("the service ended before it listened")


async def _discard(stream: asyncio.StreamReader) -> None:
    async for _ in stream:
        pass


async def _load(base_url: str, key: str, population: int, requests: int) -> None:
    """Ask for balances and charge messages of subscribers all over the population."""
    chosen = random.Random(1)
    headers = {"Authorization": f"Bearer {key}", "X-Ground": "benchmark"}
    numbers = iter(range(requests))
    async with aiohttp.ClientSession(base_url, headers=headers) as session:

        async def caller() -> None:
            for number in numbers:
                who = msisdn(chosen.randrange(population))
                if number % 2:
                    await _expect_ok(session.get(f"/v1/subscribers/{who}/balance"))
                else:
                    body = {"request_id": f"m{number}", "msisdn": who, "service": "sms", "other": "77051234567"}
                    await _expect_ok(session.post("/charging/v1/events", json=body))

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))


async def _expect_ok(request: aiohttp.client._RequestContextManager) -> None:
    async with request as response:
        if response.status != 200:
            raise RuntimeError(f"the service answered {response.status}: {await response.text()}")
