"""Frozen types and states of payments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import NewType

from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn

PaymentId = NewType("PaymentId", int)
ShiftId = NewType("ShiftId", int)
WorkItemId = NewType("WorkItemId", int)
CorrectionId = NewType("CorrectionId", int)
BankFileId = NewType("BankFileId", int)


class Channel(StrEnum):
    """How money comes in. Payment cards keep a table of their own."""

    TERMINAL = "terminal"
    """Terminals, banks' pages and apps, by the check/pay protocol."""
    BANK = "bank"
    """A transfer to the operator's account at a bank."""
    CASH_DESK = "cash_desk"


class PaymentState(StrEnum):
    """What became of a payment, or of a part of one."""

    CREDITED = "credited"
    MOVED = "moved"
    """On another account than the payer named, by an approved correction."""
    WRITTEN_OFF = "written_off"
    CORRECTED = "corrected"
    """Its parts are in different states; never the state of a part."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whose account is to be credited."""

    subscriber_id: SubscriberId
    msisdn: Msisdn
    account: AccountRef


class Standing(StrEnum):
    """Why what the payer named cannot be credited."""

    MALFORMED = "malformed"
    """Neither a phone number nor a personal account."""
    UNKNOWN = "unknown"
    ENDED = "ended"
    PORTED_OUT = "ported_out"


@dataclass(frozen=True, slots=True)
class Share:
    """What of a payment is for one account."""

    target: Target
    amount: Tiyn
    named: str
    """The number, account or invoice that was named for it."""
    invoice_id: int | None = None
    """The invoice that it pays first, where one was named."""


@dataclass(frozen=True, slots=True)
class NewPayment:
    """Money that came in and whose it is."""

    channel: Channel
    source: str
    """The provider's code, our bank account, the cash desk."""
    external_id: str
    """Its id there; unique in the channel and source."""
    named: str
    """The number or account that the payer named."""
    shares: tuple[Share, ...]
    """What it is for; their sum is the payment."""
    paid_at: datetime
    booked_by: str
    request_id: str
    payer_id: str | None = None
    payer_name: str | None = None
    document_number: str | None = None
    receipt_no: str | None = None
    shift_id: ShiftId | None = None

    @property
    def amount(self) -> Tiyn:
        return Tiyn(sum(share.amount for share in self.shares))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a payment as it stands: exactly the amount of one operation of the ledger."""

    payment_id: PaymentId
    part_no: int
    named: str
    msisdn: Msisdn | None
    subscriber_id: SubscriberId | None
    account: AccountRef
    op_id: str
    """The ledger's operation that put the money where it is now, or took it away."""
    amount: Tiyn
    trust_repaid: Tiyn
    balance: Tiyn
    """Main balance right after it."""
    state: PaymentState


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it stands. What only a part has is None where there are several."""

    payment_id: PaymentId
    channel: Channel
    source: str
    external_id: str
    named: str
    msisdn: Msisdn | None
    subscriber_id: SubscriberId | None
    account: AccountRef | None
    op_id: str | None
    """The ledger's operation that put the money where it is now."""
    amount: Tiyn
    part_count: int
    paid_at: datetime
    booked_at: datetime
    booked_by: str
    state: PaymentState
    trust_repaid: Tiyn
    balance: Tiyn | None
    """Main balance right after it."""
    payer_id: str | None
    payer_name: str | None
    document_number: str | None
    receipt_no: str | None
    shift_id: ShiftId | None


# Terminals


class Result(IntEnum):
    """Result codes of the check/pay protocol."""

    OK = 0
    RETRY_LATER = 1
    WRONG_FORMAT = 4
    UNKNOWN_ACCOUNT = 5
    NOT_ALLOWED = 7
    OTHER = 300


class Reason(StrEnum):
    """Why a terminal's request was answered as it was."""

    OK = "ok"
    TRY_LATER = "try_later"
    ACCOUNT_FORMAT = "account_format"
    ACCOUNT_UNKNOWN = "account_unknown"
    NUMBER_PORTED = "number_ported"
    NUMBER_ENDED = "number_ended"
    SUM_LIMITS = "sum_limits"
    SUM_FORMAT = "sum_format"
    TXN_ID_FORMAT = "txn_id_format"
    TXN_DATE = "txn_date"
    TXN_ID_REUSED = "txn_id_reused"
    COMMAND = "command"
    PARAMETERS = "parameters"


@dataclass(frozen=True, slots=True)
class Provider:
    """Who may send payments by the check/pay protocol, and how much in one."""

    code: str
    name: str
    min_sum: Tiyn
    max_sum: Tiyn
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class TerminalRequest:
    """A request of the protocol whose fields could be read."""

    txn_id: str
    account: str
    amount: Tiyn
    txn_at: datetime | None
    """The provider's time of the payment; None in a check."""


@dataclass(frozen=True, slots=True)
class TerminalAnswer:
    """The answer to a terminal."""

    reason: Reason
    result: Result
    txn_id: str = ""
    amount: Tiyn | None = None
    payment_id: PaymentId | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What a txn_id was answered when it came first: repetitions are held against it."""

    account: str
    """The number or personal account, as it is compared."""
    answer: TerminalAnswer


# Registers


@dataclass(frozen=True, slots=True)
class RegisterLine:
    """One payment as a register tells it."""

    txn_id: str
    txn_at: datetime
    account: str
    amount: Tiyn


class DifferenceKind(StrEnum):
    """How two registers of a day differ."""

    MISSING_HERE = "register_missing_here"
    """The provider took money that we did not credit."""
    MISSING_THERE = "register_missing_there"
    """We credited what the provider does not tell of."""
    OTHER_SUM = "register_other_sum"
    OTHER_ACCOUNT = "register_other_account"


@dataclass(frozen=True, slots=True)
class Difference:
    kind: DifferenceKind
    txn_id: str
    account: str
    amount: Tiyn
    """Theirs; ours where it is missing there."""
    our_amount: Tiyn | None
    txn_at: datetime
    payment_id: PaymentId | None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the comparison of a provider's register of a day with ours found."""

    register_id: int
    provider: str
    day: date
    line_count: int
    amount: Tiyn
    our_count: int
    our_amount: Tiyn
    differences: tuple[Difference, ...]


