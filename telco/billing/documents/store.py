"""SQL of the documents' own tables; takes a connection, never commits."""

from __future__ import annotations

from datetime import datetime

from telco.billing.documents.model import (
    Document,
    DocumentId,
    Draft,
    Duty,
    Earlier,
    EInvoice,
    EInvoiceState,
    Issued,
    Kind,
    Related,
)
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId
from telco.kernel.money import Tiyn

Q = queries.load("telco.billing.documents")
_SOURCE_LOCK = 0x7E1CC


async def lock_source(connection: Connection, source: str) -> None:
    await connection.execute(Q.lock_source, _SOURCE_LOCK, source)


async def insert_document(
    connection: Connection,
    draft: Draft,
    number: str,
    place: tuple[str, int, int] | None,
    data: str,
    sha256: bytes,
    *,
    at: datetime,
    actor: str,
) -> DocumentId:
    """Write a document; `place` is its series, year and number there. A credit note replaces nothing."""
    series, year, series_no = place or (None, None, None)
    document_id = await connection.fetchval(
        Q.insert_document,
        draft.kind,
        number,
        series,
        year,
        series_no,
        draft.source,
        draft.account.shard,
        draft.account.account_id,
        draft.contract_id,
        draft.party_id,
        draft.buyer.iin_bin,
        draft.issued_on,
        at,
        actor,
        draft.total,
        None if draft.corrects is None or draft.kind is Kind.CREDIT_NOTE else draft.corrects.document_id,
        data,
        sha256,
    )
    return DocumentId(document_id)


def issued_of(row: Record) -> Issued:
    corrects, corrected_by = row["corrects"], row["corrected_by"]
    return Issued(
        document_id=DocumentId(row["document_id"]),
        kind=Kind(row["kind"]),
        number=row["number"],
        source=row["source"],
        account=AccountRef(row["shard"], AccountId(row["account_id"])),
        contract_id=ContractId(row["contract_id"]),
        party_id=PartyId(row["party_id"]),
        iin_bin=row["iin_bin"],
        issued_on=row["issued_on"],
        issued_at=row["issued_at"],
        issued_by=row["issued_by"],
        total=Tiyn(row["total_tiyn"]),
        sha256=row["sha256"].hex(),
        corrects=None if corrects is None else DocumentId(corrects),
        corrected_by=None if corrected_by is None else DocumentId(corrected_by),
    )


async def earlier(connection: Connection, document: Document) -> Earlier:
    """Read what the state's system has of the document that this one is about."""
    if document.corrects is None:
        return Earlier(decided=True, related=None)
    lowers = document.kind is Kind.CREDIT_NOTE
    row = await connection.fetchrow(Q.earlier_einvoice, document.corrects.document_id, lowers)
    assert row is not None
    match row["state"]:
        case EInvoiceState.REGISTERED:
            return Earlier(True, Related(row["number"], row["issued_on"], row["registration_number"]))
        case EInvoiceState.REFUSED | None:
            return Earlier(decided=True, related=None)
        case _:
            return Earlier(decided=False, related=None)


def duty_of(row: Record) -> Duty:
    document_id = row["document_id"]
    return Duty(
        duty_id=row["duty_id"],
        kind=Kind(row["source"].partition(":")[0]),
        source=row["source"],
        due_on=row["due_on"],
        done_on=row["done_on"],
        document_id=None if document_id is None else DocumentId(document_id),
        attempts=row["attempts"],
        error=row["error"],
    )


def einvoice_of(row: Record) -> EInvoice:
    return EInvoice(
        document_id=DocumentId(row["document_id"]),
        number=row["number"],
        state=EInvoiceState(row["state"]),
        external_id=row["external_id"],
        registration_number=row["registration_number"],
        errors=tuple(row["errors"]),
        attempts=row["attempts"],
        next_at=row["next_at"],
        queued_at=row["queued_at"],
        settled_at=row["settled_at"],
        trouble=row["trouble"],
    )
