"""The form of catalogue files: what may be written, and what each mistake is answered with.

Money is a string in tenge ("12.50"), never a float. Volumes, rating units and terms carry their unit. Unknown keys are
refused. Days are days in Kazakhstan, the last one included.
"""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict
from pydantic_core import PydanticCustomError

from telco.catalog.bonus import Earning, GiftKind, Payable
from telco.catalog.measures import (
    Interval,
    MeasureFormatError,
    Span,
    parse_quantity,
    parse_span,
)
from telco.catalog.model import (
    ANYWHERE,
    HOME,
    Audience,
    Direction,
    FeeAnchor,
    FeeState,
    OfferKind,
    Renewal,
    Service,
    Settlement,
    SuspendedTime,
)
from telco.catalog.numbering import DestinationKind
from telco.kernel.units import Unit

MOST_TENGE = 100_000_000
"""No single sum is larger."""
MOST_TENGE_PER_STEP = 1_000_000
"""No rating unit costs more: 90,000 units of an event then fit in 64 bits in micro-tiyn."""
_DECIMAL = re.compile(r"[0-9]{1,13}(\.[0-9]{1,6})?")
_TENGE = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")


def _decimal_text(value: Any, pattern: re.Pattern[str], wanted: str) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        raise PydanticCustomError("float_money", 'is a float; write it as a string: "{text}"', {"text": f"{value}"})
    if not isinstance(value, str):
        raise PydanticCustomError("money_type", "is not a string; write " + wanted)
    if value.startswith("-"):
        raise PydanticCustomError("below_zero", "is below zero; prices are zero or more")
    if not pattern.fullmatch(value):
        raise PydanticCustomError("money_format", 'is not an amount: "{text}"; write ' + wanted, {"text": value[:30]})
    return Decimal(value)


def _price(value: Any) -> Decimal:
    return _bounded(_decimal_text(value, _DECIMAL, 'tenge with at most six decimals, such as "0.0015"'))


def _sum(value: Any) -> Decimal:
    return _bounded(_decimal_text(value, _TENGE, 'tenge with at most two decimals, such as "2990.00"'))


def _bounded(amount: Decimal) -> Decimal:
    if amount > MOST_TENGE:
        raise PydanticCustomError("too_much", f"is more than {MOST_TENGE} tenge; a price that large is a slip")
    return amount


def _figure(value: Any) -> Decimal:
    return _decimal_text(value, _DECIMAL, 'a decimal number, such as "0.16"')


def _percent(value: Any) -> Decimal:
    percent = _decimal_text(value, _TENGE, 'a percentage with at most two decimals, such as "3.5"')
    if percent > 100:
        raise PydanticCustomError("percent", "is more than 100; a percentage is 0 to 100")
    return percent


def _quantity(value: Any) -> Any:
    return value if isinstance(value, tuple) else _measured(value, parse_quantity, '"20 GB"')


def _span(value: Any) -> Any:
    return value if isinstance(value, Span) else _measured(value, parse_span, '"30 days"')


def _measured(value: Any, parse: Any, example: str) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("measure_type", "is not a string; write it like " + example)
    try:
        return parse(value)
    except MeasureFormatError as error:
        raise PydanticCustomError("measure", "{why}", {"why": str(error)}) from None


def _quantity_text(quantity: tuple[Unit, int]) -> str:
    unit, amount = quantity
    return f"{amount} {({Unit.BYTES: 'B', Unit.SECONDS: 's', Unit.MESSAGES: 'SMS'})[unit]}"


def _decimal_out(value: Decimal) -> str:
    """Write a decimal so that equal prices are written alike: 20.50 and 20.5 are one price."""
    return f"{value.normalize():f}"


_out = PlainSerializer(_decimal_out, return_type=str)
Price = Annotated[Decimal, BeforeValidator(_price), _out]
"""Tenge per unit."""
Sum = Annotated[Decimal, BeforeValidator(_sum), _out]
"""Tenge with at most two decimals."""
Value = Annotated[Decimal, BeforeValidator(_figure), _out]
Percent = Annotated[Decimal, BeforeValidator(_percent), _out]
"""0 to 100, with at most two decimals."""
Quantity = Annotated[tuple[Unit, int], BeforeValidator(_quantity), PlainSerializer(_quantity_text, return_type=str)]
Term = Annotated[Span, BeforeValidator(_span), PlainSerializer(str, return_type=str)]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]


def _day(value: Any) -> Any:
    if isinstance(value, date) and type(value) is not date:
        raise PydanticCustomError("day", "is a moment; write a day in Kazakhstan, such as 2026-01-01, without quotes")
    if isinstance(value, (int, float)):
        raise PydanticCustomError("day", "is not a day; write it like 2026-01-01, without quotes")
    return value


Day = Annotated[date, BeforeValidator(_day)]


