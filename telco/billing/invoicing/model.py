"""Frozen types and states of invoicing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, NewType

from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.kernel.units import Unit

InvoiceId = NewType("InvoiceId", int)
CreditNoteId = NewType("CreditNoteId", int)
LimitRequestId = NewType("LimitRequestId", int)


class InvoiceState(StrEnum):
    """Whether something of an invoice is still owed; it follows from the open amount."""

    OPEN = "open"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Invoice:
    """What one personal account owes for one accounting period. It is never changed; only its open amount is."""

    invoice_id: InvoiceId
    number: str
    """Series, year and a number without gaps in them: ``KC-2026-0000001``."""
    account: AccountRef
    contract_id: ContractId
    party_id: PartyId
    subscriber_id: SubscriberId
    """The first number of the account."""
    msisdn: Msisdn
    """That number when the invoice was issued."""
    period_start: date
    period_end: date
    """The first day that is no longer of the period."""
    issued_at: datetime
    due_on: date
    """The last day of the settlement term. Contract: PSC-1.1.17"""
    total: Tiyn
    """VAT included; negative when more was given back than charged."""
    vat: Tiyn
    open_amount: Tiyn
    paid_at: datetime | None
    language: Language

    @property
    def state(self) -> InvoiceState:
        return InvoiceState.PAID if self.open_amount == 0 else InvoiceState.OPEN


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What was charged for one thing at one rate of VAT."""

    line_no: int
    code: str
    """The operator's account that it was charged to: ``revenue.voice``, ``receivable.device``; ``carried`` for a debt
    that is older than the first accounting period."""
    label: str
    """Stable key of what it is: ``voice.on_net``, ``fee.plan``; the code where the charge has none."""
    item: str | None
    """Code of the plan or service that a fee is of."""
    msisdn: Msisdn | None
    """Whose it is, where one number uses the account."""
    count: int
    quantity: int | None
    """In `unit`: bytes, seconds, messages; None for sums."""
    unit: Unit
    amount: Tiyn
    """VAT included."""
    vat_rate: Decimal | None
    """In force on the day of the supply, such as ``Decimal("0.16")``; None for what bears none."""
    vat: Tiyn
    """Its part of the VAT, which is worked out once per invoice and rate."""

    @property
    def vat_percent(self) -> Decimal | None:
        """The rate as people write it: 16, not 0.16."""
        return None if self.vat_rate is None else (self.vat_rate * 100).normalize()


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """What a credit note takes off a line of its invoice."""

    line: InvoiceLine
    amount: Tiyn
    """VAT included; negative where the line is."""
    vat: Tiyn


@dataclass(frozen=True, slots=True)
class CreditNote:
    """What lowers an invoice that was too high. It is never changed."""

    credit_note_id: CreditNoteId
    number: str
    """``CRN-2026-0000001``, without gaps."""
    invoice_id: InvoiceId
    account: AccountRef
    total: Tiyn
    """VAT included."""
    vat: Tiyn
    reason: str
    issued_at: datetime
    issued_by: str
    lines: tuple[CreditedLine, ...]


@dataclass(frozen=True, slots=True)
class Allocation:
    """What of a payment went to one invoice."""

    invoice_id: InvoiceId
    number: str
    amount: Tiyn
    open_after: Tiyn


@dataclass(frozen=True, slots=True)
class AmountDue:
    """What a personal account owes."""

    total_owed: Tiyn
    """In all: open invoices and what is not yet invoiced, less the advance; 0 when there is an advance."""
    invoiced_open: Tiyn
    overdue: Tiyn
    next_due_on: date | None
    """The day by which the oldest open invoice is to be paid, past or to come."""
    advance: Tiyn = Tiyn(0)


@dataclass(frozen=True, slots=True)
class Overdue:
    """An account with invoices that were not paid within the settlement term."""

    account: AccountRef
    subscriber_id: SubscriberId
    contract_id: ContractId
    party_id: PartyId
    msisdn: Msisdn
    language: Language
    amount: Tiyn
    """Open of the overdue invoices."""
    oldest_due_on: date
    invoices: tuple[InvoiceId, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class BillingRun:
    """What a run has done."""

    periods: int = 0
    """Accounting periods closed, those without charges included."""
    invoices: int = 0
    lines: int = 0
    total: Tiyn = Tiyn(0)

    def __add__(self, other: BillingRun) -> BillingRun:
        return BillingRun(
            self.periods + other.periods,
            self.invoices + other.invoices,
            self.lines + other.lines,
            Tiyn(self.total + other.total),
        )


@dataclass(frozen=True, slots=True)
class VatRates:
    """The rates of VAT and the moments from which they are in force, the oldest first, in millionths."""

    since: tuple[datetime, ...] = ()
    millionths: tuple[int, ...] = ()


class LimitState(StrEnum):
    REQUESTED = "requested"
    GRANTED = "granted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LimitRequest:
    """A credit limit that a subscriber asked for. Contract: PSC-3.2.6"""

    limit_request_id: LimitRequestId
    account: AccountRef
    subscriber_id: SubscriberId
    limit: Tiyn
    previous: Tiyn
    """The limit that was in force when it was asked for."""
    ceiling: Tiyn
    """The most that the plan allowed then."""
    state: LimitState
    asked_at: datetime
    asked_by: str
    channel: str
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CreditStanding:
    """How far an account in credit settlement may go, and how far it has gone."""

    limit: Tiyn
    ceiling: Tiyn
    owed: Tiyn
    available: Tiyn
    waiting: LimitRequest | None = field(default=None)


class Change(NamedTuple):
    """What changed the open amount of a debt on a day: a payment is positive, a payment taken back negative."""

    on: date
    paid: Tiyn


@dataclass(frozen=True, slots=True)
class Standing:
    """What of a debt is open, and what was paid of it when."""

    open: Tiyn
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Bill:
    """An unpaid invoice, as collection needs it."""

    invoice_id: InvoiceId
    number: str
    account: AccountRef
    subscriber_id: SubscriberId
    due_on: date
    total: Tiyn
    penalty_part: Tiyn
    """What of it is penalty for earlier invoices."""
