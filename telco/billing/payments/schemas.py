"""Bodies of the payments' API."""

from __future__ import annotations

import base64
import binascii
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, WithJsonSchema

from telco.billing.payments.bank_file import MAX_BYTES
from telco.billing.payments.errors import FileContentError
from telco.billing.payments.model import (
    Channel,
    Correction,
    CorrectionKind,
    CorrectionState,
    DeskDay,
    ItemState,
    Part,
    Payment,
    PaymentState,
    Provider,
    Reconciled,
    Shift,
    WorkItem,
)
from telco.billing.schemas import CardOut
from telco.kernel.money import Tiyn
from telco.web.fields import ApiModel, Money, MoneyOut, MsisdnText, PositiveMoney, parsed_by, text

MAX_FILE_BODY = MAX_BYTES * 4 // 3 + 4096
"""Bytes of a request that carries the largest file as Base64."""


def _content(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise FileContentError from None


FileContent = Annotated[
    bytes,
    parsed_by(_content),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "examples": ["MUNDbGllbnRCYW5rRXhjaGFuZ2U="]}),
]
"""A file as it is, in Base64: the encodings of banks do not fit in JSON."""

ProviderCode = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,31}$"), Field(examples=["kiosk"], max_length=32)
]
DeskCode = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$"), Field(examples=["almaty-1"], max_length=32)
]
Iban = Annotated[str, StringConstraints(pattern=r"^KZ[0-9]{2}[0-9A-Z]{16}$"), Field(examples=["KZ87345KZT1234567890"])]
Reason = Annotated[str, text(300, field="reason"), Field(examples=["the payer typed 8701 for 8702"])]
Named = Annotated[str, text(32, field="payee"), Field(examples=["77011234567"])]


class PaymentOut(ApiModel):
    """A payment as it stands."""

    payment_id: int
    channel: Channel
    source: str
    """The provider's code, our bank account, or the cash desk."""
    external_id: str
    """Its id there."""
    named: str
    """The number or account that the payer named."""
    msisdn: str | None
    """Whose account has the money now; null where several have."""
    account: str | None
    amount: MoneyOut
    part_count: int
    """More than one where a company's payment or a correction split it."""
    paid_at: datetime
    booked_at: datetime
    booked_by: str
    state: PaymentState
    trust_repaid: MoneyOut
    balance: MoneyOut | None
    """Main balance right after it; null where there are several parts."""
    payer_id: str | None
    payer_name: str | None
    document_number: str | None
    receipt_no: str | None
    shift_id: int | None

    @classmethod
    def of(cls, payment: Payment) -> PaymentOut:
        fields = {name: getattr(payment, name) for name in cls.model_fields if name != "account"}
        return cls(account=None if payment.account is None else str(payment.account), **fields)


class PartOut(ApiModel):
    """A part of a payment as it stands."""

    part_no: int
    named: str
    """The number, account or invoice that was named for it."""
    msisdn: str | None
    account: str
    amount: MoneyOut
    trust_repaid: MoneyOut
    balance: MoneyOut
    state: PaymentState

    @classmethod
    def of(cls, part: Part) -> PartOut:
        fields = {name: getattr(part, name) for name in cls.model_fields if name != "account"}
        return cls(account=str(part.account), **fields)


class PartsOut(ApiModel):
    parts: list[PartOut]


class CorrectionOut(ApiModel):
    """A correction of a mistaken payment."""

    correction_id: int
    payment_id: int
    part_no: int
    amount: MoneyOut
    kind: CorrectionKind
    target: str | None
    reason: str
    state: CorrectionState
    requested_at: datetime
    requested_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None
    debt_allowed: bool
    forced: MoneyOut
    """What the account now owes, because it was spent before."""

    @classmethod
    def of(cls, correction: Correction) -> CorrectionOut:
        fields = {name: getattr(correction, name) for name in cls.model_fields if name != "target"}
        return cls(target=correction.target_msisdn, **fields)


class PaymentDetailsOut(ApiModel):
    """A payment with its first hundred parts and its corrections."""

    payment: PaymentOut
    parts: list[PartOut]
    corrections: list[CorrectionOut]


class WorkItemOut(ApiModel):
    """Something to decide, or decided."""

    item_id: int
    kind: str
    reason: str
    channel: Channel
    source: str
    external_id: str
    named: str
    amount: MoneyOut
    other_amount: MoneyOut | None
    paid_at: datetime
    payment_id: int | None
    facts: dict[str, Any]
    proposal: str
    """How the service would allocate it; ``none`` when it has no proposal."""
    state: ItemState
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None

    @classmethod
    def of(cls, item: WorkItem) -> WorkItemOut:
        return cls.model_validate(item)


class FoundOut(ApiModel):
    """What has an id: payments that were credited, what waits on the work list, a payment card and its activation."""

    payments: list[PaymentOut]
    work_items: list[WorkItemOut]
    cards: list[CardOut]


class WorkItemsOut(ApiModel):
    items: list[WorkItemOut]


class AllocateIn(ApiModel):
    """Whose an item's money is."""

    payee: Named
    reason: Reason


class CloseItemIn(ApiModel):
    """What was found out."""

    reason: Annotated[str, text(300, field="reason"), Field(examples=["paid back by order 17"])]


class ProviderIn(ApiModel):
    """A provider to let in."""

    code: ProviderCode
    name: Annotated[str, text(100, field="name"), Field(examples=["Kiosk LLP"])]
    least: PositiveMoney
    """The least of one payment."""
    most: PositiveMoney
    """The most of one payment."""


