"""SQL of the payments' own tables; takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime

from telco.billing.payments.model import (
    BankDocument,
    BankFileId,
    BankForm,
    Channel,
    Correction,
    CorrectionId,
    CorrectionKind,
    CorrectionState,
    DeskDay,
    FirstAnswer,
    ItemState,
    NewPayment,
    NewWorkItem,
    Part,
    Payment,
    PaymentId,
    PaymentState,
    Provider,
    Reason,
    Result,
    Shift,
    ShiftId,
    TakenFile,
    TerminalAnswer,
    WorkItem,
    WorkItemId,
)
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn

Q = queries.load("telco.billing.payments")
_EXTERNAL_LOCK = 0x7E1CB


async def lock_external(connection: Connection, channel: Channel, source: str, external_id: str) -> None:
    await connection.execute(Q.lock_external, _EXTERNAL_LOCK, f"{channel}:{source}:{external_id}")


async def lock_externals(connection: Connection, channel: Channel, ids: Iterable[tuple[str, str]]) -> None:
    """Do the same for many ids, each with its source; it is over when the transaction is."""
    names = [f"{channel}:{source}:{external_id}" for source, external_id in ids]
    await connection.execute(Q.lock_externals, _EXTERNAL_LOCK, names)


async def insert_payments(connection: Connection, new: Sequence[NewPayment], booked_at: datetime) -> list[PaymentId]:
    """Record payments and return their ids in the same order."""
    rows = await connection.fetch(
        Q.insert_payments,
        [payment.channel for payment in new],
        [payment.source for payment in new],
        [payment.external_id for payment in new],
        [payment.named for payment in new],
        [payment.amount for payment in new],
        [payment.paid_at for payment in new],
        [payment.booked_by for payment in new],
        [payment.payer_id for payment in new],
        [payment.payer_name for payment in new],
        [payment.document_number for payment in new],
        [payment.receipt_no for payment in new],
        [payment.shift_id for payment in new],
        booked_at,
    )
    ids = {(row["channel"], row["source"], row["external_id"]): PaymentId(row["payment_id"]) for row in rows}
    return [ids[payment.channel, payment.source, payment.external_id] for payment in new]


async def insert_parts(connection: Connection, parts: Sequence[Part]) -> None:
    """Record the parts of payments."""
    await connection.execute(
        Q.insert_parts,
        [part.payment_id for part in parts],
        [part.part_no for part in parts],
        [part.named for part in parts],
        [part.msisdn for part in parts],
        [part.subscriber_id for part in parts],
        [part.account.shard for part in parts],
        [part.account.account_id for part in parts],
        [part.op_id for part in parts],
        [part.amount for part in parts],
        [part.trust_repaid for part in parts],
        [part.balance for part in parts],
    )


async def payment(connection: Connection, payment_id: PaymentId) -> Payment | None:
    row = await connection.fetchrow(Q.payment, payment_id)
    return None if row is None else payment_of(row)


async def part(connection: Connection, payment_id: PaymentId, part_no: int) -> Part | None:
    row = await connection.fetchrow(Q.part, payment_id, part_no)
    return None if row is None else part_of(row)


async def payment_by_external(
    connection: Connection, channel: Channel, source: str, external_id: str
) -> Payment | None:
    row = await connection.fetchrow(Q.payment_by_external, channel, source, external_id)
    return None if row is None else payment_of(row)


async def named_by_externals(
    connection: Connection, channel: Channel, ids: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, Tiyn, PaymentId]]:
    """Return what was named, the sum and our id of those payments of a channel that there are."""
    sources, externals = [source for source, _ in ids], [external_id for _, external_id in ids]
    rows = await connection.fetch(Q.named_by_externals, channel, sources, externals)
    return {
        (row["source"], row["external_id"]): (row["named"], Tiyn(row["amount_tiyn"]), PaymentId(row["payment_id"]))
        for row in rows
    }


async def lock_payment(connection: Connection, payment_id: PaymentId) -> bool:
    """Let no other correction of a payment in; False where there is none."""
    return await connection.fetchval(Q.lock_payment, payment_id) is not None


def part_of(row: Record) -> Part:
    msisdn, subscriber_id = row["msisdn"], row["subscriber_id"]
    return Part(
        payment_id=PaymentId(row["payment_id"]),
        part_no=row["part_no"],
        named=row["named"],
        msisdn=None if msisdn is None else Msisdn(msisdn),
        subscriber_id=None if subscriber_id is None else SubscriberId(subscriber_id),
        account=_account(row),
        op_id=row["op_id"],
        amount=Tiyn(row["amount_tiyn"]),
        trust_repaid=Tiyn(row["trust_repaid_tiyn"]),
        balance=Tiyn(row["balance_tiyn"]),
        state=PaymentState(row["state"]),
    )


def payment_of(row: Record) -> Payment:
    msisdn, subscriber_id, shift_id = row["msisdn"], row["subscriber_id"], row["shift_id"]
    return Payment(
        payment_id=PaymentId(row["payment_id"]),
        channel=Channel(row["channel"]),
        source=row["source"],
        external_id=row["external_id"],
        named=row["named"],
        msisdn=None if msisdn is None else Msisdn(msisdn),
        subscriber_id=None if subscriber_id is None else SubscriberId(subscriber_id),
        account=None if row["shard"] is None else _account(row),
        op_id=row["op_id"],
        amount=Tiyn(row["amount_tiyn"]),
        part_count=row["part_count"],
        paid_at=row["paid_at"],
        booked_at=row["booked_at"],
        booked_by=row["booked_by"],
        state=PaymentState(row["state"]),
        trust_repaid=Tiyn(row["trust_repaid_tiyn"]),
        balance=None if row["balance_tiyn"] is None else Tiyn(row["balance_tiyn"]),
        payer_id=row["payer_id"],
        payer_name=row["payer_name"],
        document_number=row["document_number"],
        receipt_no=row["receipt_no"],
        shift_id=None if shift_id is None else ShiftId(shift_id),
    )


def _account(row: Record, prefix: str = "") -> AccountRef:
    return AccountRef(row[f"{prefix}shard"], AccountId(row[f"{prefix}account_id"]))


def provider_of(row: Record) -> Provider:
    return Provider(row["provider_code"], row["name"], Tiyn(row["min_tiyn"]), Tiyn(row["max_tiyn"]), row["disabled_at"])


async def terminal_answers(
    connection: Connection, ids: Collection[tuple[str, str]]
) -> dict[tuple[str, str], FirstAnswer]:
    """Return the first answers to transactions, each named by its provider and txn_id."""
    codes, txn_ids = [code for code, _ in ids], [txn_id for _, txn_id in ids]
    rows = await connection.fetch(Q.terminal_answers, codes, txn_ids)
    return {
        (row["provider_code"], row["txn_id"]): FirstAnswer(
            row["account"],
            TerminalAnswer(
                Reason(row["reason"]),
                Result(row["result"]),
                row["txn_id"],
                Tiyn(row["amount_tiyn"]),
                row["payment_id"],
                replayed=True,
            ),
        )
        for row in rows
    }


async def insert_terminal_answers(
    connection: Connection, given: Sequence[tuple[str, datetime, FirstAnswer]], now: datetime
) -> None:
    """Keep first answers, each with its provider and the time of the payment."""
    await connection.execute(
        Q.insert_terminal_answers,
        [code for code, _, _ in given],
        [first.answer.txn_id for _, _, first in given],
        [first.account for _, _, first in given],
        [first.answer.amount for _, _, first in given],
        [txn_at for _, txn_at, _ in given],
        [first.answer.result for _, _, first in given],
        [first.answer.reason for _, _, first in given],
        [first.answer.payment_id for _, _, first in given],
        now,
    )


def taken_file_of(row: Record, *, replayed: bool) -> TakenFile:
    return TakenFile(
        file_id=BankFileId(row["file_id"]),
        file_name=row["file_name"],
        documents=row["documents"],
        outgoing=row["outgoing"],
        repeated=row["repeated"],
        credited=row["credited"],
        work_list=row["work_list"],
        returned=row["returned"],
        pending=row["pending"],
        taken_at=row["taken_at"],
        taken_by=row["taken_by"],
        replayed=replayed,
    )


async def insert_documents(
    connection: Connection,
    file_id: BankFileId,
    form: BankForm,
    documents: Sequence[tuple[str, BankDocument]],
    like: Mapping[str, int],
) -> set[int]:
    """Record documents by key, with those that they look like, and return the lines of those that were new."""
    rows = await connection.fetch(
        Q.insert_documents,
        file_id,
        form,
        [document.line for _, document in documents],
        [key for key, _ in documents],
        [document.receiver_account for _, document in documents],
        [document.payer_account for _, document in documents],
        [document.payer_id for _, document in documents],
        [document.payer_name for _, document in documents],
        [document.number for _, document in documents],
        [document.document_date for _, document in documents],
        [document.received_on for _, document in documents],
        [document.amount for _, document in documents],
        [document.purpose for _, document in documents],
        [like.get(key) for key, _ in documents],
    )
    return {row["line"] for row in rows}


async def insert_tellings(
    connection: Connection, file_id: BankFileId, documents: Mapping[str, BankDocument], same: Mapping[str, int]
) -> None:
    """Keep the keys by which documents that are known are told of in the other form of the bank's files."""
    await connection.execute(
        Q.insert_tellings,
        file_id,
        list(same),
        list(same.values()),
        [documents[key].line for key in same],
        [documents[key].purpose for key in same],
    )


