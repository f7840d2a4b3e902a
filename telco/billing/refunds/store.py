"""SQL of the refunds' own tables; takes a connection, never commits."""

from __future__ import annotations

from datetime import date, datetime

from telco.billing.refunds.model import (
    Compensation,
    NewRefund,
    Payee,
    PayoutWay,
    Refund,
    RefundFile,
    RefundKind,
    RefundState,
    RefundTerms,
)
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import Tiyn
from telco.subscribers.holders import Holder
from telco.subscribers.model import Channel, PartyKind

Q = queries.load("telco.billing.refunds")
_REQUEST_LOCK = 0x7E1CD
_CLEARING_LOCK = 0x7E1CE


async def lock_request(connection: Connection, request_id: str) -> None:
    await connection.execute(Q.lock_request, _REQUEST_LOCK, request_id)


async def terms(connection: Connection, day: date) -> RefundTerms:
    """Read the figures in force on a day."""
    return RefundTerms(**{row["name"]: row["value"] for row in await connection.fetch(Q.terms, day)})


async def insert_refund(
    connection: Connection,
    new: NewRefund,
    holder: Holder,
    kind: RefundKind,
    *,
    now: datetime,
    not_before: date,
    pay_by: date,
) -> Refund | None:
    """Register an application; None when one for this account is not finished."""
    row = await connection.fetchrow(
        Q.insert_refund,
        new.request_id,
        kind,
        holder.account.shard,
        holder.account.account_id,
        holder.contract_id,
        holder.party_id,
        holder.party_kind,
        new.named,
        new.iin_bin,
        holder.full_name,
        new.contact_phone or holder.contact_phone,
        holder.language,
        new.channel,
        now,
        new.actor,
        new.ground,
        new.amount,
        new.payee.way,
        new.payee.iban,
        new.payee.bic,
        new.payee.kbe,
        not_before,
        pay_by,
    )
    return None if row is None else refund_of(row)


def refund_of(row: Record) -> Refund:
    return Refund(
        refund_id=row["refund_id"],
        request_id=row["request_id"],
        kind=RefundKind(row["kind"]),
        account=account_of(row),
        contract_id=row["contract_id"],
        party_id=row["party_id"],
        party_kind=PartyKind(row["party_kind"]),
        named=row["named"],
        iin_bin=row["iin_bin"],
        applicant=row["applicant"],
        contact_phone=row["contact_phone"],
        language=Language(row["language"]),
        channel=Channel(row["channel"]),
        registered_at=row["registered_at"],
        registered_by=row["registered_by"],
        ground=row["ground"],
        asked=row["asked_tiyn"],
        payee=Payee(PayoutWay(row["way"]), row["payee_iban"], row["payee_bic"], row["payee_kbe"]),
        not_before=row["not_before"],
        pay_by=row["pay_by"],
        state=RefundState(row["state"]),
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        decision=row["decision"],
        amount=row["amount_tiyn"],
        ordered_at=row["ordered_at"],
        file_id=row["file_id"],
        paid_on=row["paid_on"],
        paid_by=row["paid_by"],
        payout_ref=row["payout_ref"],
        returned_at=row["returned_at"],
        return_reason=row["return_reason"],
        return_told_on=row["return_told_on"],
        return_document_id=row["return_document_id"],
    )


def account_of(row: Record) -> AccountRef:
    return AccountRef(row["shard"], AccountId(row["account_id"]))


def file_of(row: Record) -> RefundFile:
    return RefundFile(
        file_id=row["file_id"],
        iban=row["iban"],
        made_on=row["made_on"],
        made_at=row["made_at"],
        made_by=row["made_by"],
        orders=row["orders"],
        total=Tiyn(row["total_tiyn"]),
        content=row["content"],
    )


async def clearing(connection: Connection) -> AccountRef | None:
    """Return the clearing account; None before it is opened."""
    row = await connection.fetchrow(Q.clearing)
    return None if row is None else account_of(row)


async def lock_clearing(connection: Connection) -> None:
    await connection.execute(Q.lock_clearing, _CLEARING_LOCK)


def compensation_of(row: Record) -> Compensation:
    return Compensation(
        compensation_id=row["compensation_id"],
        request_id=row["request_id"],
        incident=row["incident"],
        happened_on=row["happened_on"],
        party_id=row["party_id"],
        account=account_of(row),
        loss=Tiyn(row["loss_tiyn"]),
        amount=Tiyn(row["amount_tiyn"]),
        limit=Tiyn(row["limit_tiyn"]),
        ground=row["ground"],
        evidence=row["evidence"],
        granted_at=row["granted_at"],
        granted_by=row["granted_by"],
    )
