"""Plans, services and prices as the rest of telco sees them: frozen, in ledger units, with moments in UTC.

Dates of the files are days in Kazakhstan: `effective_from` is the first moment of the first day, and an
`..._until` is the first moment after the last day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from enum import IntEnum, StrEnum

from telco.catalog.measures import Interval, Span
from telco.catalog.numbering import ANYWHERE, INTERNET, Destination, DestinationKind, Names, Service
from telco.kernel.money import Tiyn
from telco.kernel.units import Unit

__all__ = [
    "ANYWHERE",
    "HOME",
    "INTERNET",
    "ROAMING",
    "Access",
    "Allowance",
    "AllowanceType",
    "Audience",
    "Band",
    "CreditTerms",
    "Destination",
    "DestinationKind",
    "Direction",
    "FairUse",
    "FeeAnchor",
    "FeeState",
    "Figure",
    "Interval",
    "Names",
    "OfferKind",
    "Plan",
    "Portion",
    "PriceList",
    "Provider",
    "RateRow",
    "Renewal",
    "Service",
    "ServiceOffer",
    "Settlement",
    "Span",
    "SuspendedTime",
    "UsageMatch",
    "service_unit",
]

HOME = "home"
"""Place of a subscriber who is on the operator's own network."""
ROAMING = "roaming"
"""Place of a subscriber on any partner's network; zones of partners are places too."""


class Direction(StrEnum):
    """Which way a call or message goes, seen from the subscriber."""

    OUT = "out"
    IN = "in"
    FORWARDED = "forwarded"


class Access(IntEnum):
    """Access technology, slowest first."""

    GSM = 2
    UMTS = 3
    LTE = 4
    NR = 5


class Settlement(StrEnum):
    """Whether services are paid before (PSC-4.3.1) or after (PSC-4.3.2) they are used."""

    PREPAID = "prepaid"
    CREDIT = "credit"


class Audience(StrEnum):
    """Whom a plan is for; M2M devices are a kind of their own. Contract: PSC-1.1.31"""

    PERSON = "person"
    COMPANY = "company"
    M2M = "m2m"


class OfferKind(StrEnum):
    """A pack is bought once and used up; a feature is on until switched off; content is a third party's."""

    PACK = "pack"
    FEATURE = "feature"
    CONTENT = "content"


class Renewal(StrEnum):
    """Whether an allowance comes with every fee or only on joining."""

    INTERVAL = "interval"
    ONCE = "once"


class FeeState(StrEnum):
    """A price that holds only while the fee of the current period is paid, or only while it is not."""

    PAID = "paid"
    UNPAID = "unpaid"


class FeeAnchor(StrEnum):
    """Periods begin on the day of joining, or with the calendar month."""

    JOINING = "joining"
    CALENDAR = "calendar"


class SuspendedTime(StrEnum):
    """What the time costs in which everything is suspended through no fault of the subscriber's.

    `CHARGED`: the fee as ever, whatever was used. `FREE`: no fee falls due; what was paid runs out, and the next period
    begins when service is back.

    Contract: PSC-1.1.2
    """

    CHARGED = "charged"
    FREE = "free"


_UNITS = {
    Service.VOICE: Unit.SECONDS,
    Service.SMS: Unit.MESSAGES,
    Service.DATA: Unit.BYTES,
    Service.CONTENT: Unit.MESSAGES,
}


def service_unit(service: Service) -> Unit:
    """Return the unit that a service is counted in: time, count or volume. Contract: PSC-1.1.8"""
    return _UNITS[service]


@dataclass(frozen=True, slots=True)
class UsageMatch:
    """Which usage something is about: a service, its directions, destinations and places."""

    service: Service
    directions: frozenset[Direction]
    to: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllowanceType:
    """A kind of included volume: the ledger's bucket code, and what it may pay for, before any money."""

    code: str
    unit: Unit
    priority: int
    names: Names
    pays: tuple[UsageMatch, ...]


@dataclass(frozen=True, slots=True)
class Allowance:
    """A volume that a plan or service grants, in bytes, seconds or messages."""

    code: str
    unit: Unit
    quantity: int
    priority: int
    renew: Renewal
    carry_over: bool


@dataclass(frozen=True, slots=True)
class RateRow:
    """A price for some usage: tenge per `per` units, counted in steps of `step` units.

    `minimum` is the least quantity that an event is charged for, `connection` a sum taken once an event.
    `allowances` names the allowances that may pay, instead of all that match; a price of zero takes none unless named.
    """

    match: UsageMatch
    price: Decimal
    per: int
    step: int
    minimum: int
    connection: Tiyn
    band: str | None
    fee: FeeState | None
    allowances: tuple[str, ...] | None
    denied: bool


