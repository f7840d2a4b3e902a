"""SQL of invoicing's own tables; takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from telco.billing.invoicing.model import (
    Allocation,
    CreditedLine,
    CreditNote,
    CreditNoteId,
    Invoice,
    InvoiceId,
    InvoiceLine,
    LimitRequest,
    LimitRequestId,
    LimitState,
    Overdue,
)
from telco.billing.invoicing.rules import MILLIONTHS
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountId, AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.kernel.units import Unit

Q = queries.load("telco.billing.invoicing")


@dataclass(frozen=True, slots=True)
class Billed:
    """How far an account is invoiced."""

    account: AccountRef
    anchor: date
    period_start: date
    period_end: date
    advance: Tiyn
    open: bool
    """Whether its accounting periods are being counted."""


def account_of(row: Record) -> AccountRef:
    return AccountRef(row["shard"], AccountId(row["account_id"]))


async def lock_account(conn: Connection, account: AccountRef) -> Billed | None:
    return _billed(await conn.fetchrow(Q.lock_account, *account))


async def billed(conn: Connection, account: AccountRef) -> Billed | None:
    return _billed(await conn.fetchrow(Q.account, *account))


def _billed(row: Record | None) -> Billed | None:
    if row is None:
        return None
    return Billed(
        account_of(row),
        row["anchor"],
        row["period_start"],
        row["period_end"],
        Tiyn(row["advance_tiyn"]),
        row["closed_at"] is None,
    )


def invoice_of(row: Record) -> Invoice:
    return Invoice(
        invoice_id=InvoiceId(row["invoice_id"]),
        number=row["number"],
        account=account_of(row),
        contract_id=ContractId(row["contract_id"]),
        party_id=PartyId(row["party_id"]),
        subscriber_id=SubscriberId(row["subscription_id"]),
        msisdn=Msisdn(row["msisdn"]),
        period_start=row["period_start"],
        period_end=row["period_end"],
        issued_at=row["issued_at"],
        due_on=row["due_on"],
        total=Tiyn(row["total_tiyn"]),
        vat=Tiyn(row["vat_tiyn"]),
        open_amount=Tiyn(row["open_tiyn"]),
        paid_at=row["paid_at"],
        language=Language(row["language"]),
    )


def line_of(row: Record) -> InvoiceLine:
    rate, msisdn = row["vat_millionths"], row["msisdn"]
    return InvoiceLine(
        line_no=row["line_no"],
        code=row["code"],
        label=row["label"],
        item=row["item"],
        msisdn=None if msisdn is None else Msisdn(msisdn),
        count=row["operations"],
        quantity=row["quantity"],
        unit=Unit(row["unit"]),
        amount=Tiyn(row["amount_tiyn"]),
        vat_rate=None if rate is None else Decimal(rate) / MILLIONTHS,
        vat=Tiyn(row["vat_tiyn"]),
    )


def credit_note_of(row: Record, lines: Iterable[Record]) -> CreditNote:
    return CreditNote(
        credit_note_id=CreditNoteId(row["credit_note_id"]),
        number=row["number"],
        invoice_id=InvoiceId(row["invoice_id"]),
        account=account_of(row),
        total=Tiyn(row["total_tiyn"]),
        vat=Tiyn(row["vat_tiyn"]),
        reason=row["reason"],
        issued_at=row["issued_at"],
        issued_by=row["issued_by"],
        lines=tuple(
            CreditedLine(line_of(line), Tiyn(line["taken_tiyn"]), Tiyn(line["taken_vat_tiyn"])) for line in lines
        ),
    )


def allocation_of(row: Record) -> Allocation:
    return Allocation(InvoiceId(row["invoice_id"]), row["number"], Tiyn(row["amount_tiyn"]), Tiyn(row["open_after"]))


def overdue_of(row: Record) -> Overdue:
    return Overdue(
        account=account_of(row),
        subscriber_id=SubscriberId(row["subscription_id"]),
        contract_id=ContractId(row["contract_id"]),
        party_id=PartyId(row["party_id"]),
        msisdn=Msisdn(row["msisdn"]),
        language=Language(row["language"]),
        amount=Tiyn(row["amount"]),
        oldest_due_on=row["oldest_due_on"],
        invoices=tuple(InvoiceId(invoice) for invoice in row["invoices"]),
    )


def limit_request_of(row: Record) -> LimitRequest:
    return LimitRequest(
        limit_request_id=LimitRequestId(row["limit_request_id"]),
        account=account_of(row),
        subscriber_id=SubscriberId(row["subscription_id"]),
        limit=Tiyn(row["limit_tiyn"]),
        previous=Tiyn(row["previous_tiyn"]),
        ceiling=Tiyn(row["ceiling_tiyn"]),
        state=LimitState(row["state"]),
        asked_at=row["asked_at"],
        asked_by=row["asked_by"],
        channel=row["channel"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        reason=row["reason"],
    )