def _one_line(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise PydanticCustomError(
            "one_line", "has control characters or spaces around it; write plain text on one line"
        )
    return text


Line = Annotated[str, Field(min_length=1, max_length=160), AfterValidator(_one_line)]
Code = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")]
Token = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z0-9_.:-]+$")]
MenuNumber = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$")]
Keyword = Annotated[str, Field(min_length=2, max_length=20, pattern=r"^\w+$")]
Digits = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[0-9]+$")]


class Document(BaseModel):
    """Base of every table: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)


class NamesDoc(Document):
    kk: Line
    ru: Line
    en: Line


class Versioned(Document):
    """What every dated table begins with."""

    code: Code
    version: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1
    effective_from: Day = Field(alias="from")
    effective_until: Day | None = Field(default=None, alias="until")


class MatchDoc(Document):
    service: Service
    directions: tuple[Direction, ...] = (Direction.OUT, Direction.FORWARDED)
    to: tuple[Token, ...] = (ANYWHERE,)
    places: tuple[Token, ...] = (HOME,)


class RateDoc(MatchDoc):
    """A price row. `deny` instead of a price says that the usage is not given."""

    price: Price | None = None
    per: Quantity | None = None
    step: Quantity | None = None
    minimum: Quantity | None = None
    connection: Sum = Decimal(0)
    band: Code | None = None
    fee: FeeState | None = None
    allowances: tuple[Code, ...] | None = None
    deny: Flag = False


class AllowanceTypeDoc(Document):
    """A kind of included volume. Its meaning never changes: another meaning is another code."""

    code: Code
    version: Literal[1] = 1
    unit: Literal["bytes", "seconds", "messages"]
    priority: Annotated[Whole, Field(ge=0, le=1000)]
    name: NamesDoc
    pays: tuple[MatchDoc, ...] = Field(min_length=1)


class GrantDoc(Document):
    code: Code
    quantity: Quantity
    renew: Renewal = Renewal.INTERVAL
    carry_over: Flag = False


class BandDoc(Document):
    code: Code
    start: time = Field(alias="from")
    until: time
    weekdays: tuple[Annotated[Whole, Field(ge=1, le=7)], ...] = (1, 2, 3, 4, 5, 6, 7)


class CreditDoc(Document):
    limit: Sum
    ceiling: Sum


class FairUseDoc(Document):
    allowance: Code
    speed_kbps: Annotated[Whole, Field(ge=1)]
    overload_speed_kbps: Annotated[Whole, Field(ge=1)]


class JoiningDoc(Document):
    """The window in which a promotional plan may be joined, both days included. Contract: PSC-1.1.22"""

    first: Day = Field(alias="from")
    last: Day | None = Field(default=None, alias="until")


class PlanDoc(Versioned):
    brand: Code
    name: NamesDoc
    summary: NamesDoc
    number: MenuNumber
    keywords: tuple[Keyword, ...] = Field(min_length=1)
    settlement: Settlement
    audience: Audience = Audience.PERSON
    fee: Sum
    interval: Interval = Interval.MONTH
    fee_anchor: FeeAnchor = FeeAnchor.JOINING
    proration: Flag = False
    suspended: SuspendedTime = SuspendedTime.CHARGED
    joining_price: Sum = Decimal(0)
    allowances: tuple[GrantDoc, ...] = ()
    rates: tuple[RateDoc, ...] = Field(min_length=1)
    price_lists: tuple[Code, ...] = ()
    bands: tuple[BandDoc, ...] = ()
    joining: JoiningDoc | None = None
    lasts: Term | None = None
    then: Code | None = None
    credit: CreditDoc | None = None
    fair_use: FairUseDoc | None = None
    group: Code | None = None
    territory: tuple[Annotated[str, Field(pattern=r"^KZ-[0-9]{2}$")], ...] = ()


class ProviderDoc(Document):
    code: Code
    name: Line
    phone: Digits
    share_percent: Value


class ServiceDoc(Versioned):
    kind: OfferKind
    category: Code
    name: NamesDoc
    summary: NamesDoc
    number: MenuNumber
    keywords: tuple[Keyword, ...] = Field(min_length=1)
    brands: tuple[Code, ...] = Field(min_length=1)
    plans: tuple[Code, ...] = ()
    price: Sum
    interval: Interval | None = None
    event_price: Sum | None = None
    lasts: Term | None = None
    allowances: tuple[GrantDoc, ...] = ()
    rates: tuple[RateDoc, ...] = ()
    provider: ProviderDoc | None = None


class PriceListDoc(Versioned):
    rates: tuple[RateDoc, ...] = Field(min_length=1)


class BrandDoc(Document):
    code: Code
    prefixes: tuple[Annotated[str, Field(pattern=r"^7[0-9]{2}$")], ...] = Field(min_length=1)


class OperatorDoc(Document):
    code: Code
    name: Line
    home: Flag = False
    brands: tuple[BrandDoc, ...] = Field(min_length=1)


class FreeDoc(Document):
    kind: DestinationKind
    numbers: tuple[Digits, ...] = ()
    prefixes: tuple[Digits, ...] = ()
    services: tuple[Service, ...] = (Service.VOICE,)
    roaming: Flag = False


class ZoneDoc(Document):
    code: Code
    name: NamesDoc
    prefixes: tuple[Digits, ...] = Field(min_length=1)


class TrafficDoc(Document):
    code: Code
    rating_group: Annotated[Whole, Field(ge=1, le=2**32 - 1)]


class NumberingDoc(Versioned):
    code: Literal["numbering"] = "numbering"
    operators: tuple[OperatorDoc, ...] = Field(min_length=1)
    fixed: tuple[Digits, ...] = ()
    free: tuple[FreeDoc, ...] = ()
    zones: tuple[ZoneDoc, ...] = ()
    traffic: tuple[TrafficDoc, ...] = ()


class RoamingZoneDoc(Document):
    code: Code
    name: NamesDoc


class CountryDoc(Document):
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    zone: Code
    networks: tuple[Annotated[str, Field(pattern=r"^[0-9]{3}([0-9]{2,3})?$")], ...] = Field(min_length=1)
    calling_prefixes: tuple[Digits, ...] = Field(min_length=1)
    controlled: Flag = False


class RoamingDoc(Versioned):
    code: Literal["roaming"] = "roaming"
    home_networks: tuple[Annotated[str, Field(pattern=r"^[0-9]{5,6}$")], ...] = Field(min_length=1)
    threshold: Sum
    zones: tuple[RoamingZoneDoc, ...] = ()
    countries: tuple[CountryDoc, ...] = ()


class PortionDoc(Document):
    service: Service
    access: tuple[Literal["gsm", "umts", "lte", "nr"], ...] = Field(min_length=1)
    quantity: Quantity
    least: Quantity
    validity_s: Annotated[Whole, Field(ge=1, le=86_400)]


class PortionsDoc(Versioned):
    code: Literal["portions"] = "portions"
    sizes: tuple[PortionDoc, ...] = Field(min_length=1)


class FigureDoc(Document):
    """A regulator's figure from a date; a published figure is never changed, only followed by another."""

    code: Literal["vat", "mci"]
    effective_from: Day = Field(alias="from")
    value: Value

    @property
    def version(self) -> int:
        """The figure's date as a number, which tells its versions apart."""
        return int(self.effective_from.strftime("%Y%m%d"))


