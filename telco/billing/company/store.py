"""SQL of the company payments' own tables; takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from telco.billing.company.model import (
    Contact,
    ContactId,
    Manner,
    Order,
    Sheet,
    SheetId,
    SheetKind,
    SheetLine,
    SheetState,
)
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.money import Tiyn

Q = queries.load("telco.billing.company")
_ORDER_LOCK = 0x7E1CF


async def lock_order(connection: Connection, order: Order) -> None:
    await connection.execute(Q.lock_order, _ORDER_LOCK, f"{order.bin}:{order.number}:{order.date}")


async def sheets_of_order(connection: Connection, order: Order) -> list[tuple[Sheet, bytes]]:
    """Return what came for a payment order, the newest first, with the digests of the files."""
    rows = await connection.fetch(Q.sheets_of_order, order.bin, order.number, order.date)
    return [(sheet_of(row), row["digest"]) for row in rows]


async def insert_sheet(
    connection: Connection,
    kind: SheetKind,
    order: Order,
    file_name: str,
    raw: bytes,
    lines: Sequence[SheetLine],
    now: datetime,
    actor: str,
) -> Sheet:
    row = await connection.fetchrow(
        Q.insert_sheet,
        order.bin,
        kind,
        order.number,
        order.date,
        file_name,
        sha256(raw).digest(),
        len(lines),
        sum(line.amount for line in lines),
        now,
        actor,
    )
    assert row is not None
    sheet = sheet_of(row)
    await connection.execute(
        Q.insert_lines,
        sheet.sheet_id,
        list(range(1, len(lines) + 1)),
        [line.row for line in lines],
        [line.named for line in lines],
        [line.amount for line in lines],
    )
    return sheet


async def lines(connection: Connection, sheet_id: SheetId) -> list[SheetLine]:
    rows = await connection.fetch(Q.sheet_lines, sheet_id)
    return [SheetLine(row["row_no"], row["named"], Tiyn(row["amount_tiyn"])) for row in rows]


async def insert_allocation(
    connection: Connection,
    payment_id: int,
    item_id: int,
    manner: Manner,
    reason: str,
    sheet_id: SheetId | None,
    now: datetime,
    actor: str,
) -> None:
    await connection.execute(Q.insert_allocation, payment_id, item_id, manner, reason, sheet_id, now, actor)


def sheet_of(row: Record) -> Sheet:
    return Sheet(
        sheet_id=SheetId(row["sheet_id"]),
        kind=SheetKind(row["kind"]),
        order=Order(row["bin"], row["order_number"], row["order_date"]),
        file_name=row["file_name"],
        line_count=row["line_count"],
        amount=Tiyn(row["amount_tiyn"]),
        state=SheetState(row["state"]),
        payment_id=row["payment_id"],
        sent_at=row["sent_at"],
        sent_by=row["sent_by"],
    )


def contact_of(row: Record) -> Contact:
    return Contact(ContactId(row["contact_id"]), row["bin"], row["login"], row["name"], row["disabled_at"])