class ProviderChangeIn(ApiModel):
    """A provider's limits and whether it may send payments."""

    least: PositiveMoney
    most: PositiveMoney
    enabled: bool


class ProviderOut(ApiModel):
    """A provider; never its key."""

    code: str
    name: str
    least: MoneyOut
    most: MoneyOut
    disabled_at: datetime | None

    @classmethod
    def of(cls, provider: Provider) -> ProviderOut:
        return cls(
            code=provider.code,
            name=provider.name,
            least=provider.min_sum,
            most=provider.max_sum,
            disabled_at=provider.disabled_at,
        )


class ProvidersOut(ApiModel):
    providers: list[ProviderOut]


class ProviderKeyOut(ApiModel):
    """A provider's key, shown this once."""

    code: str
    key: str


class RegisterIn(ApiModel):
    """A provider's register of a day."""

    content: FileContent


class DifferenceOut(ApiModel):
    """What the two registers tell differently."""

    kind: str
    txn_id: str
    account: str
    amount: MoneyOut
    """Theirs; ours where it is missing there."""
    our_amount: MoneyOut | None
    payment_id: int | None


class ReconciledOut(ApiModel):
    """A provider's register of a day against ours."""

    register_id: int
    provider: str
    day: date
    line_count: int
    amount: MoneyOut
    our_count: int
    our_amount: MoneyOut
    differences: list[DifferenceOut]

    @classmethod
    def of(cls, reconciled: Reconciled) -> ReconciledOut:
        return cls.model_validate(reconciled)


class OurRegisterOut(ApiModel):
    """Our register of a provider's day, as CSV."""

    provider: str
    day: date
    csv: str


class BankAccountIn(ApiModel):
    """An account of the operator at a bank."""

    iban: Iban
    name: Annotated[str, text(100, field="name"), Field(examples=["main account"])]


class BankFileIn(ApiModel):
    """A file ``1CClientBankExchange`` 1.03 or MT940, as the bank wrote it."""

    file_name: Annotated[str, text(100, field="file_name"), Field(examples=["kl_to_1c.txt"])]
    content: FileContent


class BankFileOut(ApiModel):
    """A bank file and what became of its documents."""

    file_id: int
    file_name: str
    documents: int
    outgoing: int
    """Our own orders, which bring nothing."""
    repeated: int
    """Documents that were known already."""
    credited: int
    work_list: int
    returned: int
    """Refunds that came back: their money is on the personal account again."""
    pending: int
    """Documents that wait to be credited; within minutes there are none."""
    taken_at: datetime
    taken_by: str
    replayed: bool
    """The file was taken before; nothing was changed."""


class ShiftIn(ApiModel):
    """Where a shift begins."""

    desk: DeskCode


class ShiftCloseIn(ApiModel):
    """What was in the drawer at the end."""

    counted: Annotated[Money, Field(ge=0, examples=["12500.00"])]


class ShiftOut(ApiModel):
    """A cashier's shift with its totals."""

    shift_id: int
    desk: str
    cashier: str
    opened_at: datetime
    closed_at: datetime | None
    receipts: int
    taken: MoneyOut
    given: MoneyOut
    """Refunds given out in it."""
    counted: MoneyOut | None
    difference: MoneyOut | None
    """Counted less what was taken and not given out, once it is closed."""

    @classmethod
    def of(cls, shift: Shift) -> ShiftOut:
        fields = {name: getattr(shift, name) for name in cls.model_fields if name != "difference"}
        difference = None if shift.counted is None else Tiyn(shift.counted - shift.taken + shift.given)
        return cls(difference=difference, **fields)


class DeskDayOut(ApiModel):
    """What a cashier took at a desk on a day."""

    desk: str
    cashier: str
    receipts: int
    taken: MoneyOut


class DeskDaysOut(ApiModel):
    day: date
    desks: list[DeskDayOut]
    taken: MoneyOut

    @classmethod
    def of(cls, day: date, desks: list[DeskDay]) -> DeskDaysOut:
        return cls(
            day=day,
            desks=[DeskDayOut.model_validate(desk) for desk in desks],
            taken=Tiyn(sum(desk.taken for desk in desks)),
        )


class CashPaymentIn(ApiModel):
    """Cash for a number or personal account."""

    payee: Named
    amount: PositiveMoney
    payer_name: Annotated[str, text(100, field="payer_name"), Field(examples=["Айгүл Серікқызы"])] | None = None


class CorrectionIn(ApiModel):
    """A correction to ask for."""

    kind: CorrectionKind
    target: MsisdnText | None = None
    """The number to credit, for a move."""
    part_no: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Which part of a payment that has several."""
    amount: PositiveMoney | None = None
    """Of the part, what was mistaken; all of it by default."""
    reason: Reason


class ApprovalIn(ApiModel):
    """A decision to carry a correction out."""

    decision: Annotated[str, text(300, field="decision"), Field(examples=["checked against the receipt"])]
    allow_debt: bool = False
    """Take the money even where it was spent: the account then owes it."""


class RefusalIn(ApiModel):
    """A decision to leave a payment as it is."""

    decision: Annotated[str, text(300, field="decision"), Field(examples=["the receipt names this number"])]


class CorrectionsOut(ApiModel):
    corrections: list[CorrectionOut]
