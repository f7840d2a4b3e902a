"""Bodies of the invoices' API."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from telco.billing.invoicing.model import (
    AmountDue,
    BillingRun,
    Invoice,
    InvoiceLine,
    InvoiceState,
    LimitRequest,
    LimitState,
)
from telco.kernel.i18n import Language
from telco.kernel.units import Unit
from telco.web.fields import ApiModel, Money, MoneyOut, MsisdnText, text

Reason = Annotated[str, text(300, field="reason"), Field(examples=["pays in time for a year"])]


class InvoiceOut(ApiModel):
    """An invoice with what is open of it."""

    invoice_id: int
    number: str
    account: str
    subscriber_id: int
    msisdn: str
    period_start: date
    period_end: date
    """The first day that is no longer of the period."""
    issued_at: datetime
    due_on: date
    total: MoneyOut
    """VAT included."""
    vat: MoneyOut
    open: MoneyOut
    state: InvoiceState
    paid_at: datetime | None
    language: Language

    @classmethod
    def of(cls, invoice: Invoice) -> InvoiceOut:
        fields = {name: getattr(invoice, name) for name in cls.model_fields if name not in ("account", "open")}
        return cls(account=str(invoice.account), open=invoice.open_amount, **fields)


class InvoiceLineOut(ApiModel):
    """What was charged for one thing at one rate of VAT."""

    line_no: int
    code: str
    label: str
    item: str | None
    msisdn: str | None
    count: int
    quantity: int | None
    unit: str
    amount: MoneyOut
    vat_percent: Decimal | None
    vat: MoneyOut

    @classmethod
    def of(cls, line: InvoiceLine) -> InvoiceLineOut:
        fields = {name: getattr(line, name) for name in cls.model_fields if name != "unit"}
        return cls(unit=Unit(line.unit).name.lower(), **fields)


class InvoiceDetailsOut(ApiModel):
    """An invoice, line by line."""

    invoice: InvoiceOut
    lines: list[InvoiceLineOut]


class InvoicesOut(ApiModel):
    """An account's invoices, the newest first, and what it owes."""

    total_owed: MoneyOut
    invoiced_open: MoneyOut
    overdue: MoneyOut
    advance: MoneyOut
    next_due_on: date | None
    invoices: list[InvoiceOut]

    @classmethod
    def of(cls, due: AmountDue, invoices: list[Invoice]) -> InvoicesOut:
        return cls(
            total_owed=due.total_owed,
            invoiced_open=due.invoiced_open,
            overdue=due.overdue,
            advance=due.advance,
            next_due_on=due.next_due_on,
            invoices=[InvoiceOut.of(invoice) for invoice in invoices],
        )


class BillingRunOut(ApiModel):
    """What a run has done."""

    periods: int
    invoices: int
    total: MoneyOut

    @classmethod
    def of(cls, run: BillingRun) -> BillingRunOut:
        return cls(periods=run.periods, invoices=run.invoices, total=run.total)


class LimitIn(ApiModel):
    """A credit limit that is asked for."""

    msisdn: MsisdnText
    limit: Money


class GrantIn(ApiModel):
    """Consent, with another limit than the one asked for where one is given."""

    reason: Reason
    limit: Money | None = None


class RefuseIn(ApiModel):
    """The reason is kept."""

    reason: Reason


class LimitRequestOut(ApiModel):
    """A request for a credit limit and what became of it."""

    limit_request_id: int
    account: str
    subscriber_id: int
    limit: MoneyOut
    previous: MoneyOut
    ceiling: MoneyOut
    state: LimitState
    asked_at: datetime
    asked_by: str
    channel: str
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None

    @classmethod
    def of(cls, asked: LimitRequest) -> LimitRequestOut:
        fields = {name: getattr(asked, name) for name in cls.model_fields if name != "account"}
        return cls(account=str(asked.account), **fields)


class LimitRequestsOut(ApiModel):
    """The oldest first."""

    requests: list[LimitRequestOut]
