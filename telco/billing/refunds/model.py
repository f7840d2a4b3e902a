"""Frozen types and states of money back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, ContractId, PartyId
from telco.kernel.money import Tiyn
from telco.subscribers.model import Channel, PartyKind

RefundId = NewType("RefundId", int)
RefundFileId = NewType("RefundFileId", int)
CompensationId = NewType("CompensationId", int)


class RefundKind(StrEnum):
    ENDED = "ended"
    """No number spends from the account any more. Contract: PSC-6.4, PSC-7.7"""
    OVERPAID = "overpaid"
    """A subscriber wants money back that he does not need. Contract: PSC-3.1.7"""


class PayoutWay(StrEnum):
    BANK = "bank"
    CASH = "cash"


class RefundState(StrEnum):
    """Where a refund is. `OPEN` ones are still to be paid."""

    APPLIED = "applied"
    APPROVED = "approved"
    REFUSED = "refused"
    NOTHING_LEFT = "nothing_left"
    """When its day came, nothing was left after all obligations."""
    ORDERED = "ordered"
    """The money has left the personal account and waits for the bank or at the cash desk."""
    PAID = "paid"
    RETURNED = "returned"
    """The bank gave it back, or nobody fetched it: the money is on the personal account again."""


OPEN = frozenset({RefundState.APPLIED, RefundState.APPROVED, RefundState.ORDERED})


@dataclass(frozen=True, slots=True)
class RefundTerms:
    """The figures in force on a day."""

    refund_days: int
    """Calendar days from the registration in which it is paid (PSC-6.4, 7.7)."""
    credit_wait_days: int
    """Calendar days after the accounting period before which credit is not refunded (PSC-6.4)."""
    compensation_mci: int
    """How many MCI a compensation may be (PSC-5.3)."""


@dataclass(frozen=True, slots=True)
class Payee:
    """Where the money is to go: an account at a bank, or nothing for a cash desk."""

    way: PayoutWay
    iban: str | None = None
    bic: str | None = None
    kbe: str | None = None
    """The beneficiary's code (КБе) as the applicant states it; None where the IIN or BIN tells it."""


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A written application for money back, as it was handed in."""

    named: str
    """The number or personal account that it is about."""
    iin_bin: str
    """Of who applies."""
    payee: Payee
    amount: Tiyn | None
    """What is asked for; None for all that is left."""
    contact_phone: str | None
    channel: Channel
    ground: str
    """The paper's number, the letter: what proves that it was written."""
    actor: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as it stands; what a refund order shows.

    Contract: PSC-6.4, PSC-7.7, PSC-3.1.7
    """

    refund_id: RefundId
    request_id: str
    kind: RefundKind
    account: AccountRef
    contract_id: ContractId
    party_id: PartyId
    party_kind: PartyKind
    named: str
    iin_bin: str
    applicant: str
    contact_phone: str | None
    language: Language
    channel: Channel
    registered_at: datetime
    registered_by: str
    ground: str
    asked: Tiyn | None
    payee: Payee
    not_before: date
    pay_by: date
    state: RefundState
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None
    amount: Tiyn | None
    """What has left the personal account; None before."""
    ordered_at: datetime | None
    file_id: RefundFileId | None
    paid_on: date | None
    paid_by: str | None
    payout_ref: str | None
    """The bank's document, or the cash desk's voucher."""
    returned_at: datetime | None
    return_reason: str | None
    return_told_on: date | None
    """When the bank had its money again, by a file of the bank; None when a clerk said that it is back."""
    return_document_id: int | None
    """Which of the payments' documents told so."""

    @property
    def reference(self) -> str:
        """How it is named to the bank and to the subscriber."""
        return f"RF-{self.refund_id:07d}"


@dataclass(frozen=True, slots=True)
class FreeMoney:
    """What of a personal account can be given back now, and why the rest cannot."""

    balance: Tiyn
    held: Tiyn
    """Held by calls and sessions that are going on."""
    owed: Tiyn
    """Obligations of the contract: debts, trust payments, instalments."""

    @property
    def amount(self) -> Tiyn:
        """What can be given back; 0 when nothing is left."""
        return Tiyn(max(self.balance - self.held - self.owed, 0))


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays refunds, from which of our accounts: as the operator's requisites have it."""

    iban: str
    name: str
    bin: str
    kbe: str
    """Residence and sector of the economy, two digits."""
    bank: str
    """Empty, as its code is, for an account at another bank than the one of the requisites."""
    bic: str


@dataclass(frozen=True, slots=True)
class RefundFile:
    """Payment orders given to the bank together."""

    file_id: RefundFileId
    iban: str
    made_on: date
    made_at: datetime
    made_by: str
    orders: int
    total: Tiyn
    content: bytes


class AnswerKind(StrEnum):
    """What the bank says of an order."""

    PAID = "paid"
    RETURNED = "returned"
    KNOWN = "known"
    """It was said before."""
    DIFFERS = "differs"
    """Another sum or payee than was ordered: somebody has to look."""
    UNKNOWN = "unknown"
    """An order that we did not give."""


@dataclass(frozen=True, slots=True)
class AnswerLine:
    kind: AnswerKind
    document: str
    amount: Tiyn
    refund_id: RefundId | None = None


@dataclass(frozen=True, slots=True)
class BankAnswer:
    """What came of a file from the bank."""

    lines: tuple[AnswerLine, ...]
    replayed: bool


@dataclass(frozen=True, slots=True)
class EndedAccount:
    """A personal account whose last number ended, with what is left on it."""

    account: AccountRef
    ended_at: datetime
    ground: str
    balance: Tiyn


@dataclass(frozen=True, slots=True)
class Compensation:
    """Money for proven direct loss. Contract: PSC-5.3"""

    compensation_id: CompensationId
    request_id: str
    incident: str
    happened_on: date
    party_id: PartyId
    account: AccountRef
    loss: Tiyn
    amount: Tiyn
    limit: Tiyn
    ground: str
    evidence: str
    granted_at: datetime
    granted_by: str
