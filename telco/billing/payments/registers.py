"""Daily reconciliation with providers: their register of a day against ours, and what differs on the work list.

A register is CSV: ``txn_id;txn_date;account;sum``, a line for each payment, in the provider's own times. Every cell is
read by the pattern of what it is, so a formula in one refuses the register; what we write begins with a digit or
letter for the same reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from telco.billing.payments import rules, store
from telco.billing.payments.errors import RegisterDayError, RegisterFileError
from telco.billing.payments.model import (
    Channel,
    Difference,
    NewWorkItem,
    Payment,
    Reconciled,
    RegisterLine,
)
from telco.billing.payments.store import Q
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.i18n import Text
from telco.kernel.money import Tiyn, json_money

MAX_BYTES = 8 * 1024 * 1024
MAX_LINES = 100_000
COLUMNS = ("txn_id", "txn_date", "account", "sum")


def parse_register(raw: bytes, calendar: Calendar, day: date) -> list[RegisterLine]:
    """Read a provider's register of a day.

    Raises:
        RegisterFileError: too large, not UTF-8 or Windows-1251, another header, a cell that cannot be what it should,
            a time of another day, a txn_id twice; with the line.
    """
    if len(raw) > MAX_BYTES:
        raise RegisterFileError(line=1, why=Text("the register is larger than {limit} bytes.", limit=MAX_BYTES))
    rows = _decode(raw).splitlines()
    if len(rows) > MAX_LINES + 1:
        raise RegisterFileError(line=MAX_LINES + 2, why=Text("there are more than {limit} lines.", limit=MAX_LINES))
    separator = ";" if rows and ";" in rows[0] else ","
    if not rows or tuple(_cells(rows[0], separator)) != COLUMNS:
        raise RegisterFileError(line=1, why=Text("the header is not {header}.", header=";".join(COLUMNS)))
    lines: dict[str, RegisterLine] = {}
    for number, row in enumerate(rows[1:], 2):
        if not row.strip():
            continue
        line = _line(_cells(row, separator), number)
        if calendar.today(line.txn_at) != day:
            raise RegisterFileError(line=number, why=Text("the payment is of another day."))
        if line.txn_id in lines:
            raise RegisterFileError(line=number, why=Text("the txn_id {txn_id} is there twice.", txn_id=line.txn_id))
        lines[line.txn_id] = line
    return list(lines.values())


def _decode(raw: bytes) -> str:
    for codec in ("utf-8-sig", "cp1251"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    raise RegisterFileError(line=1, why=Text("the register is neither UTF-8 nor Windows-1251."))


def _cells(row: str, separator: str) -> list[str]:
    """Split a line; no cell of a register can hold a separator, so quotes are only taken off."""
    return [cell.strip().removeprefix('"').removesuffix('"') for cell in row.split(separator, len(COLUMNS))]


def _line(cells: Sequence[str], number: int) -> RegisterLine:
    if len(cells) != len(COLUMNS):
        raise RegisterFileError(line=number, why=Text("there are not {count} cells.", count=len(COLUMNS)))
    txn_id, txn_date, account, amount_text = cells
    txn_at, amount = rules.parse_txn_date(txn_date), rules.parse_sum(amount_text)
    for column, right in (
        ("txn_id", rules.is_txn_id(txn_id)),
        ("txn_date", txn_at is not None),
        ("account", rules.parse_named(account) is not None),
        ("sum", amount is not None),
    ):
        if not right:
            raise RegisterFileError(line=number, why=Text("the cell {column} cannot be read.", column=column))
    assert txn_at is not None
    assert amount is not None
    return RegisterLine(txn_id, txn_at, rules.normal_name(account), amount)


def write_register(payments: Iterable[Payment], calendar: Calendar) -> str:
    """Write our register of a day, in the form that we read."""
    rows = [";".join(COLUMNS)]
    for payment in payments:
        at = calendar.local(payment.paid_at).strftime("%Y%m%d%H%M%S")
        rows.append(f"{payment.external_id};{at};{payment.named};{json_money(payment.amount)}")
    return "\n".join(rows) + "\n"


class Registers:
    """Use cases of the daily reconciliation."""

    def __init__(self, database: Database, clock: Clock, calendar: Calendar) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar

    async def ours(self, provider: str, day: date) -> str:
        """Return our register of a provider's day."""
        async with self._database.acquire() as connection:
            return write_register(await self._payments(connection, provider, day), self._calendar)

    async def take(self, provider: str, day: date, raw: bytes, *, actor: str) -> Reconciled:
        """Compare a provider's register of a day with ours, and put every difference on the work list, once.

        A corrected register replaces the earlier one: differences that it no longer has are closed.

        Raises:
            RegisterDayError: the day is not over.
            RegisterFileError
        """
        if day >= self._calendar.today(self._clock.now()):
            raise RegisterDayError(day=day)
        theirs = await asyncio.to_thread(parse_register, raw, self._calendar, day)

        async def body(connection: Connection) -> Reconciled:
            await store.lock_external(connection, Channel.TERMINAL, provider, f"register:{day}")
            ours = await self._payments(connection, provider, day)
            differences = rules.compare_registers(theirs, ours)
            now = self._clock.now()
            amount, our_amount = Tiyn(sum(line.amount for line in theirs)), Tiyn(sum(p.amount for p in ours))
            register_id = await connection.fetchval(
                Q.insert_register,
                provider,
                day,
                sha256(raw).digest(),
                len(theirs),
                amount,
                len(ours),
                our_amount,
                len(differences),
                now,
                actor,
            )
            await self._list(connection, provider, day, differences, now, register_id)
            return Reconciled(
                register_id, provider, day, len(theirs), amount, len(ours), our_amount, tuple(differences)
            )

        return await self._database.transact("payments.take_register", body)

    async def _list(
        self,
        connection: Connection,
        provider: str,
        day: date,
        differences: Iterable[Difference],
        now: datetime,
        register_id: int,
    ) -> None:
        prefix = f"register:{provider}:{day}:"
        items = [_item(prefix, provider, difference) for difference in differences]
        for item in items:
            await store.open_item(connection, item, now)
        decision = f"register {register_id} no longer tells it so"
        keys = [item.key for item in items]
        await connection.execute(Q.close_superseded, f"{prefix}%", keys, now, "system:registers", decision)

    async def _payments(self, connection: Connection, provider: str, day: date) -> list[Payment]:
        start, end = self._calendar.start_of_day(day), self._calendar.start_of_day(day + timedelta(days=1))
        rows = await connection.fetch(Q.payments_of_day, Channel.TERMINAL, provider, start, end)
        return [store.payment_of(row) for row in rows]


def _item(prefix: str, provider: str, difference: Difference) -> NewWorkItem:
    """Key by what is different, so that a later register that differs otherwise is listed anew."""
    figures = f"{difference.amount}:{difference.our_amount or 0}:{difference.account}"
    return NewWorkItem(
        key=f"{prefix}{difference.kind}:{difference.txn_id}:{figures}",
        kind=difference.kind,
        reason=difference.kind,
        channel=Channel.TERMINAL,
        source=provider,
        external_id=difference.txn_id,
        named=difference.account,
        amount=difference.amount,
        other_amount=difference.our_amount,
        paid_at=difference.txn_at.astimezone(UTC),
        payment_id=difference.payment_id,
    )
