"""The simulation's words: who lives in it, what they do, how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Final

from telco.catalog.model import Settlement
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.subscribers.model import PartyKind, PlanState

START: Final = date(2026, 1, 1)
"""The first simulated day; the operator's news are dated after it."""
OPERATOR: Final = -1
"""Index of the actor that is the operator itself: its bank, its staff."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a run is about: the same scenario gives the same year, to the tiyn."""

    subscribers: int
    seed: int


class Slot(StrEnum):
    """The parts of a day, in their order. The clock stands still in each."""

    NIGHT = "night"
    """Nobody acts: what is due at midnight is done."""
    DAY = "day"
    """People and companies pay, change things, come and go."""
    EVENING = "evening"
    """They use."""


HOURS: Final[Mapping[Slot, tuple[time, ...]]] = {
    Slot.NIGHT: (time(0, 5),),
    Slot.DAY: (time(11, 0),),
    Slot.EVENING: (time(13, 30), time(19, 0), time(20, 30), time(23, 20)),
}
"""When a slot may be, in Kazakhstan; which one it is on a day comes from the seed."""


class Stage(StrEnum):
    """How far a slot is. Each stage may be done again after a stop, with the same end."""

    DECIDE = "decide"
    """Nobody has acted in it."""
    ACT = "act"
    """What everybody does is written down, and is being done."""
    SETTLE = "settle"
    """Everybody has acted; the outbox and the jobs that are due follow."""


class Way(StrEnum):
    """By what somebody pays."""

    TERMINAL = "terminal"
    CARD = "card"
    CASH_DESK = "cash_desk"
    BANK = "bank"


class Kind(StrEnum):
    """What an act is."""

    JOIN = "join"
    PAY = "pay"
    TRUST = "trust"
    CHANGE_PLAN = "change_plan"
    SERVICE_ON = "service_on"
    SERVICE_OFF = "service_off"
    LOSE_PHONE = "lose_phone"
    FIND_PHONE = "find_phone"
    LEAVE = "leave"
    ASK_REFUND = "ask_refund"
    ASK_LIMIT = "ask_limit"
    BUY_DEVICE = "buy_device"
    REPAY_DEVICE = "repay_device"
    USE = "use"
    BANK_FILE = "bank_file"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or company with its habits, made from the seed."""

    index: int
    kind: PartyKind
    iin_bin: str
    name: str
    language: Language
    numbers: int
    """How many numbers it has."""
    plan: str
    device: bool
    """The number is a machine's."""
    joins_on: int
    """Day of the run on which it accedes."""
    way: Way
    diligence: float
    """Chance a day that it pays once it should."""
    amount: Tiyn
    """What it usually pays in advance."""
    activity: float
    """Chance a day that a number is used."""
    traveller: bool
    buys_on: int | None
    """Day of the run on which it buys a device by instalments, if its number is in credit settlement then."""
    repays_on: int | None
    """Day on which it repays the rest of it."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One number that an actor has or had, as the database tells it at the beginning of a slot."""

    subscriber_id: SubscriberId
    msisdn: Msisdn
    live: bool
    settlement: Settlement
    brand: str
    plan: str
    version: int
    plan_state: PlanState
    next_fee_at: datetime | None
    account: AccountRef
    main: Tiyn
    """Main balance of its account, less holds."""
    services: tuple[str, ...]
    """Codes of the services that are on until they are switched off."""
    lost: bool
    """Suspended because its phone is lost."""


@dataclass(frozen=True, slots=True)
class Act:
    """What one actor does in one slot. It is written down before it is done, so that it is done once."""

    actor: int
    kind: Kind
    terms: Mapping[str, Any] = field(default_factory=dict)
    """JSON: numbers, sums in tiyn, codes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: the next thing to do is `stage` of `slot` of day number `day`, counted from 0."""

    day: int
    slot: Slot
    stage: Stage
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the oracle found wrong."""

    day: date
    check: str
    detail: str

    def __str__(self) -> str:
        return f"{self.day} {self.check}: {self.detail}"
