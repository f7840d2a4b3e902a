"""SMS commands answered end to end: received over SMPP, executed against the ledger-backed service, sent over SMPP."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from redis.asyncio import Redis

from telco.app import App
from telco.bench.population import populate
from telco.bench.report import Row
from telco.db.embedded import EmbeddedPostgres, EmbeddedRedis
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel import memory
from telco.kernel.clock import SystemClock
from telco.kernel.log import configure
from telco.settings import Mode, Settings
from telco.sms.command import Codes
from telco.sms.model import Inbound, Reply, UssdReply, UssdRequest
from telco.sms.service import SmsService
from telco.sms.settings import SenderLimit, SmsSettings
from telco.sms.smpp.link import LinkSettings

KANNEL_GET_URL = 2_749.0
"""Replies a second of Kannel fetching a URL for each message, on two cores."""
KANNEL_STATIC = 5_000.0
"""Replies a second of Kannel answering a fixed text: the middle of 4,000 to 6,000."""
COMMAND = "BALANCE"
PEPPER = "a pepper for the time of a measurement"
NO_LIMIT = SenderLimit(burst=1_000_000, per_minute=1_000_000)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; `window` is what the SMSC leaves unacknowledged at once."""

    subscribers: int
    commands: int
    static: int
    singles: int
    rounds: int
    window: int = 500


FULL = Sizes(subscribers=200_000, commands=60_000, static=30_000, singles=2_000, rounds=3)
QUICK = Sizes(subscribers=20_000, commands=8_000, static=5_000, singles=200, rounds=2)


class Load(NamedTuple):
    """What the SMSC sends in a round: `messages` of one text, from `spread` numbers in turn."""

    text: str
    messages: int
    window: int
    spread: int


class Report(NamedTuple):
    """What the SMSC saw: seconds from the first message to the last answer, and how often numbers were answered."""

    seconds: float
    answers: int
    numbers: int
    most: int
    refusals: int
    parts: int


async def run(quick: bool) -> list[Row]:
    """Measure on servers of their own and return the rows."""
    sizes = QUICK if quick else FULL
    configure(level="error")
    with tempfile.TemporaryDirectory(prefix="telco-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        postgres, redis = EmbeddedPostgres(directory / "postgres"), EmbeddedRedis(directory / "redis")
        url, redis_url = await asyncio.to_thread(postgres.start), await asyncio.to_thread(redis.start)
        try:
            await migrate(url)
            database = await Database.connect(url)
            await populate(database, sizes.subscribers)
            rows = await _measure(database, url, redis_url, sizes)
            await database.close()
            return rows
        finally:
            await asyncio.to_thread(redis.stop)
            await asyncio.to_thread(postgres.stop)


async def _measure(database: Database, url: str, redis_url: str, sizes: Sizes) -> list[Row]:
    spread = sizes.subscribers - 1
    commands, statics = 0.0, 0.0
    for _ in range(sizes.rounds):  # in turns, so that what else the machine does falls on both
        load = Load(COMMAND, sizes.commands, sizes.window, spread)
        commands = max(commands, load.messages / (await _commands(database, url, redis_url, load)).seconds)
        load = Load("hello", sizes.static, sizes.window, spread)
        statics = max(statics, load.messages / (await _static(database, redis_url, load)).seconds)
    single = await _commands(database, url, redis_url, Load(COMMAND, sizes.singles, 1, spread))
    mean_ms = single.seconds / sizes.singles * 1_000
    return [
        Row(
            "SMS command answered, from the ledger",
            commands,
            "replies/s",
            "Kannel get-url, 2,749/s",
            commands / KANNEL_GET_URL,
        ),
        Row(
            "SMS answered with a fixed text, stored first",
            statics,
            "replies/s",
            "Kannel static, about 5,000/s",
            statics / KANNEL_STATIC,
        ),
        Row("SMS command, one at a time, from sent to answered", mean_ms, "ms"),
    ]


async def _commands(database: Database, url: str, redis_url: str, load: Load) -> Report:
    """Play a load against the whole service."""
    async with _peer(load) as (peer, port):
        settings = Settings.model_validate(
            {
                "mode": Mode.DEMO,
                "database": {"url": url},
                "redis": {"url": redis_url},
                "http": {"port": 0},
                "staff": {"pepper": PEPPER},
                "cards": {"pepper": PEPPER},
                "sms": {"links": [_link(port).model_dump()], "sms_limit": NO_LIMIT.model_dump()},
            }
        )
        app = App(settings)
        async with _counted(database, load):
            await app.start()
            memory.settle()
            try:
                return await _report(peer, load)
            finally:
                await app.stop()


async def _static(database: Database, redis_url: str, load: Load) -> Report:
    """Play a load against the transport alone, with the same storage and the same limits."""

    async def answer(_: Inbound) -> Reply:
        return Reply("Balance 1250.00 T, Kcell Start until 31.12.2026")

    async def no_menu(_: UssdRequest) -> UssdReply | None:
        return None

    async with _peer(load) as (peer, port), Redis.from_url(redis_url) as client:
        settings = SmsSettings(links=(_link(port),), sms_limit=NO_LIMIT)
        service = SmsService(database, SystemClock(), client, settings, answer, no_menu)
        async with _counted(database, load):
            await service.start()
            memory.settle()
            try:
                return await _report(peer, load)
            finally:
                await service.stop()


def _link(port: int) -> LinkSettings:
    return LinkSettings(port=port, window=1_000)


@asynccontextmanager
async def _peer(load: Load) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run the SMSC in a process of its own."""
    timeout_s = 30 + load.messages / 300
    arguments = (load.messages, load.window, load.text, Codes().root, load.spread, timeout_s)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "telco.bench.sms_peer",
        *map(str, arguments),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process, int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def _report(peer: asyncio.subprocess.Process, load: Load) -> Report:
    """Wait for the SMSC's account of the round: every message answered, each once."""
    assert peer.stdout is not None
    report = Report(**json.loads(await peer.stdout.readline()))
    expected = min(load.messages, load.spread)
    most = -(-load.messages // load.spread)
    if (report.answers, report.numbers, report.most) != (load.messages, expected, most):
        raise AssertionError(f"of {load.messages} messages the SMSC saw {report}")
    return report


@asynccontextmanager
async def _counted(database: Database, load: Load) -> AsyncIterator[None]:
    """Check afterwards that the database knows every message of the round as answered, once, and nothing as lost."""
    before = await _count(database)
    yield
    after = await _count(database)
    grown = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    if grown != {"inbound processed": load.messages, "answer accepted": load.messages}:
        raise AssertionError(f"of {load.messages} messages the database has {grown}")


async def _count(database: Database) -> dict[str, int]:
    rows = await database.fetch(
        """select 'inbound ' || state, count(*) from sms.inbound group by state
           union all
           select 'answer ' || state, count(distinct outbound_id) from sms.outbound
           where kind = 'reply' group by state"""
    )
    return {row[0]: row[1] for row in rows}