@dataclass(frozen=True, slots=True)
class Band:
    """A time of day (Kazakhstan) with its own prices; `until` before `start` runs over midnight."""

    code: str
    start: time
    until: time
    weekdays: frozenset[int]
    """Days it begins on, Monday is 0."""

    def holds(self, local: datetime) -> bool:
        """Say whether a local moment is within the band."""
        clock, day = local.time(), local.weekday()
        if self.start < self.until:
            return day in self.weekdays and self.start <= clock < self.until
        if clock >= self.start:
            return day in self.weekdays
        return clock < self.until and (day - 1) % 7 in self.weekdays


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices that several plans share, such as international calls; a plan's own rows come first."""

    code: str
    version: int
    effective_from: datetime
    effective_until: datetime | None
    rates: tuple[RateRow, ...]


@dataclass(frozen=True, slots=True)
class FairUse:
    """The soft limit of an unlimited plan: once `allowance` is used up, speed is lowered. Contract: FUP-2"""

    allowance: str
    speed_kbps: int
    """Speed after the threshold: enough for messengers, mail and acceptable video."""
    overload_speed_kbps: int
    """Speed in hours of overload."""


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """The credit limit given on joining and the ceiling up to which it may be set. Contract: PSC-3.2.6"""

    limit: Tiyn
    ceiling: Tiyn


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a tariff plan. Contract: PSC-1.1.22, PSC-2.8, PSC-4.2"""

    code: str
    version: int
    effective_from: datetime
    effective_until: datetime | None
    brand: str
    name: Names
    summary: Names
    """The price in a sentence, as it is sent by SMS."""
    number: str
    """What to dial in the plan menu."""
    keywords: tuple[str, ...]
    settlement: Settlement
    audience: Audience
    fee: Tiyn
    fee_interval: Interval
    fee_anchor: FeeAnchor
    proration: bool
    """Whether a part of a period costs a part of the fee. Contract: PSC-1.1.2"""
    suspended: SuspendedTime
    """What suspended time costs."""
    joining_price: Tiyn
    """Taken once when a subscriber changes to the plan."""
    allowances: tuple[Allowance, ...]
    rates: tuple[RateRow, ...]
    price_lists: tuple[str, ...]
    bands: tuple[Band, ...]
    joinable_from: datetime
    joinable_until: datetime | None
    lasts: Span | None
    """How long a promotional plan lasts after joining."""
    successor: str | None
    """The plan that follows when it has lasted."""
    credit: CreditTerms | None
    fair_use: FairUse | None
    group: str | None
    territory: frozenset[str]
    """Region codes (ISO 3166-2) where it may be joined; empty for everywhere."""

    @property
    def credit_limit_default(self) -> Tiyn:
        return self.credit.limit if self.credit else Tiyn(0)

    @property
    def credit_limit_ceiling(self) -> Tiyn:
        return self.credit.ceiling if self.credit else Tiyn(0)

    @property
    def unlimited_data(self) -> bool:
        return self.fair_use is not None

    @property
    def promotional(self) -> bool:
        return self.lasts is not None or self.joinable_until is not None

    @property
    def origin(self) -> str:
        """Origin of the buckets that the plan grants."""
        return f"plan:{self.code}:{self.version}"


@dataclass(frozen=True, slots=True)
class Provider:
    """A third party that gives a content service and sets its conditions. Contract: PSC-1.1.16, PSC-2.8-1"""

    code: str
    name: str
    phone: str
    share_percent: Decimal
    """The provider's part of the price, VAT excluded."""


@dataclass(frozen=True, slots=True)
class ServiceOffer:
    """One version of an additional service. Contract: PSC-1.1.24, PSC-2.8"""

    code: str
    version: int
    effective_from: datetime
    effective_until: datetime | None
    kind: OfferKind
    category: str
    name: Names
    summary: Names
    number: str
    keywords: tuple[str, ...]
    brands: frozenset[str]
    plans: frozenset[str]
    """Plans it fits; empty for every plan of its brands."""
    price: Tiyn
    fee_interval: Interval | None
    """None when the price is taken once."""
    event_price: Tiyn | None
    """Price of one content event (a vote, an answer); None when there are no events."""
    lasts: Span | None
    allowances: tuple[Allowance, ...]
    rates: tuple[RateRow, ...]
    provider: Provider | None

    @property
    def origin(self) -> str:
        """Origin of the buckets that the service grants."""
        return f"service:{self.code}:{self.version}"

    def fits(self, plan: Plan) -> bool:
        """Say whether a subscriber of `plan` may switch it on."""
        return plan.brand in self.brands and (not self.plans or plan.code in self.plans)


@dataclass(frozen=True, slots=True)
class Portion:
    """How much is reserved at a time over one access technology. Contract: PSC-2.12"""

    quantity: int
    least: int
    """Portions do not shrink below this while more is available."""
    validity_s: int


Portions = Mapping[Service, Mapping[Access, Portion]]


@dataclass(frozen=True, slots=True)
class PortionRules:
    """Portion sizes in force over a period."""

    version: int
    effective_from: datetime
    portions: Portions


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that a regulator sets, from a date: the VAT rate (0.16) or the MCI (in tenge)."""

    code: str
    effective_from: datetime
    value: Decimal
