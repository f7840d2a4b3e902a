"""Credit history for the bureaus: files of what changed, made once a day, stored first and then sent until confirmed.

Contract: PSC-3.2.12
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from telco.billing.instalments import rules, store
from telco.billing.instalments.bureau_format import BureauFormat, BureauRecord, default_format
from telco.billing.instalments.errors import BureauFileUnknownError, BureauUnreachableError
from telco.billing.instalments.model import Agreement, BureauFileId, Standing
from telco.billing.instalments.store import Q
from telco.billing.invoicing.service import Invoicing
from telco.db.pool import Connection, Database, Record
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.ledger.service import Ledger
from telco.subscribers.model import ConsentKind, PartyData, by_system
from telco.subscribers.service import Subscribers

MOST_RECORDS = 100_000
"""In one file; what is more goes with the next day's."""
PAGE = 1_000
TOLD_AFTER_CLOSE = timedelta(days=400)
"""How long after its end an agreement can still change, by a debt that is paid."""
MOST_LISTED = 100
ERROR_LENGTH = 500
ORIGIN = by_system("instalments", "credit history is exchanged")


class CreditBureau(Protocol):
    """Where files go: the bureau's own channel."""

    async def send(self, name: str, content: bytes) -> str:
        """Hand a file over and return the bureau's receipt; the same file again gets the same receipt.

        Raises:
            BureauUnreachableError: it was not taken; it is sent again.
        """


@dataclass(frozen=True, slots=True)
class BureauFile:
    """A file as it was made, and what became of it."""

    file_id: BureauFileId
    bureau: str
    day: date
    name: str
    records: int
    made_at: datetime
    sent_at: datetime | None
    receipt: str | None
    attempts: int
    last_error: str | None


