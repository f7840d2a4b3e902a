"""An account's past: what its main balance was and did in a period. For documents; nothing on the hot path reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from telco.db import queries
from telco.db.pool import Connection
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.kernel.units import Unit
from telco.ledger.model import Kind

_Q = queries.load("telco.ledger", "history.sql")
_USAGE = [Kind.DEBIT, Kind.USE]


class Movement(NamedTuple):
    """An operation that moved the main balance, or that used something which allowances paid."""

    op_id: str
    at: datetime
    kind: Kind
    contra: str
    unit: Unit
    quantity: int
    """In `unit`; 0 for sums."""
    change: Tiyn
    main_after: Tiyn
    details: dict[str, Any]


class Supplied(NamedTuple):
    """What was charged of one thing in a span of time."""

    code: str
    """The operator's account."""
    label: str
    item: str | None
    """The plan or service that a fee is of."""
    unit: Unit
    operations: int
    quantity: int | None
    amount: Tiyn
    """Less what was given back."""
    rate_no: int
    """Which of the given moments it came after, from 1."""


async def main_before(connection: Connection, account: AccountRef, moment: datetime) -> Tiyn:
    """Return the main balance that an account had before a moment; 0 before its first operation."""
    value = await connection.fetchval(_Q.opening, account.shard, account.account_id, moment)
    return Tiyn(value or 0)


async def movements(
    connection: Connection, account: AccountRef, since: datetime, until: datetime, limit: int
) -> list[Movement]:
    """Return what happened from `since` to before `until`, the oldest first, at most `limit`.

    It follows the account's chain of operations back from the newest, so a period long ago costs what came after it.
    """
    rows = await connection.fetch(_Q.movements, account.shard, account.account_id, since, until, _USAGE, limit)
    return [
        Movement(
            row["op_id"],
            row["at"],
            Kind(row["kind"]),
            row["contra"],
            Unit(row["unit"]),
            0 if row["unit"] == Unit.MONEY else row["quantity"] or 0,
            Tiyn(row["change"]),
            Tiyn(row["main_after"]),
            json.loads(row["details"]) if row["details"] else {},
        )
        for row in rows
    ]


async def totals(connection: Connection, account: AccountRef, until: datetime) -> dict[str, Tiyn]:
    """Add up what the main balance got (positive) or gave before a moment, by the operator's account."""
    rows = await connection.fetch(_Q.totals, account.shard, account.account_id, until)
    return {row["contra"]: Tiyn(row["change"]) for row in rows}


async def supplied(
    connection: Connection, account: AccountRef, since: datetime, until: datetime, moments: Sequence[datetime]
) -> list[Supplied]:
    """Add up what was charged to revenue from `since` to before `until`, by thing and by the newest of the moments."""
    rows = await connection.fetch(_Q.supplied, account.shard, account.account_id, since, until, list(moments))
    return [
        Supplied(
            row["code"],
            row["label"],
            row["item"],
            Unit(row["unit"]),
            row["operations"],
            row["quantity"],
            Tiyn(row["amount"]),
            row["rate_no"],
        )
        for row in rows
    ]
