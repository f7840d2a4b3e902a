"""A population to measure on: one subscriber acceded by the service's own use case, then copied by the database.

A copy differs from the original in its keys only, so the tables look as accession leaves them, whatever columns they
have.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from telco.catalog.service import CatalogService
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock, SystemClock
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


class Copied(NamedTuple):
    """A table whose row of the original is copied: what tells that row, and what a copy has in its keys instead.

    In an expression `n` counts the copies from 1.
    """

    table: str
    key: str
    changes: Mapping[str, str]


_ACCOUNT = {"shard": f"n % {SHARDS}", "account_id": "account_id + n"}
_CONTRACT = {"contract_id": "contract_id + n"}
_PARTY = {"party_id": "party_id + n"}
_MSISDN = {"msisdn": "(msisdn::bigint + n)::text"}

_COPIES = (
    Copied("subscribers.party", "party_id", {**_PARTY, "iin_bin": "lpad(n::text, 12, '0')"}),
    Copied("subscribers.contract", "contract_id", {**_CONTRACT, **_PARTY}),
    Copied("subscribers.personal_account", "account_id", {**_ACCOUNT, **_CONTRACT}),
    Copied("subscribers.number", "msisdn", _MSISDN),
    Copied(
        "subscribers.subscription",
        "subscription_id",
        {"subscription_id": "subscription_id + n", **_CONTRACT, **_PARTY, **_ACCOUNT, **_MSISDN},
    ),
    Copied("ledger.bucket", "account_id", _ACCOUNT),
)
JOURNAL = Copied("ledger.operation", "account_id", _ACCOUNT)
"""Only with it can the auditor explain the copies' balances."""


def msisdn(number: int) -> Msisdn:
    """Return the number of a subscriber; the original is 0."""
    return Msisdn(str(FIRST + number))


async def populate(
    database: Database,
    subscribers: int,
    *,
    clock: Clock | None = None,
    plan: str = PLAN,
    live: Callable[[Accession], Awaitable[None]] | None = None,
    more: Sequence[Copied] = (),
    journal: bool = False,
    vary: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Accession:
    """Publish the demo operator's catalogue and accede `subscribers` people with money and an active plan.

    `live` is what the original does before it is copied, `more` are tables to be copied besides. `vary` names, by table
    and column, what a copy has besides its keys that the original has not. Returns the original.
    """
    original = await _accede(database, clock or SystemClock(), plan)
    if live is not None:
        await live(original)
    copied = [*_COPIES, *more, JOURNAL] if journal else [*_COPIES, *more]

    async def body(connection: Connection) -> None:
        await connection.execute("set local session_replication_role = replica")  # keys are right by construction
        for table, key, changes in copied:
            await copy(
                connection, table, {**changes, **vary.get(table, {})}, (key, _key_of(original, key)), subscribers
            )

    await database.transact("bench.populate", body)
    for table, _, _ in copied:
        await database.fetch(f"analyze {table}")
    return original


async def copy(
    connection: Connection, table: str, changes: Mapping[str, str], original: tuple[str, object], subscribers: int
) -> None:
    """Copy the row of a table that `original` tells by an expression and its value; see `Copied`."""
    key, value = original
    names = [
        row["attname"]
        for row in await connection.fetch(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped"
            " order by attnum",
            table,
        )
    ]
    columns = ", ".join(f"{changes[name]} as {name}" if name in changes else name for name in names)
    await connection.execute(
        f"""insert into {table} ({", ".join(names)}) overriding system value
            select {columns} from {table}, generate_series(1, $2::int) n where {key} = $1 order by n""",
        value,
        subscribers - 1,
        timeout=1_200,
    )


def _key_of(original: Accession, key: str) -> int | str:
    keys: dict[str, int | str] = {
        "party_id": original.party_id,
        "contract_id": original.contract_id,
        "account_id": original.account.account_id,
        "msisdn": original.msisdn,
        "subscription_id": original.subscriber_id,
    }
    return keys[key]


async def _accede(database: Database, clock: Clock, plan: str) -> Accession:
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
            plan_code=plan,
            language=Language.RU,
            origin=_OWNER,
            msisdn=msisdn(0),
            iccid=iccid,
            initial_payment=tenge(10_000),
        )
    )
    await ledger.stop()
    return accession