class CreditBureaus:
    """Makes and sends files. Without a `bureau` they wait: staff download them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        subscribers: Subscribers,
        invoicing: Invoicing,
        *,
        bureau: CreditBureau | None = None,
        written: BureauFormat | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._subscribers = subscribers
        self._invoicing = invoicing
        self._bureau = bureau
        self._format = written or default_format()

    async def make(self) -> BureauFile | None:
        """Make today's file of agreements that changed since they were told last; None when nothing did.

        One file a day and bureau: the second call of a day, or of another process, makes none.
        """
        now = self._clock.now()
        today = self._calendar.today(now)

        async def body(conn: Connection) -> BureauFile | None:
            await conn.execute(Q.lock_bureau, self._format.bureau)
            if await conn.fetchval(Q.bureau_day_made, self._format.bureau, today):
                return None
            records = await self._changed(conn)
            if not records:
                return None
            await self._subscribers.people.note_reading(conn, {told.party_id for told, _, _ in records}, ORIGIN)
            content = self._format.write(record for _, record, _ in records)
            row = await conn.fetchrow(
                Q.insert_bureau_file,
                self._format.bureau,
                today,
                self._format.name_on(today),
                content,
                hashlib.sha256(content).digest(),
                len(records),
                now,
            )
            assert row is not None
            made = _file_of(row)
            await conn.execute(
                Q.set_bureau_records,
                self._format.bureau,
                made.file_id,
                [agreement.agreement_id for agreement, _, _ in records],
                [digest for _, _, digest in records],
            )
            return made

        return await self._database.transact("instalments.bureau_file", body)

    async def _changed(self, conn: Connection) -> list[tuple[Agreement, BureauRecord, bytes]]:
        """The records that differ from what the bureau was told last, page by page, with their digests."""
        closed_after = self._clock.now() - TOLD_AFTER_CLOSE
        found: list[tuple[Agreement, BureauRecord, bytes]] = []
        after = 0
        while len(found) < MOST_RECORDS:
            rows = await conn.fetch(Q.bureau_agreements, self._format.bureau, closed_after, after, PAGE)
            if not rows:
                break
            told = {row["agreement_id"]: row["told"] for row in rows}
            for agreement, record in await self._records(conn, [store.agreement_of(row) for row in rows]):
                digest = hashlib.sha256(repr(record).encode()).digest()
                if digest != told[agreement.agreement_id]:
                    found.append((agreement, record, digest))
            after = rows[-1]["agreement_id"]
        return found

    async def _records(self, conn: Connection, agreements: Sequence[Agreement]) -> list[tuple[Agreement, BureauRecord]]:
        """What may be told of agreements: of those whose buyer's consent is in force."""
        parties = await self._subscribers.consents.consenting(
            conn, {agreement.party_id for agreement in agreements}, ConsentKind.CREDIT_HISTORY
        )
        told = [agreement for agreement in agreements if agreement.party_id in parties]
        overdue = await self._overdue(conn, {agreement.account for agreement in told})
        return [
            (standing.agreement, self._record(standing, parties[standing.agreement.party_id].data, overdue))
            for standing in await store.standings(conn, told)
        ]

    def _record(self, standing: Standing, buyer: PartyData, overdues: Mapping[AccountRef, int]) -> BureauRecord:
        agreement = standing.agreement
        posted = sum(part.amount for part in standing.parts if part.posted_at is not None and part.part_no > 0)
        overdue = Tiyn(min(posted, overdues[agreement.account]))
        coming = standing.next_part
        return BureauRecord(
            iin_bin=buyer.iin_bin,
            full_name=buyer.full_name,
            number=agreement.number,
            signed_on=agreement.signed_on,
            consent_version=agreement.consent_version,
            consent_on=self._calendar.today(agreement.consent_at),
            price=agreement.price,
            financed=Tiyn(agreement.price - agreement.down_payment),
            months=agreement.months,
            open_rest=standing.open_rest,
            next_due_on=coming.due_on if coming else None,
            next_amount=coming.amount if coming else None,
            overdue=overdue,
            overdue_since=rules.overdue_since(standing.parts, overdue),
            state=agreement.state,
            closed_on=self._calendar.today(agreement.closed_at) if agreement.closed_at else None,
        )

    async def _overdue(self, conn: Connection, accounts: Collection[AccountRef]) -> dict[AccountRef, int]:
        """What is owed and due: of a credit account what its invoices demand by now, of a prepaid one every debt."""
        invoiced = await self._invoicing.overdue_of(conn, accounts)
        views = await self._ledger.balances_many(accounts, conn)
        return {
            account: invoiced.get(account, 0) if view.credit_limit else max(-view.main, 0)
            for account, view in views.items()
        }

    async def send_waiting(self) -> int:
        """Send every file that was not confirmed, the oldest first; returns how many the bureau took."""
        if self._bureau is None:
            return 0
        sent = 0
        for row in await self._database.fetch(Q.bureau_files_waiting):
            sent += await self._send(self._bureau, _file_of(row), row["content"])
        return sent

    async def _send(self, bureau: CreditBureau, file: BureauFile, content: bytes) -> bool:
        """The bureau is asked outside a transaction; what a crash leaves unmarked is sent again and answered alike."""
        try:
            receipt = await bureau.send(file.name, content)
        except BureauUnreachableError as error:
            await self._database.fetch(Q.bureau_file_failed, file.file_id, str(error)[:ERROR_LENGTH])
            return False
        await self._database.fetch(Q.bureau_file_sent, file.file_id, self._clock.now(), receipt)
        return True

    async def files(self) -> list[BureauFile]:
        """The latest files, the newest first."""
        return [_file_of(row) for row in await self._database.fetch(Q.bureau_files, MOST_LISTED)]

    async def content(self, file_id: BureauFileId) -> tuple[BureauFile, bytes]:
        """A file as it was made.

        Raises:
            BureauFileUnknownError
        """
        row = await self._database.fetchrow(Q.bureau_file, file_id)
        if row is None:
            raise BureauFileUnknownError(file_id=file_id)
        return _file_of(row), row["content"]


def _file_of(row: Record) -> BureauFile:
    return BureauFile(
        BureauFileId(row["file_id"]),
        row["bureau"],
        row["day"],
        row["name"],
        row["records"],
        row["made_at"],
        row["sent_at"],
        row["receipt"],
        row["attempts"],
        row["last_error"],
    )
