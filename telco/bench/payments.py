"""Payments: what a terminal's payments and a company's register of ten thousand lines cost."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import date, datetime
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from telco.app import App
from telco.bench.memory import PEPPER
from telco.bench.population import msisdn, populate
from telco.bench.report import Row
from telco.billing.company.model import Order, SheetKind
from telco.billing.payments.audit import audit_payments
from telco.db.embedded import EmbeddedPostgres, EmbeddedRedis
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel.calendar import ZONE
from telco.kernel.money import tenge
from telco.settings import (
    CardSettings,
    DatabaseSettings,
    HttpSettings,
    Mode,
    RedisSettings,
    Settings,
    StaffSettings,
)

PEOPLE = 20_000
LINES, QUICK_LINES = 10_000, 2_000
KIOSKS = 32
SECONDS, QUICK_SECONDS = 20.0, 4.0
IBAN = "KZ87345KZT1234567890"
COMPANY = "990140000007"
DAY = date(2026, 3, 1)


async def run(quick: bool) -> list[Row]:
    """Pay at terminals over HTTP, client and service in one process, then allocate a register."""
    with tempfile.TemporaryDirectory(prefix="telco-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        postgres, redis = EmbeddedPostgres(directory / "postgres"), EmbeddedRedis(directory / "redis")
        url, redis_url = await asyncio.to_thread(postgres.start), await asyncio.to_thread(redis.start)
        try:
            await migrate(url)
            return await _measure(url, redis_url, quick=quick)
        finally:
            await asyncio.to_thread(redis.stop)
            await asyncio.to_thread(postgres.stop)


async def _measure(url: str, redis_url: str, *, quick: bool) -> list[Row]:
    database = await Database.connect(url)
    await populate(database, PEOPLE)
    app = App(
        Settings(
            mode=Mode.DEMO,
            database=DatabaseSettings(url=SecretStr(url)),
            redis=RedisSettings(url=SecretStr(redis_url)),
            http=HttpSettings(port=0),
            staff=StaffSettings(pepper=SecretStr(PEPPER)),
            cards=CardSettings(pepper=SecretStr(PEPPER)),
        )
    )
    server = await app.start()
    try:
        paid = await _pay(app, server.url, QUICK_SECONDS if quick else SECONDS)
        lines = QUICK_LINES if quick else LINES
        taken, allocated = await _register(app, lines)
    finally:
        await app.stop()
    findings = await audit_payments(database)  # the population's balances are copies, which no journal explains
    await database.close()
    if findings:
        raise RuntimeError(f"the books are wrong: {findings[:3]}")
    return [
        Row(f"terminal payments over HTTP, {KIOSKS} terminals", paid, "requests/s"),
        Row(f"a register of {lines:,} lines read and checked", lines / taken, "lines/s"),
        Row(f"a company's payment of {lines:,} lines allocated in one transaction", lines / allocated, "lines/s"),
    ]


async def _pay(app: App, url: str, seconds: float) -> float:
    provider, key = await app.ways_in.providers.add(
        "bench", "Bench", least=tenge(1), most=tenge(500_000), actor="bench"
    )
    auth = aiohttp.BasicAuth(provider.code, key)
    until = time.perf_counter() + seconds
    async with aiohttp.ClientSession(url, auth=auth) as session:

        async def stand(number: int) -> int:
            paid = 0
            while time.perf_counter() < until:
                query = {
                    "command": "pay",
                    "txn_id": f"k{number}-{paid}",
                    "account": msisdn((number + paid * KIOSKS) % PEOPLE),
                    "sum": "100.00",
                    "txn_date": datetime.now(ZONE).strftime("%Y%m%d%H%M%S"),
                }
                async with session.get("/terminal/v1/payments", params=query) as response:
                    answer = await response.text()
                if "<result>0</result>" not in answer:
                    raise RuntimeError(f"the service answered {answer}")
                paid += 1
            return paid

        started = time.perf_counter()
        paid = await asyncio.gather(*(stand(number) for number in range(KIOSKS)))
        return sum(paid) / (time.perf_counter() - started)


async def _register(app: App, lines: int) -> tuple[float, float]:
    """Return how long it took to take a register, and to allocate its payment."""
    rows = [f"{msisdn(number)};100.00" for number in range(lines)]
    raw = "\n".join(["Номер;Сумма", *rows]).encode()
    started = time.perf_counter()
    order = Order(COMPANY, "1", DAY)
    await app.companies.sheets.take(raw, "register.csv", SheetKind.REGISTER, order, actor="bench")
    taken = time.perf_counter() - started
    await app.ways_in.transfers.add_account(IBAN, "bench")
    await app.ways_in.transfers.take(_bank_file(lines), "bench.txt", actor="bench")
    started = time.perf_counter()
    processed = await app.companies.payments.process()
    if processed.allocated != 1:
        raise RuntimeError("the company's payment was not allocated")
    return taken, time.perf_counter() - started


def _bank_file(lines: int) -> bytes:
    fields = {
        "Номер": "1",
        "Дата": "01.03.2026",
        "Сумма": f"{lines * 100}.00",
        "ПлательщикСчет": "KZ83765KZT0987654321",
        "Плательщик": "Bench",
        "ПлательщикИНН": COMPANY,
        "ПолучательСчет": IBAN,
        "ДатаПоступило": "01.03.2026",
        "НазначениеПлатежа": "по реестру",
    }
    text = ["1CClientBankExchange", "ВерсияФормата=1.03", "Кодировка=Windows", f"РасчСчет={IBAN}", "СекцияРасчСчет"]
    text += [f"РасчСчет={IBAN}", "КонецРасчСчет", "СекцияДокумент=Платежное поручение"]
    text += [*(f"{key}={value}" for key, value in fields.items()), "КонецДокумента", "КонецФайла", ""]
    return "\r\n".join(text).encode("cp1251")
