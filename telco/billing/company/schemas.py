"""Bodies of the company payments' API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from telco.billing.company.model import Proposal, ProposedLine, Sheet, SheetKind, SheetState
from telco.billing.company.sheet_file import MAX_BYTES
from telco.billing.company.waits import explain
from telco.billing.payments.schemas import FileContent, Reason
from telco.kernel.i18n import Text
from telco.web.fields import ApiModel, MoneyOut, PositiveMoney, text

MAX_FILE_BODY = MAX_BYTES * 4 // 3 + 4096
"""Bytes of a request that carries the largest file as Base64."""

BinText = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$"), Field(examples=["990140000007"])]
Login = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,31}$"), Field(examples=["altyn-accounts"])]
OrderNumber = Annotated[str, StringConstraints(pattern=r"^[\w/.-]{1,30}$"), Field(examples=["417"])]
FileName = Annotated[str, text(100, field="file_name"), Field(examples=["register.xlsx"])]


class SheetIn(ApiModel):
    """A register (.xlsx, .csv) or covering letter (.xlsx, .xls) of a company's payment order."""

    bin: BinText
    kind: SheetKind
    order_number: OrderNumber
    order_date: date
    file_name: FileName
    content: FileContent


class SheetOut(ApiModel):
    """A register or letter as it stands."""

    sheet_id: int
    kind: SheetKind
    bin: str
    order_number: str
    order_date: date
    file_name: str
    line_count: int
    amount: MoneyOut
    state: SheetState
    payment_id: int | None
    """The payment that was allocated by it."""
    sent_at: datetime
    sent_by: str
    replayed: bool
    """The same file came before; nothing was changed."""
    reason: str | None
    """Why it waits: ``payment_missing``, or the reason of its payment on the work list."""
    detail: str | None
    """What the work list says beside the reason."""
    explanation: str | None
    """Why it waits and what to do, in the reader's language."""

    @classmethod
    def of(cls, sheet: Sheet, say: Callable[[Text], str]) -> SheetOut:
        wait = sheet.wait
        own = {"bin", "order_number", "order_date", "reason", "detail", "explanation"}
        return cls(
            bin=sheet.order.bin,
            order_number=sheet.order.number,
            order_date=sheet.order.date,
            reason=None if wait is None else wait.reason,
            detail=None if wait is None else wait.detail,
            explanation=None if wait is None else say(explain(wait, sheet)),
            **{name: getattr(sheet, name) for name in cls.model_fields if name not in own},
        )


class SheetsOut(ApiModel):
    sheets: list[SheetOut]


class WithdrawIn(ApiModel):
    """Why a register or letter is not to be followed."""

    reason: Reason


class ContactIn(ApiModel):
    """A company's contact who may send registers and letters."""

    bin: BinText
    login: Login
    name: Annotated[str, text(100, field="name"), Field(examples=["Айгүл Серікқызы"])]


class ContactKeyOut(ApiModel):
    """A contact's key, shown this once."""

    login: str
    key: str


class ContactChangeIn(ApiModel):
    enabled: bool


class ContactOut(ApiModel):
    contact_id: int
    bin: str
    login: str
    name: str
    disabled_at: datetime | None


class ProposedLineOut(ApiModel):
    account: str
    msisdn: str
    amount: MoneyOut
    invoice_number: str
    """Empty for what is on no invoice."""
    why: str

    @classmethod
    def of(cls, line: ProposedLine) -> ProposedLineOut:
        fields = {name: getattr(line, name) for name in cls.model_fields if name != "account"}
        return cls(account=str(line.account), **fields)


class ProposalOut(ApiModel):
    """How the operator would allocate a company's payment, oldest debt first, and why so."""

    item_id: int
    amount: MoneyOut
    unclear: str
    """Why the payer's own wish cannot be followed."""
    detail: str
    lines: list[ProposedLineOut]
    mark: str
    """Send it with the acceptance: what was seen is what is done."""

    @classmethod
    def of(cls, proposal: Proposal) -> ProposalOut:
        return cls(
            item_id=proposal.item_id,
            amount=proposal.amount,
            unclear=proposal.unclear,
            detail=proposal.detail,
            lines=[ProposedLineOut.of(line) for line in proposal.lines],
            mark=proposal.mark,
        )


class AcceptIn(ApiModel):
    """An acceptance of the proposal that was seen."""

    mark: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$"), Field(examples=["0123456789abcdef"])]
    reason: Reason


class ShareIn(ApiModel):
    """What of a payment is for one invoice, number or personal account."""

    payee: Annotated[str, text(32, field="payee"), Field(examples=["KC-2026-0000001"])]
    amount: PositiveMoney


class SharesIn(ApiModel):
    """How a company's payment is to be allocated; the sums add up to it."""

    shares: Annotated[list[ShareIn], Field(min_length=1, max_length=1000)]
    reason: Reason


class AllocatedOut(ApiModel):
    item_id: int
    payment_id: int
    """Its parts are at /v1/payments/{payment_id}/parts."""


class FindingOut(ApiModel):
    check: str
    subject: str
    detail: str


class MoneyAuditOut(ApiModel):
    """Whether all money that came in is allocated or on the work list."""

    received: MoneyOut
    allocated: MoneyOut
    returned: MoneyOut
    """Refunds that came back."""
    on_the_list: MoneyOut
    """Waits for people, or for the next run."""
    closed: MoneyOut
    """Closed by people with what was found out: paid back, explained."""
    findings: list[FindingOut]
    """Nothing, unless the books are wrong."""
