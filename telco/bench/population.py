"""A population to measure on: one subscriber acceded by the service's own use case, then copied by the database.

A copy differs from the original in its keys only, so the tables look as accession leaves them, whatever columns they
have.
"""

from __future__ import annotations

from pathlib import Path

from telco.catalog.service import CatalogService
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import SystemClock
from telco.kernel.i18n import Language
from telco.kernel.money import tenge
from telco.kernel.msisdn import Msisdn
from telco.ledger.service import Ledger
from telco.subscribers import rules
from telco.subscribers.model import (
    Accession,
    Channel,
    Origin,
    PartyData,
    PartyKind,
    RegistrationSheet,
    SimKind,
)
from telco.subscribers.service import Subscribers

CATALOGUE = Path(__file__).parents[1] / "lab" / "operator" / "catalog"
PLAN = "kcell-start"
FIRST = 77010000000
SHARDS = 4
_OWNER = Origin("staff:bench", Channel.OFFICE, "benchmark")

# Table, what tells the original's row, and what a copy has instead of its keys; `n` counts the copies from 1.
_COPIES = (
    ("subscribers.party", "party_id", "'party_id', party_id + n, 'iin_bin', lpad(n::text, 12, '0')"),
    ("subscribers.contract", "contract_id", "'contract_id', contract_id + n, 'party_id', party_id + n"),
    (
        "subscribers.personal_account",
        "account_id",
        "'shard', n % {shards}, 'account_id', account_id + n, 'contract_id', contract_id + n",
    ),
    ("subscribers.number", "msisdn", "'msisdn', (msisdn::bigint + n)::text"),
    (
        "subscribers.subscription",
        "subscription_id",
        "'subscription_id', subscription_id + n, 'contract_id', contract_id + n, 'party_id', party_id + n,"
        " 'shard', n % {shards}, 'account_id', account_id + n, 'msisdn', (msisdn::bigint + n)::text",
    ),
    ("ledger.bucket", "account_id", "'shard', n % {shards}, 'account_id', account_id + n"),
)


def msisdn(number: int) -> Msisdn:
    """Return the number of a subscriber; the original is 0."""
    return Msisdn(str(FIRST + number))


async def populate(database: Database, subscribers: int) -> None:
    """Publish the demo operator's catalogue and accede `subscribers` people with money and an active plan."""
    original = await _accede(database)

    async def body(connection: Connection) -> None:
        await connection.execute("set local session_replication_role = replica")  # keys are right by construction
        for table, key, changes in _COPIES:
            value = _key_of(original, key)
            await connection.execute(
                f"""insert into {table} overriding system value
                    select copy.* from {table} original, generate_series(1, $2) n,
                        jsonb_populate_record(original, jsonb_build_object({changes.format(shards=SHARDS)})) copy
                    where original.{key} = $1""",
                value,
                subscribers - 1,
                timeout=1_200,
            )

    await database.transact("bench.populate", body)
    for table, _, _ in _COPIES:
        await database.fetch(f"analyze {table}")


def _key_of(original: Accession, key: str) -> int | str:
    keys: dict[str, int | str] = {
        "party_id": original.party_id,
        "contract_id": original.contract_id,
        "account_id": original.account.account_id,
        "msisdn": original.msisdn,
        "subscription_id": original.subscriber_id,
    }
    return keys[key]


async def _accede(database: Database) -> Accession:
    clock = SystemClock()
    catalog = CatalogService(database, clock)
    await catalog.publish_directory(CATALOGUE, author="bench")
    ledger = Ledger(database, clock, shards=SHARDS)
    subscribers = Subscribers(database, clock, Calendar(), catalog.current, ledger)
    await subscribers.contracts.publish_edition("bench", "https://example.kz/contract", b"\0" * 32, _OWNER)
    iccid = "8970100000000000000"[:18]
    iccid += rules.luhn_digit(iccid)
    await subscribers.numbers.add([msisdn(0)], "ordinary", _OWNER)
    await subscribers.sims.add(iccid, "401010000000001", SimKind.SIM, _OWNER)
    accession = await subscribers.accede(
        RegistrationSheet(
            request_id="bench",
            party=PartyData(
                PartyKind.PERSON, "900101300017", "Bench Mark", "Almaty, Abai 1", "bench@example.kz", "77011112233"
            ),
            plan_code=PLAN,
            language=Language.RU,
            origin=_OWNER,
            msisdn=msisdn(0),
            iccid=iccid,
            initial_payment=tenge(10_000),
        )
    )
    await ledger.stop()
    return accession