Months = Annotated[Whole, Field(ge=0, le=600)]


class TierDoc(Document):
    months: Months = 0
    percent: Percent


class EarnDoc(Document):
    """Bonuses for what is charged: a percent for everybody, or tiers by months with the operator."""

    code: Code
    on: tuple[Earning, ...] = Field(min_length=1)
    percent: Percent | None = None
    tiers: tuple[TierDoc, ...] = ()
    month_cap: Sum | None = None


class GiftDoc(Document):
    code: Code
    kind: GiftKind
    amount: Sum
    lasts: Term
    months: Months = 0
    on: Day | None = None


class BonusDoc(Versioned):
    """The bonus programme. Contract: PSC-3.1.9"""

    code: Literal["bonus"] = "bonus"
    name: NamesDoc
    pays: tuple[Payable, ...] = Field(min_length=1)
    priority: Annotated[Whole, Field(ge=1, le=99)] = 50
    lasts: Term
    month_cap: Sum | None = None
    least: Sum = Decimal("0.01")
    earn: tuple[EarnDoc, ...] = ()
    gifts: tuple[GiftDoc, ...] = ()


class DevicePlanDoc(Versioned):
    """The terms of selling devices by instalments. Contract: PSC-3.2.12"""

    name: NamesDoc
    months: tuple[Annotated[Whole, Field(ge=1, le=60)], ...] = Field(min_length=1)
    down_percent: Percent
    least_price: Sum
    most_price: Sum
    return_days: Annotated[Whole, Field(ge=0, le=365)] = 14
    consent_version: Line


AnyDocument = (
    AllowanceTypeDoc
    | BonusDoc
    | DevicePlanDoc
    | FigureDoc
    | NumberingDoc
    | PlanDoc
    | PortionsDoc
    | PriceListDoc
    | RoamingDoc
    | ServiceDoc
)
KINDS: dict[str, type[AnyDocument]] = {
    "allowance": AllowanceTypeDoc,
    "bonus": BonusDoc,
    "device_plan": DevicePlanDoc,
    "figure": FigureDoc,
    "numbering": NumberingDoc,
    "plan": PlanDoc,
    "portions": PortionsDoc,
    "price_list": PriceListDoc,
    "roaming": RoamingDoc,
    "service": ServiceDoc,
}
"""Top-level tables of a catalogue file."""