def document_of(row: Record) -> BankDocument:
    return BankDocument(
        line=row["line"],
        number=row["number"],
        document_date=row["document_date"],
        received_on=row["received_on"],
        amount=Tiyn(row["amount_tiyn"]),
        payer_account=row["payer_account"],
        payer_name=row["payer_name"],
        payer_id=row["payer_id"],
        receiver_account=row["our_account"],
        purpose=row["purpose"],
    )


async def open_item(connection: Connection, item: NewWorkItem, now: datetime) -> None:
    await connection.execute(
        Q.open_item,
        item.key,
        item.kind,
        item.reason,
        item.channel,
        item.source,
        item.external_id,
        item.named,
        item.amount,
        item.other_amount,
        item.paid_at,
        item.payment_id,
        item.document_id,
        dict(item.facts or {}),
        now,
    )


def item_of(row: Record) -> WorkItem:
    other, payment_id = row["other_tiyn"], row["payment_id"]
    return WorkItem(
        item_id=WorkItemId(row["item_id"]),
        kind=row["kind"],
        reason=row["reason"],
        channel=Channel(row["channel"]),
        source=row["source"],
        external_id=row["external_id"],
        named=row["named"],
        amount=Tiyn(row["amount_tiyn"]),
        other_amount=None if other is None else Tiyn(other),
        paid_at=row["paid_at"],
        payment_id=None if payment_id is None else PaymentId(payment_id),
        document_id=row["document_id"],
        facts=row["facts"],
        proposal=row["proposal"],
        state=ItemState(row["state"]),
        opened_at=row["opened_at"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        decision=row["decision"],
    )


def shift_of(row: Record) -> Shift:
    counted = row["counted_tiyn"]
    return Shift(
        ShiftId(row["shift_id"]),
        row["desk"],
        row["cashier"],
        row["opened_at"],
        row["closed_at"],
        row["receipts"],
        Tiyn(row["taken"]),
        Tiyn(row["given"]),
        None if counted is None else Tiyn(counted),
    )


def desk_day_of(row: Record) -> DeskDay:
    return DeskDay(row["desk"], row["cashier"], row["receipts"], Tiyn(row["taken"]))


async def limits(connection: Connection, channel: Channel, day: date) -> tuple[Tiyn, Tiyn]:
    """Return the least and the most of one payment in a channel on a day."""
    row = await connection.fetchrow(Q.channel_limit, channel, day)
    assert row is not None
    return Tiyn(row["min_tiyn"]), Tiyn(row["max_tiyn"])


def correction_of(row: Record) -> Correction:
    target = row["target_msisdn"]
    return Correction(
        correction_id=CorrectionId(row["correction_id"]),
        payment_id=PaymentId(row["payment_id"]),
        part_no=row["part_no"],
        amount=Tiyn(row["amount_tiyn"]),
        request_id=row["request_id"],
        kind=CorrectionKind(row["kind"]),
        target_msisdn=None if target is None else Msisdn(target),
        from_account=_account(row, "from_"),
        from_op_id=row["from_op_id"],
        reason=row["reason"],
        state=CorrectionState(row["state"]),
        requested_at=row["requested_at"],
        requested_by=row["requested_by"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        decision=row["decision"],
        debt_allowed=row["debt_allowed"],
        forced=Tiyn(row["forced_tiyn"]),
        to_account=None if row["to_shard"] is None else _account(row, "to_"),
    )
