"""The outbox: a day's fee notices and a rush of top-ups, handed over in batches; durable.

Beside each stands what the same code does with batches of one: it says what batching gives, not what code made for one
event at a time would do.
"""

from __future__ import annotations

from pydantic import SecretStr

from telco.app import App
from telco.bench.population import populate
from telco.bench.report import Row
from telco.bench.stage import own_database, own_server, timed
from telco.db.outbox import BATCH, Dispatcher
from telco.db.pool import Database
from telco.settings import CardSettings, DatabaseSettings, Mode, RedisSettings, Settings
from telco.subscribers.model import Accession

PEPPER = "a pepper for the time of a measurement"
EVENTS, QUICK_EVENTS = 100_000, 10_000
SAMPLE = 10
"""One of so many events is handed over in batches of one, for comparison."""

_FEES = """
insert into kernel.outbox (topic, key, payload, created_at)
select 'subscribers.fee_taken', 'subscriber:' || s.subscription_id, jsonb_build_object(
           'kind', 'plan', 'code', s.plan_code, 'version', s.plan_version, 'msisdn', s.msisdn, 'amount', '2490.00',
           'first', false, 'op_id', 'fee:bench:' || s.subscription_id,
           'subscriber_id', s.subscription_id, 'next_fee_at', s.next_fee_at), now()
from subscribers.subscription s where s.subscription_id > $1 order by s.subscription_id limit $2"""

_MONEY = """
insert into kernel.outbox (topic, key, payload, created_at)
select 'billing.credited', 'account:' || s.shard || ':' || s.account_id, jsonb_build_object(
           'shard', s.shard, 'account_id', s.account_id, 'amount', 100000, 'balance', 300000,
           'op_id', 'topup:bench:' || s.subscription_id, 'request_id', 'bench:' || s.subscription_id), now()
from subscribers.subscription s where s.subscription_id > $1 order by s.subscription_id limit $2"""


async def run(quick: bool) -> list[Row]:
    """Dispatch with every consumer that the service has, on a server of its own."""
    events = QUICK_EVENTS if quick else EVENTS
    async with own_server() as server, own_database(server, "outbox") as database:
        with timed(f"loading {events:,} subscribers"):
            original = await populate(database, events)
        app = App(
            Settings(
                mode=Mode.DEMO,
                database=DatabaseSettings(url=SecretStr(database.url)),
                redis=RedisSettings(url=SecretStr("redis://127.0.0.1:1")),  # no consumer asks it
                cards=CardSettings(pepper=SecretStr(PEPPER)),
            )
        )
        await app.open()
        try:
            await app.catalog.refresh()
            rows: list[Row] = []
            for name, statement in (("fee notices", _FEES), ("top-ups", _MONEY)):
                await _emit(database, statement, original, events // SAMPLE)
                of_one = await _rate(app.outbox, database, f"{name} in batches of 1", events // SAMPLE, batch=1)
                await _emit(database, statement, original, events)
                rate = await _rate(app.outbox, database, name, events)
                against = f"in batches of 1 {of_one:,.0f}/s"
                rows.append(Row(f"outbox, {events:,} {name}", rate, "events/s", against, rate / of_one))
            return rows
        finally:
            await app.stop()


async def _emit(database: Database, statement: str, original: Accession, events: int) -> None:
    await database.fetch("truncate kernel.outbox, sms.outbound")
    await database.fetch(statement, original.subscriber_id - 1, events)
    await database.fetch("vacuum analyze kernel.outbox")


async def _rate(dispatcher: Dispatcher, database: Database, name: str, events: int, batch: int = BATCH) -> float:
    """Return how many events a second are dispatched; a figure counts only if all of them were, and told once."""
    with timed(f"{events:,} {name}") as took:
        done = await dispatcher.drain(batch)
    told = await database.fetchval("select count(*) from sms.outbound where part = 1")
    if not done == told == events:
        raise RuntimeError(f"of {events} {name} {done} were dispatched and {told} told")
    return events / took.seconds
