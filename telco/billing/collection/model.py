"""Frozen types and states of collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, NewType

from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn

DebtId = NewType("DebtId", int)
CaseId = NewType("CaseId", int)
ObjectionId = NewType("ObjectionId", int)


class Action(StrEnum):
    """What a dunning step does."""

    REMIND = "remind"
    """Tells of the sum and the day (PSC-3.1.4)."""
    NOTICE = "notice"
    """Gives notice of overdue debt: from here the term of acknowledgment runs (PSC-3.1.4-1)."""
    SUSPEND = "suspend"
    """Suspends services on ground PSC-3.1.5.1 with the invoice as reference."""
    HAND_OVER = "hand_over"
    """Puts the debt into the day's file for collectors (PSC-3.1.4)."""


class Channel(StrEnum):
    """By which way a debtor is told."""

    SMS = "sms"
    EMAIL = "email"
    LETTER = "letter"
    NONE = "none"
    """Nobody is told by the step itself."""


class DayUnit(StrEnum):
    CALENDAR = "cd"
    WORKING = "wd"


@dataclass(frozen=True, slots=True)
class Step:
    """A dunning step as data: what, when relative to the due date, by which channel."""

    code: str
    action: Action
    offset_days: int
    unit: DayUnit
    channel: Channel


@dataclass(frozen=True, slots=True)
class StepVersion:
    """A step as it holds for debts that are due from a day on."""

    step: Step
    valid_from: date
    enabled: bool
    set_by: str


class Terms(NamedTuple):
    """The contract's figures in force on a debt's due date."""

    penalty_ppm_per_day: int
    penalty_cap_ppm: int
    acknowledgment_wd: int
    found_debt_wd: int
    end_after_months: int
    found_debt_watch_days: int
    sms_from_minute: int
    """Of the day in Kazakhstan: from here on debtors are told by SMS ..."""
    sms_until_minute: int
    """... to before here; at other hours it waits for the morning."""
    least_debt_tiyn: int


class DebtKind(StrEnum):
    INVOICE = "invoice"
    FOUND = "found"
    """Found after the end of the contract: roaming, paid enquiries (PSC-6.3.5, PSC-7.6)."""


class DebtState(StrEnum):
    OPEN = "open"
    PAID = "paid"
    WITHDRAWN = "withdrawn"
    """An objection was upheld: nothing more is asked for."""


@dataclass(frozen=True, slots=True)
class Debt:
    """An invoice that is due, or will be soon, or a debt found later."""

    debt_id: DebtId
    case_id: CaseId | None
    account: AccountRef
    kind: DebtKind
    invoice_id: int | None
    number: str
    """The invoice's number; what suspensions name as their reference."""
    subscriber_id: SubscriberId
    due_on: date
    """The last day of the term."""
    total: Tiyn
    penalty_part: Tiyn
    """What of it is penalty for earlier debts, which bears no penalty itself."""
    opened_at: datetime
    round: int
    """One more each time that it is unpaid again after it was paid: its steps begin anew."""
    state: DebtState
    closed_at: datetime | None
    next_at: datetime | None
    noticed_on: date | None
    answer_until: date | None
    """The last day to pay or to object after the notice."""
    acknowledged_at: datetime | None
    suspended_at: datetime | None
    """Since when services are stopped for it; none once it is paid or the contract ended: its steps keep the day."""
    post_on: date | None
    penalty: Tiyn
    """Posted so far."""
    notice_again: bool = False
    """An objection was refused, and the notice that follows waits for the morning."""


@dataclass(frozen=True, slots=True)
class StepTaken:
    step: str
    action: Action
    due_on: date
    taken_at: datetime
    channel: Channel
    outcome: str


@dataclass(frozen=True, slots=True)
class StepAhead:
    """A step that an unpaid debt has before it; `due_on` is the first day on which it can be taken."""

    step: str
    action: Action
    due_on: date
    channel: Channel


@dataclass(frozen=True, slots=True)
class Objection:
    """What a debtor says against a debt."""

    objection_id: ObjectionId
    debt_id: DebtId
    registered_at: datetime
    channel: str
    author: str
    body: str
    in_time: bool
    """Made before the term after the notice was over: the debt is not acknowledged."""
    decided_at: datetime | None
    decided_by: str | None
    upheld: bool | None
    decision: str | None


@dataclass(frozen=True, slots=True)
class Posting:
    """A penalty posted to the ledger, counted through a day."""

    through: date
    amount: Tiyn
    posted_at: datetime
    reversed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DebtDetails:
    """A debt with all that was done about it."""

    debt: Debt
    open: Tiyn
    steps: tuple[StepTaken, ...]
    ahead: tuple[StepAhead, ...]
    """What comes next if it stays unpaid."""
    objections: tuple[Objection, ...]
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a day's list for collectors or for the post."""

    debt_id: DebtId
    case_id: CaseId | None
    day: date
    data: Mapping[str, str]
    withdrawn_on: date | None = None


@dataclass(frozen=True, slots=True)
class DayList:
    """A list of a day as a file."""

    file_name: str
    rows: int
    content: str
    next_after: DebtId | None
    """The debt from beyond which the day's next file goes on; None when nothing follows."""


class HandoverDay(NamedTuple):
    day: date
    debts: int
    withdrawn: int


@dataclass(slots=True)
class Run:
    """What a run did, by kind."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, count: int = 1) -> None:
        if count:
            self.counts[what] = self.counts.get(what, 0) + count

    def merge(self, other: Run) -> None:
        for what, count in other.counts.items():
            self.add(what, count)
