"""Frozen types of the bonus programme."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn

MemberId = NewType("MemberId", int)

COST = "bonus.cost"
"""The operator's account on the other side of every bonus."""


class LeaveGround(StrEnum):
    """Why an account is in the programme no more."""

    LEFT = "left"
    """Its last number withdrew its consent. Contract: PSC-3.1.9"""
    ENDED = "ended"
    """No number is left in it. Contract: PSC-6.5"""
    JOINED_AGAIN = "joined_again"
    """The consent in force is a later one: he left, and joined anew."""


@dataclass(frozen=True, slots=True)
class Member:
    """A personal account in the programme, from one joining to one leaving."""

    member_id: MemberId
    account: AccountRef
    joined_at: datetime
    tenure_from: date
    birthday: int | None
    """Month times 100 and day; None for companies."""
    left_at: datetime | None
    left_ground: LeaveGround | None
    zeroed_at: datetime | None
    due: Tiyn
    """What its months earned, after the caps."""
    credited: Tiyn
    """What of that was credited, less what was taken back."""
    credits: int

    @property
    def origin(self) -> str:
        """Origin of its buckets: what is drained when it leaves."""
        return f"bonus:{self.member_id}"


@dataclass(frozen=True, slots=True)
class Holder:
    """A number that keeps its account in the programme by its consent."""

    subscriber_id: SubscriberId
    consent_at: datetime
    acceded_on: date
    birthday: int | None


@dataclass(frozen=True, slots=True)
class MonthRule:
    """What one rule earned in a month, in ten-thousandths of a tiyn."""

    rule: str
    earned_e4: int


@dataclass(frozen=True, slots=True)
class MonthEarned:
    """A month as the statement shows it: what it earned by rule, and what is due after the caps once it is credited."""

    month: date
    rules: tuple[MonthRule, ...]
    due: Tiyn | None


@dataclass(frozen=True, slots=True)
class CreditLine:
    """A credit of what was earned, or (negative) what was taken back."""

    at: datetime
    amount: Tiyn
    op_id: str


@dataclass(frozen=True, slots=True)
class GiftLine:
    """A gift that was given."""

    at: datetime
    gift: str
    occasion: str
    amount: Tiyn
    op_id: str


@dataclass(frozen=True, slots=True)
class BonusBucket:
    """Bonuses that can be spent until a moment."""

    left: Tiyn
    until: datetime | None


@dataclass(frozen=True, slots=True)
class BonusStatement:
    """An account's bonuses: what can be spent, what is being earned, what was given. Contract: PSC-3.1.9"""

    member: Member | None
    """None for who is not in the programme now."""
    available: Tiyn
    buckets: tuple[BonusBucket, ...]
    months: tuple[MonthEarned, ...]
    credits: tuple[CreditLine, ...]
    gifts: tuple[GiftLine, ...]


@dataclass(frozen=True, slots=True)
class EarnedOperation:
    """An operation of the ledger that earned bonuses, or (negative) the reversal of one."""

    op_id: str
    at: datetime
    rule: str
    paid: Tiyn
    earned_e4: int
    """In ten-thousandths of a tiyn."""


@dataclass(frozen=True, slots=True)
class EarnRun:
    """What a run over finished days did."""

    days: int = 0
    earnings: int = 0

    def __add__(self, other: EarnRun) -> EarnRun:
        return EarnRun(self.days + other.days, self.earnings + other.earnings)


@dataclass(frozen=True, slots=True)
class CreditRun:
    """What a run over finished months did."""

    members: int = 0
    credited: int = 0
    taken_back: int = 0

    def __add__(self, other: CreditRun) -> CreditRun:
        return CreditRun(
            self.members + other.members, self.credited + other.credited, self.taken_back + other.taken_back
        )
