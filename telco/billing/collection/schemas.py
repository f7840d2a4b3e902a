"""Bodies of the collection's API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from telco.billing.collection.model import (
    Action,
    Channel,
    DayList,
    DayUnit,
    Debt,
    DebtDetails,
    DebtKind,
    DebtState,
    HandoverDay,
    Objection,
    Step,
    StepVersion,
    Terms,
)
from telco.subscribers import model as subscribers_model
from telco.web.fields import ApiModel, Day, MoneyOut, PositiveMoney, text

StepCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$"), Field(examples=["remind_after"])]
TermName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$"), Field(examples=["acknowledgment_wd"])]
ObjectionChannel = Annotated[subscribers_model.Channel, Field(examples=["office"])]


class DebtOut(ApiModel):
    """A debt as it stands."""

    debt_id: int
    kind: DebtKind
    number: str
    """The invoice's number, or the number of a debt found after the end of the contract."""
    account: str
    due_on: date
    """The last day of the term."""
    total: MoneyOut
    penalty: MoneyOut
    """Posted so far."""
    state: DebtState
    noticed_on: date | None
    answer_until: date | None
    """The last day to pay or to object after the notice."""
    acknowledged_at: datetime | None
    suspended_at: datetime | None
    """Since when services are stopped for it; none once it is paid or the contract ended: its steps keep the day."""
    closed_at: datetime | None

    @classmethod
    def of(cls, debt: Debt) -> DebtOut:
        return cls(
            debt_id=debt.debt_id,
            kind=debt.kind,
            number=debt.number,
            account=str(debt.account),
            due_on=debt.due_on,
            total=debt.total,
            penalty=debt.penalty,
            state=debt.state,
            noticed_on=debt.noticed_on,
            answer_until=debt.answer_until,
            acknowledged_at=debt.acknowledged_at,
            suspended_at=debt.suspended_at,
            closed_at=debt.closed_at,
        )


class DebtsOut(ApiModel):
    """The debts of an account, the newest first."""

    debts: list[DebtOut]

    @classmethod
    def of(cls, debts: Iterable[Debt]) -> DebtsOut:
        return cls(debts=[DebtOut.of(debt) for debt in debts])


class StepTakenOut(ApiModel):
    """A step that was taken."""

    step: str
    action: Action
    due_on: date
    taken_at: datetime
    channel: Channel
    outcome: str
    """``done``, or ``lapsed`` when it came too late to be true."""


class StepAheadOut(ApiModel):
    """A step that follows if the debt stays unpaid."""

    step: str
    action: Action
    due_on: date
    """The first day on which it can be taken."""
    channel: Channel
    """By post instead, where it does not reach the debtor."""


class PostingOut(ApiModel):
    """A penalty that was posted to the personal account."""

    through: date
    """The last day that it counts."""
    amount: MoneyOut
    posted_at: datetime
    reversed_at: datetime | None


class ObjectionOut(ApiModel):
    """An objection to a debt."""

    objection_id: int
    debt_id: int
    registered_at: datetime
    channel: str
    author: str
    body: str
    in_time: bool
    """Made before the debt counted as acknowledged."""
    decided_at: datetime | None
    decided_by: str | None
    upheld: bool | None
    decision: str | None

    @classmethod
    def of(cls, objection: Objection) -> ObjectionOut:
        return cls.model_validate(objection)


class ObjectionsOut(ApiModel):
    """Objections that wait, the oldest first."""

    objections: list[ObjectionOut]


class DebtDetailsOut(ApiModel):
    """A debt with all that was done about it."""

    debt: DebtOut
    open: MoneyOut
    steps: list[StepTakenOut]
    ahead: list[StepAheadOut]
    objections: list[ObjectionOut]
    penalties: list[PostingOut]

    @classmethod
    def of(cls, details: DebtDetails) -> DebtDetailsOut:
        return cls(
            debt=DebtOut.of(details.debt),
            open=details.open,
            steps=[StepTakenOut.model_validate(step) for step in details.steps],
            ahead=[StepAheadOut.model_validate(step) for step in details.ahead],
            objections=[ObjectionOut.of(objection) for objection in details.objections],
            penalties=[PostingOut.model_validate(posting) for posting in details.postings],
        )


class ObjectionIn(ApiModel):
    """What the debtor says, and by which channel it came."""

    body: Annotated[str, text(2_000, field="body"), Field(examples=["the calls of 3 March are not mine"])]
    channel: ObjectionChannel


class DecisionIn(ApiModel):
    """Whether the objection is right, and why."""

    upheld: bool
    amount: PositiveMoney | None = None
    """By how much the invoice is lowered; all that is open of it when it is left out."""
    decision: Annotated[str, text(2_000, field="decision"), Field(examples=["the calls were made from this SIM"])]


class ListOut(ApiModel):
    """A list of a day as a CSV file."""

    file_name: str
    rows: int
    content: str
    next_after: int | None
    """The debt from beyond which the day's next file goes on (`after`); null when nothing follows."""

    @classmethod
    def of(cls, made: DayList) -> ListOut:
        return cls.model_validate(made)


class HandoverDayOut(ApiModel):
    day: date
    debts: int
    withdrawn: int
    """Of these, how many collectors have given back since."""


class HandoverDaysOut(ApiModel):
    """The days that have a file for collectors, the newest first."""

    days: list[HandoverDayOut]

    @classmethod
    def of(cls, days: Iterable[HandoverDay]) -> HandoverDaysOut:
        return cls(days=[HandoverDayOut.model_validate(day) for day in days])


class StepIn(ApiModel):
    """A dunning step, in force for debts that are due from a day on."""

    valid_from: Day
    action: Action
    offset_days: Annotated[int, Field(ge=-60, le=1095)]
    """After the due date; negative for before it."""
    unit: DayUnit
    channel: Channel
    enabled: bool = True

    def step(self, code: str) -> Step:
        return Step(code, self.action, self.offset_days, self.unit, self.channel)


class StepOut(ApiModel):
    """A version of a dunning step."""

    code: str
    valid_from: date
    action: Action
    offset_days: int
    unit: DayUnit
    channel: Channel
    enabled: bool
    set_by: str

    @classmethod
    def of(cls, version: StepVersion) -> StepOut:
        step = version.step
        return cls(
            code=step.code,
            valid_from=version.valid_from,
            action=step.action,
            offset_days=step.offset_days,
            unit=step.unit,
            channel=step.channel,
            enabled=version.enabled,
            set_by=version.set_by,
        )


class LadderOut(ApiModel):
    """Every version of every step, and the figures in force today."""

    steps: list[StepOut]
    figures: dict[str, int]

    @classmethod
    def of(cls, versions: Iterable[StepVersion], terms: Terms) -> LadderOut:
        return cls(steps=[StepOut.of(version) for version in versions], figures=terms._asdict())


class TermIn(ApiModel):
    """A figure, in force for debts that are due from a day on."""

    valid_from: Day
    value: Annotated[int, Field(ge=0, le=10**12)]
