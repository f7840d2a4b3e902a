"""A rated answer, and the arithmetic on it: what to charge, what it costs, how much to reserve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from telco.catalog.bonus import WITHOUT_BONUS
from telco.catalog.model import Access, Direction, Portion, Service
from telco.kernel.i18n import Text
from telco.kernel.money import MICRO, Tiyn, div_half_up
from telco.kernel.units import Unit

NOTHING = Tiyn(0)
NO_RATING_GROUP = 0
"""Rating group of traffic that no class claims."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a subscriber does, as the network reports it.

    `other` is the other party: the dialled number outgoing, the new target when forwarded. `visited` is the MCC and
    MNC of the serving network, None at home. `ported_to` is the operator that the number database names for `other`.
    `offer` is the content service's code.
    """

    service: Service
    direction: Direction = Direction.OUT
    other: str = ""
    visited: str | None = None
    ported_to: str | None = None
    rating_group: int = NO_RATING_GROUP
    offer: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What of a subscriber rating depends on."""

    plan_code: str
    plan_version: int
    services: tuple[str, ...] = ()
    """Codes of active services, in the order in which their prices come before the plan's."""
    fee_paid: bool = True
    """Whether the current period's fee has been taken; True for a plan without one."""


class Denial(StrEnum):
    """Why usage cannot be rated, and so is not given."""

    NOT_IN_PLAN = "not_in_plan"
    UNKNOWN_DESTINATION = "unknown_destination"
    NO_ROAMING_AGREEMENT = "no_roaming_agreement"
    UNKNOWN_SERVICE = "unknown_service"

    @property
    def text(self) -> Text:
        """Say it to the subscriber."""
        return _DENIALS[self]


_DENIALS = {
    Denial.NOT_IN_PLAN: Text("This service is not part of your plan."),
    Denial.UNKNOWN_DESTINATION: Text("This number does not exist. Check it and try again."),
    Denial.NO_ROAMING_AGREEMENT: Text("There is no roaming agreement with this network. Choose another network."),
    Denial.UNKNOWN_SERVICE: Text("There is no such service. Ask for the list of services."),
}


class RatedCharge(NamedTuple):
    """The fields of a ledger charge, in its order: `Charge(*rate.charge(quantity))`."""

    unit: Unit
    quantity: int
    allowances: tuple[str, ...]
    rating_unit: int
    price_micro: int
    money: tuple[str, ...] = WITHOUT_BONUS


@dataclass(frozen=True, slots=True)
class Rate:
    """How some usage is charged. Contract: PSC-1.1.8, PSC-2.7

    `free` is said of free numbers only: they are given even when there is no money (PSC-3.2.5). A plan may give other
    usage for nothing too (`price_micro` 0), but then only to those whom the plan serves.
    """

    service: Service
    unit: Unit
    zone: str
    """Destination at home ("on_net", "russia"), or where the subscriber roams ("roaming.cis")."""
    label: str
    """Stable key of what it is, such as ``voice.on_net``; `telco.catalog.labels` says it in words."""
    revenue: str
    """The operator's account that earns it."""
    allowances: tuple[str, ...] = ()
    rating_unit: int = 1
    price_micro: int = 0
    minimum: int = 0
    connection: Tiyn = NOTHING
    money: tuple[str, ...] = WITHOUT_BONUS
    """Money buckets that may pay; bonuses only where the programme's rules say so. Contract: PSC-3.1.9"""
    free: bool = False
    denied: Denial | None = None
    roaming: bool = False
    controlled: bool = True
    """False where a partner reports usage later, so that a debt may arise. Contract: PSC-3.1.2"""
    portions: Mapping[Access, Portion] = field(default_factory=dict, hash=False)

    def billable(self, quantity: int) -> int:
        """Return what `quantity` counts as: at least the minimum, whole rating units."""
        if quantity <= 0:
            return 0
        return rounded_up(max(quantity, self.minimum), self.rating_unit)

    def charge(self, quantity: int, already: int = 0) -> RatedCharge:
        """Return what to charge for `quantity` more of a session that has used `already`.

        A session is rounded as a whole, however many parts it is reported in.
        """
        more = self.billable(already + quantity) - self.billable(already)
        return RatedCharge(self.unit, more, self.allowances, self.rating_unit, self.price_micro, self.money)

    def cost(self, quantity: int) -> Tiyn:
        """Return what an event of `quantity` costs when no allowance pays, its connection charge included."""
        if quantity <= 0:
            return Tiyn(0)
        return Tiyn(self.connection + cost(self.billable(quantity), self.rating_unit, self.price_micro))


def rounded_up(quantity: int, unit: int) -> int:
    """Return the least multiple of `unit` that holds `quantity`."""
    return -(-quantity // unit) * unit


def cost(quantity: int, rating_unit: int, price_micro: int) -> int:
    """Return tiyn for `quantity` at `price_micro` micro-tiyn per rating unit begun, rounded half up once."""
    return div_half_up(-(-quantity // rating_unit) * price_micro, MICRO)


class Available(NamedTuple):
    """What an account can pay with: units left in the allowances that may pay, and money less holds plus credit."""

    units: int
    money: Tiyn


def affordable(rate: Rate, available: Available, already: int = 0) -> int | None:
    """Return how many more units the account can pay for, None for no limit."""
    if rate.price_micro == 0 and (rate.connection == 0 or already > 0):
        return None
    money = available.money - (rate.connection if already == 0 else 0)
    if money < 0:
        return 0
    if rate.price_micro == 0:
        return None
    return available.units + money * MICRO // rate.price_micro * rate.rating_unit


def portion(rate: Rate, access: Access, available: Available | None = None, already: int = 0) -> int:
    """Return how much to reserve next over `access`, in the rate's unit; 0 when nothing can be paid for.

    The size depends on the access technology and the service. As the end comes near, portions shrink to half of what
    is left, not below the least size, so that several sessions can go on and use ends only when nothing is left.

    Contract: PSC-2.12
    """
    if rate.denied is not None:
        return 0
    size = rate.portions[access]
    full = rounded_up(max(size.quantity, rate.minimum - already), rate.rating_unit)
    within = affordable(rate, available, already) if available is not None else None
    if within is None or within >= 2 * full:
        return full
    if within < rate.minimum - already:
        return 0
    least = rounded_up(max(size.least, rate.minimum - already), rate.rating_unit)
    half = within // 2 // rate.rating_unit * rate.rating_unit
    return min(within, max(half, least))
