"""Registers and covering letters: sent by staff or by the company's contact, matched with their payment order.

Contract: PSC-3.2.4-2, PSC-3.2.4-3
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import replace
from hashlib import sha256

from telco.billing.company import store
from telco.billing.company.errors import (
    ContactExistsError,
    ContactKeyError,
    ContactUnknownError,
    SheetEndedError,
    SheetExistsError,
    SheetUnknownError,
    sheet_file_error,
)
from telco.billing.company.model import Contact, Order, Sheet, SheetId, SheetKind, SheetLine, SheetState
from telco.billing.company.service import CompanyPayments
from telco.billing.company.sheet_lines import read_lines
from telco.billing.company.store import Q
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.i18n import Text
from telco.kernel.iin_bin import parse_bin
from telco.kernel.money import json_money

KEY_BYTES = 32
LAST_SHEET = 2**62


class Sheets:
    """Use cases of registers and letters, and of the contacts who send them. `pepper` keys the digests of keys."""

    def __init__(self, database: Database, clock: Clock, payments: CompanyPayments, pepper: bytes) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments
        self._pepper = pepper

    async def take(self, raw: bytes, file_name: str, kind: SheetKind, order: Order, *, actor: str) -> Sheet:
        """Take the register or letter of a payment order, and allocate the payment if it is there already.

        The same file again changes nothing. Every line must name somebody who can be credited.

        Raises:
            IinBinError: the company's BIN.
            SheetFileError: the file, or a line of it, cannot be taken; nothing of it was.
            SheetExistsError: another one came for this order.
            SheetEndedError: the order's payment was allocated by another one.

        Contract: PSC-3.2.4-2, PSC-3.2.4-3, PSC-3.2.4-4
        """
        parse_bin(order.bin)
        sheet_name, lines = await asyncio.to_thread(read_lines, raw, file_name, kind)
        await self._check_payees(file_name, sheet_name, lines)

        async def body(connection: Connection) -> tuple[Sheet, bool]:
            await store.lock_order(connection, order)
            for earlier, digest in await store.sheets_of_order(connection, order):
                if earlier.state is SheetState.WITHDRAWN:
                    continue
                if digest == sha256(raw).digest() and earlier.kind is kind:
                    return earlier, True
                if earlier.state is SheetState.USED:
                    raise SheetEndedError(sheet_id=earlier.sheet_id, state=earlier.state)
                raise SheetExistsError(sheet_id=earlier.sheet_id, number=order.number, day=order.date)
            now = self._clock.now()
            sheet = await store.insert_sheet(connection, kind, order, file_name, raw, lines, now, actor)
            await self._audit(connection, "take_sheet", sheet, actor, "a register or letter came")
            return sheet, False

        sheet, replayed = await self._database.transact("company_payments.take_sheet", body)
        await self._payments.sheet_came(order)
        return await self.get(sheet.sheet_id, replayed=replayed)

    async def _check_payees(self, file_name: str, sheet_name: str, lines: list[SheetLine]) -> None:
        payees = await self._payments.payees([line.named for line in lines])
        for line in lines:
            why = payees[line.named]
            if isinstance(why, str):
                text = Text("nothing can be credited to {named} ({why}).", named=line.named, why=why)
                raise sheet_file_error(file_name, text, sheet=sheet_name, row=line.row)

    async def withdraw(self, sheet_id: SheetId, *, actor: str, reason: str) -> Sheet:
        """Take a register or letter back that no payment has used.

        Raises:
            SheetUnknownError, SheetEndedError
        """

        async def body(connection: Connection) -> Sheet:
            row = await connection.fetchrow(Q.withdraw_sheet, sheet_id, self._clock.now(), actor)
            if row is None:
                known = await connection.fetchrow(Q.sheet, sheet_id)
                if known is None:
                    raise SheetUnknownError(sheet_id=sheet_id)
                raise SheetEndedError(sheet_id=sheet_id, state=known["state"])
            sheet = store.sheet_of(row)
            await self._audit(connection, "withdraw_sheet", sheet, actor, reason)
            return sheet

        return await self._database.transact("company_payments.withdraw_sheet", body)

    async def get(self, sheet_id: SheetId, *, replayed: bool = False) -> Sheet:
        """Read a register or letter, with why it waits if it does.

        Raises:
            SheetUnknownError
        """
        row = await self._database.fetchrow(Q.sheet, sheet_id)
        if row is None:
            raise SheetUnknownError(sheet_id=sheet_id)
        [sheet] = await self._payments.explained([store.sheet_of(row)])
        return replace(sheet, replayed=replayed)

    async def of_company(self, iin_bin: str, before: int | None, limit: int) -> list[Sheet]:
        """List a company's registers and letters, the newest first, from before an id."""
        rows = await self._database.fetch(Q.sheets, iin_bin, before or LAST_SHEET, limit)
        return await self._payments.explained([store.sheet_of(row) for row in rows])

    # Contacts

    async def add_contact(self, iin_bin: str, login: str, name: str, *, actor: str) -> tuple[Contact, str]:
        """Let a company's contact send registers and letters; return it with its key, which is shown this once.

        Raises:
            IinBinError, ContactExistsError
        """
        parse_bin(iin_bin)
        key = secrets.token_hex(KEY_BYTES)

        async def body(connection: Connection) -> Contact:
            now = self._clock.now()
            added = await connection.fetchval(Q.insert_contact, iin_bin, login, name, self._digest(key), now, actor)
            if added is None:
                raise ContactExistsError(login=login)
            await self._audit_contact(connection, "add_contact", login, actor)
            row = await connection.fetchrow(Q.contact, login)
            assert row is not None
            return store.contact_of(row)

        return await self._database.transact("company_payments.add_contact", body), key

    async def set_contact(self, login: str, *, enabled: bool, actor: str) -> Contact:
        """Say whether a contact may send anything; it holds from its next request.

        Raises:
            ContactUnknownError
        """

        async def body(connection: Connection) -> Contact:
            row = await connection.fetchrow(Q.set_contact, login, not enabled, self._clock.now())
            if row is None:
                raise ContactUnknownError(login=login)
            await self._audit_contact(connection, "enable_contact" if enabled else "disable_contact", login, actor)
            return store.contact_of(row)

        return await self._database.transact("company_payments.set_contact", body)

    async def authenticate(self, login: str, key: str) -> Contact:
        """Return the contact whose login and key these are.

        Raises:
            ContactKeyError: nobody's, or it was shut out.
        """
        row = await self._database.fetchrow(Q.contact, login[:64])
        stored: bytes = row["key_digest"] if row is not None else bytes(32)
        right = hmac.compare_digest(stored, self._digest(key))
        if row is None or not right or row["disabled_at"] is not None:
            raise ContactKeyError
        return store.contact_of(row)

    def _digest(self, key: str) -> bytes:
        return hmac.digest(self._pepper, f"company:{key}".encode(), "sha256")

    async def _audit(self, connection: Connection, action: str, sheet: Sheet, actor: str, ground: str) -> None:
        await audit.record(
            connection,
            at=self._clock.now(),
            actor=actor,
            action=f"company_payments.{action}",
            subject=f"company_sheet:{sheet.sheet_id}",
            ground=ground,
            details={"lines": sheet.line_count, "amount": json_money(sheet.amount), "kind": sheet.kind},
        )

    async def _audit_contact(self, connection: Connection, action: str, login: str, actor: str) -> None:
        await audit.record(
            connection,
            at=self._clock.now(),
            actor=actor,
            action=f"company_payments.{action}",
            subject=f"company_contact:{login}",
            ground="who may send registers",
        )
