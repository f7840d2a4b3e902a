"""The bonus programme and the sale of devices by instalments, as the operator's data says they are.

Contract: PSC-3.1.9, PSC-3.2.12, PSC-6.5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from telco.catalog.measures import Span
from telco.catalog.numbering import Names
from telco.kernel.money import Tiyn
from telco.ledger.model import DEFAULT_MONEY

BONUS = "bonus"
"""Code of the buckets that hold bonuses, apart from the main balance."""
WITHOUT_BONUS = tuple(code for code in DEFAULT_MONEY if code != BONUS)
"""Money buckets that may pay what bonuses may not: roaming, third parties, numbers, devices."""
BASIS_POINTS = 10_000
"""Parts of the whole in which percents are counted: 3.5 % is 350, exactly."""


class Earning(StrEnum):
    """What bonuses may be earned by: charged usage, fees, money that comes in."""

    VOICE = "voice"
    SMS = "sms"
    DATA = "data"
    ROAMING = "roaming"
    CONTENT = "content"
    PLAN = "plan"
    SERVICE = "service"
    TOP_UP = "top_up"


class Payable(StrEnum):
    """What bonuses may pay. Roaming and third parties are not among them: the operator itself owes these in money."""

    VOICE = "voice"
    SMS = "sms"
    DATA = "data"
    PLAN = "plan"
    SERVICE = "service"


OPERATOR_ACCOUNTS: Mapping[Earning, str] = MappingProxyType(
    {earning: f"revenue.{earning}" for earning in Earning if earning is not Earning.TOP_UP} | {Earning.TOP_UP: "cash.%"}
)
"""The operator's accounts in the ledger by which each is known, as patterns of SQL's `like`."""


class GiftKind(StrEnum):
    """When a gift is due: on the birthday, after so many months with the operator, on a day."""

    BIRTHDAY = "birthday"
    TENURE = "tenure"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Tier:
    """What is earned after so many months with the operator, in basis points of what was charged."""

    months: int
    basis_points: int


@dataclass(frozen=True, slots=True)
class EarnRule:
    """So many percent of what is charged for some services, by time with the operator, with a cap per month."""

    code: str
    on: frozenset[Earning]
    tiers: tuple[Tier, ...]
    """By months, the shortest first; before the first nothing is earned."""
    month_cap: Tiyn | None


@dataclass(frozen=True, slots=True)
class Gift:
    """A sum that is given once an occasion: each birthday, each reached term, the one day."""

    code: str
    kind: GiftKind
    amount: Tiyn
    lasts: Span
    months: int
    """With the operator, at least; for `TENURE` exactly that term."""
    on: date | None


@dataclass(frozen=True, slots=True)
class BonusProgramme:
    """The bonus programme's rules in force over a period. Contract: PSC-3.1.9"""

    version: int
    effective_from: datetime
    effective_until: datetime | None
    name: Names
    pays: frozenset[Payable]
    priority: int
    """Among the money buckets; the main balance pays after it."""
    lasts: Span
    """How long what was earned can be spent, from the day on which it is credited."""
    month_cap: Tiyn | None
    """The most that one account earns in a calendar month."""
    least: Tiyn
    """Less than this is not credited yet and waits for more."""
    earn: tuple[EarnRule, ...]
    gifts: tuple[Gift, ...]


def paying_money(programme: BonusProgramme | None, what: str) -> tuple[str, ...]:
    """Return the money buckets that may pay for something; without a programme in force bonuses pay nothing.

    Contract: PSC-3.1.9
    """
    return DEFAULT_MONEY if programme is not None and what in programme.pays else WITHOUT_BONUS


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """The terms on which devices are sold by instalments. Contract: PSC-3.2.12"""

    code: str
    version: int
    effective_from: datetime
    effective_until: datetime | None
    name: Names
    months: frozenset[int]
    """Numbers of parts that may be chosen, one a month."""
    down_basis_points: int
    """The least down payment, of the price."""
    least_price: Tiyn
    most_price: Tiyn
    return_days: int
    """Calendar days after the sale in which the device may be brought back."""
    consent_version: str
    """Of the consent to exchange credit history that buying on this plan gives."""
