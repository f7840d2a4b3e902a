"""Frozen types of device instalments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from telco.kernel.ids import AccountRef, ContractId, PartyId, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.subscribers.model import Channel

AgreementId = NewType("AgreementId", int)
BureauFileId = NewType("BureauFileId", int)

RECEIVABLE = "receivable.device"
"""The operator's account on the other side of a device's price."""
MONEY = ("main",)
"""Devices are paid by the main balance only: never by bonuses or services given in advance."""


class AgreementState(StrEnum):
    """What has become of an agreement; only an open one still has parts to come."""

    OPEN = "open"
    PAID = "paid"
    """Every part was posted on its day."""
    REPAID = "repaid"
    """The rest was repaid early, in full."""
    DUE = "due"
    """The rest fell due at once, with the end of the contract. Contract: PSC-6.3.5"""
    RETURNED = "returned"
    """The device came back: what was posted was reversed."""


@dataclass(frozen=True, slots=True)
class Sale:
    """What a subscriber signs: a device, its price, the down payment and the number of parts."""

    plan_code: str
    device: str
    imei: str
    price: Tiyn
    down_payment: Tiyn
    months: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the price; number 0 is the down payment."""

    part_no: int
    due_on: date
    amount: Tiyn
    posted_at: datetime | None = None
    op_id: str | None = None
    cancelled_at: datetime | None = None

    @property
    def waiting(self) -> bool:
        return self.posted_at is None and self.cancelled_at is None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A device sold by instalments, with the consent to exchange credit history that it gave. Contract: PSC-3.2.12"""

    agreement_id: AgreementId
    number: str
    request_id: str
    subscriber_id: SubscriberId
    party_id: PartyId
    contract_id: ContractId
    msisdn: Msisdn
    account: AccountRef
    plan_code: str
    plan_version: int
    device: str
    imei: str
    price: Tiyn
    down_payment: Tiyn
    months: int
    signed_at: datetime
    signed_on: date
    signed_by: str
    consent_version: str
    consent_channel: Channel
    consent_at: datetime
    state: AgreementState
    closed_at: datetime | None
    closed_by: str | None
    close_reason: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An agreement with its parts: what is open and what comes next."""

    agreement: Agreement
    parts: tuple[Part, ...]

    @property
    def open_rest(self) -> Tiyn:
        """What is still to be posted."""
        return Tiyn(sum(part.amount for part in self.parts if part.waiting))

    @property
    def next_part(self) -> Part | None:
        return next((part for part in self.parts if part.waiting), None)


@dataclass(frozen=True, slots=True)
class PostingRun:
    """What a run over due parts did."""

    parts: int = 0
    amount: Tiyn = Tiyn(0)

    def __add__(self, other: PostingRun) -> PostingRun:
        return PostingRun(self.parts + other.parts, Tiyn(self.amount + other.amount))


class PortOutRefusal(StrEnum):
    """Why a number may not be ported out, in order of precedence. Contract: PSC-7.2, PSC-7.4, PSC-7.5"""

    UNKNOWN_NUMBER = "unknown_number"
    BLOCKED_BY_AUTHORITY = "blocked_by_authority"
    OTHER_OWNER = "other_owner"
    DEBT = "debt"
    DEVICE_INSTALMENTS = "device_instalments"


@dataclass(frozen=True, slots=True)
class PortOutAnswer:
    """Whether a number may be ported out when the request is checked; a refusal names its reasons."""

    msisdn: Msisdn
    refusals: tuple[PortOutRefusal, ...]
    owed: Tiyn
    detail: str

    @property
    def allowed(self) -> bool:
        return not self.refusals
