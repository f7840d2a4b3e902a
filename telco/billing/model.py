"""Frozen types and states of billing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from telco.kernel.money import Tiyn

BatchId = NewType("BatchId", int)
TrustId = NewType("TrustId", int)

TRUST_BUCKET = "trust"
"""Bucket of services given against future payments: paid from last, never bought e-money with."""


class CardState(StrEnum):
    """What can still be done with a payment card."""

    READY = "ready"
    USED = "used"
    BLOCKED = "blocked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PrintedCard:
    """A card as it is printed: the only place where its secret code is in clear."""

    serial: str
    code: str


@dataclass(frozen=True, slots=True)
class CardBatch:
    """Cards printed together; `expires_on` is their last day (Kazakhstan)."""

    batch_id: BatchId
    face_value: Tiyn
    card_count: int
    expires_on: date
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Card:
    """What staff see of a card; never its code."""

    serial: str
    batch_id: BatchId
    face_value: Tiyn
    expires_on: date
    state: CardState
    used_by: int | None
    used_at: datetime | None
    block_reason: str | None


class ActivationStatus(StrEnum):
    """How an attempt to activate a payment card ended, in order of precedence."""

    COMMAND_BLOCKED = "command_blocked"
    """Too many wrong codes: this command is closed for this number for a while."""
    WRONG_CODE = "wrong_code"
    CARD_BLOCKED = "card_blocked"
    CARD_USED = "card_used"
    CARD_EXPIRED = "card_expired"
    CREDITED = "credited"


@dataclass(frozen=True, slots=True)
class Activation:
    """The answer to a payment card's code."""

    status: ActivationStatus
    face_value: Tiyn = Tiyn(0)
    balance: Tiyn = Tiyn(0)
    """Main balance after it."""
    trust_repaid: Tiyn = Tiyn(0)
    """What this top-up repaid of a trust payment."""
    tries_left: int = 0
    blocked_until: datetime | None = None
    replayed: bool = False


class TrustStatus(StrEnum):
    """How a request for a trust payment ended, in order of precedence."""

    NOT_PREPAID = "not_prepaid"
    ALREADY_OPEN = "already_open"
    TOO_NEW = "too_new"
    BALANCE_TOO_HIGH = "balance_too_high"
    BALANCE_TOO_LOW = "balance_too_low"
    GIVEN = "given"


@dataclass(frozen=True, slots=True)
class TrustTerms:
    """Conditions of the trust payment: the operator's data.

    Contract: PSC-3.1.6
    """

    amount: Tiyn
    """Services given."""
    price: Tiyn
    """Taken beside what was consumed, at the next top-up."""
    usable_days: int
    highest_balance: Tiyn
    """Given only while the main balance is at most this."""
    lowest_balance: Tiyn
    """Not given to one who owes more than this."""
    least_tenure_days: int


@dataclass(frozen=True, slots=True)
class TrustAnswer:
    """The answer to a request for a trust payment."""

    status: TrustStatus
    terms: TrustTerms
    usable_until: datetime | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class TrustPayment:
    """A trust payment as it stands."""

    trust_id: TrustId
    subscriber_id: int
    amount: Tiyn
    price: Tiyn
    given_at: datetime
    usable_until: datetime
    ended_at: datetime | None
    consumed: Tiyn | None


@dataclass(frozen=True, slots=True)
class FeeRun:
    """What one run of the subscription fees did."""

    charged: int = 0
    refused: int = 0
    idle: int = 0
    """Fees that wait because nothing is taken for suspended time."""

    @property
    def looked_at(self) -> int:
        return self.charged + self.refused + self.idle

    def __add__(self, other: FeeRun) -> FeeRun:
        return FeeRun(self.charged + other.charged, self.refused + other.refused, self.idle + other.idle)