# Bank transfers


@dataclass(frozen=True, slots=True)
class BankDocument:
    """A payment order of a bank file."""

    line: int
    """Where it begins in the file."""
    number: str
    document_date: date
    received_on: date | None
    """When the bank credited our account; None while it has not."""
    amount: Tiyn
    payer_account: str
    payer_name: str
    payer_id: str
    receiver_account: str
    purpose: str
    debited_on: date | None = None
    """When the bank debited our account with it; None for what comes in, and while it has not."""
    reversal: bool = False
    """The bank took back what it had credited."""


class BankForm(StrEnum):
    """The forms in which banks write what happened on an account."""

    EXCHANGE = "1c"
    """``1CClientBankExchange``"""
    MT940 = "mt940"


@dataclass(frozen=True, slots=True)
class BankFile:
    """A file of the bank, read."""

    form: BankForm
    account: str
    documents: tuple[BankDocument, ...]


class DocumentReason(StrEnum):
    """Why a bank document needs somebody to decide."""

    COMPANY = "company"
    """A company's transfer: allocated by its purpose, register or letter (PSC-3.2.4-4)."""
    PAYER_UNKNOWN = "payer_unknown"
    """Neither a valid IIN nor BIN."""
    NO_NUMBER = "no_number"
    SEVERAL_NUMBERS = "several_numbers"
    NUMBER_UNKNOWN = "number_unknown"
    NUMBER_ENDED = "number_ended"
    NUMBER_PORTED = "number_ported"
    NOT_OUR_ACCOUNT = "not_our_account"
    NOT_RECEIVED = "not_received"
    """The bank has not credited it."""
    DIFFERS = "differs"
    """A document of this number, day and payer came before with another sum or purpose."""
    SUM_LIMITS = "sum_limits"
    LOOKS_LIKE = "looks_like"
    """Probably what the bank's other form told of already, which the item names: a second payment, or none."""
    REVERSED = "reversed"
    """The bank took back what it had credited: it brings no money."""


@dataclass(frozen=True, slots=True)
class TakenFile:
    """What was done with a bank file."""

    file_id: BankFileId
    file_name: str
    documents: int
    outgoing: int
    repeated: int
    """Documents that an earlier file, or this one above, told of already."""
    credited: int
    work_list: int
    returned: int
    """Money of ours that came back."""
    pending: int
    taken_at: datetime
    taken_by: str
    replayed: bool = False


# Work list


class ItemState(StrEnum):
    OPEN = "open"
    ALLOCATED = "allocated"
    CLOSED = "closed"


BANK_ITEM = "bank_document"
"""Kind of a work item about a bank document; the others are `DifferenceKind`."""


@dataclass(frozen=True, slots=True)
class NewWorkItem:
    """What somebody has to decide."""

    key: str
    """Names its cause, so that the same cause is listed once."""
    kind: str
    reason: str
    channel: Channel
    source: str
    external_id: str
    named: str
    amount: Tiyn
    paid_at: datetime
    other_amount: Tiyn | None = None
    payment_id: PaymentId | None = None
    document_id: int | None = None
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class WorkItem:
    """What somebody has to decide, or has decided."""

    item_id: WorkItemId
    kind: str
    reason: str
    channel: Channel
    source: str
    external_id: str
    named: str
    amount: Tiyn
    other_amount: Tiyn | None
    paid_at: datetime
    payment_id: PaymentId | None
    document_id: int | None
    facts: dict[str, object]
    proposal: str
    state: ItemState
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None


# Cash desk


@dataclass(frozen=True, slots=True)
class Shift:
    """A cashier's shift with its totals."""

    shift_id: ShiftId
    desk: str
    cashier: str
    opened_at: datetime
    closed_at: datetime | None
    receipts: int
    taken: Tiyn
    """Sum of its payments."""
    given: Tiyn
    """What was given out in it: refunds."""
    counted: Tiyn | None
    """What was in the drawer when it closed."""


@dataclass(frozen=True, slots=True)
class CashPayout:
    """Money that a cashier gave out."""

    shift_id: ShiftId
    voucher_no: str


@dataclass(frozen=True, slots=True)
class DeskDay:
    """What a desk took on a day."""

    desk: str
    cashier: str
    receipts: int
    taken: Tiyn


# Corrections


class CorrectionKind(StrEnum):
    MOVE = "move"
    WRITE_OFF = "write_off"


class CorrectionState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction of a mistaken payment. Contract: PSC-3.1.8, PSC-5.2.2"""

    correction_id: CorrectionId
    payment_id: PaymentId
    part_no: int
    amount: Tiyn
    """Of the part; what is left of it stays where it is."""
    request_id: str
    kind: CorrectionKind
    target_msisdn: Msisdn | None
    from_account: AccountRef
    from_op_id: str
    reason: str
    state: CorrectionState
    requested_at: datetime
    requested_by: str
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None
    debt_allowed: bool
    forced: Tiyn
    """What was taken although it was spent already: the account owes it."""
    to_account: AccountRef | None
