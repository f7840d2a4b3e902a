"""What usage costs: `rate(usage, profile, catalogue, at)`.

Pure: the answer depends on the arguments alone. Tables derived from the catalogue are kept with it, so that a rating is
a prefix lookup and a dictionary lookup. Money is rounded once per rated event, half up, to tiyn (`rates.cost`, and the
ledger in the same way).

Order of precedence: free numbers; the prices of active services; the plan's own; its price lists. Within one of these
the most specific destination wins (brand, operator, zone, kind, any), then a price for the state of the fee, then one
for the time of day, then the more specific place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple, cast

from telco.catalog.bonus import WITHOUT_BONUS, paying_money
from telco.catalog.catalogue import Catalogue
from telco.catalog.model import (
    ANYWHERE,
    HOME,
    INTERNET,
    ROAMING,
    Access,
    Destination,
    DestinationKind,
    Direction,
    FeeState,
    OfferKind,
    Plan,
    Portion,
    RateRow,
    Service,
    UsageMatch,
    service_unit,
)
from telco.catalog.numbering import RoamingCountry
from telco.catalog.rates import (
    Available,
    Denial,
    Profile,
    Rate,
    RatedCharge,
    Usage,
    affordable,
    cost,
    portion,
)
from telco.kernel.calendar import ZONE
from telco.kernel.money import MICRO, TIYN_PER_TENGE, round_half_up

__all__ = [
    "Available",
    "Denial",
    "Profile",
    "Rate",
    "RateTable",
    "RatedCharge",
    "Usage",
    "affordable",
    "cost",
    "portion",
    "price_micro",
    "rate",
]

VISITED_COUNTRY = "visited_country"
HOME_COUNTRY = "home_country"
THIRD_COUNTRY = "third_country"
RELATIONS = (VISITED_COUNTRY, HOME_COUNTRY, THIRD_COUNTRY)
"""What a destination is to a roaming subscriber; prices in roaming name these."""

_FOREVER = datetime.max.replace(tzinfo=UTC)
_NO_PORTIONS: Mapping[Access, Portion] = {}


def rate(usage: Usage, profile: Profile, catalogue: Catalogue, at: datetime) -> Rate:
    """Return how `usage` at `at` is charged to a subscriber with `profile`.

    What cannot be rated comes back with `denied` set; nothing else is raised but `UnknownPlanError` for a plan version
    that was never published.

    Contract: PSC-1.1.8, PSC-2.7, PSC-3.1.2, PSC-3.2.5
    """
    key = (profile.plan_code, profile.plan_version, profile.services)
    table = cast("RateTable | None", catalogue.derived.get(key))
    if table is None or not table.start <= at < table.end:
        table = _table(catalogue, profile, key, at)
    return table.rate(usage, profile.fee_paid, at)


def _table(catalogue: Catalogue, profile: Profile, key: object, at: datetime) -> RateTable:
    """Find the table of the period around `at`, and keep it at hand for what comes next."""
    periods = cast("list[RateTable]", catalogue.derived.setdefault((key, "periods"), []))
    table = next((known for known in periods if known.start <= at < known.end), None)
    if table is None:
        table = RateTable(catalogue, profile, at)
        periods.append(table)
    catalogue.derived[key] = table
    return table


def price_micro(row: RateRow) -> int:
    """Return a row's price in micro-tiyn per step; rounded half up here, once, when the table is made."""
    exact = row.price * TIYN_PER_TENGE * MICRO * row.step / Decimal(row.per)
    return round_half_up(exact)


class _Place(NamedTuple):
    key: str
    names: tuple[str, ...]
    """By which a row may mean it, the most specific first."""
    country: RoamingCountry | None


_AT_HOME = _Place(HOME, (HOME,), None)


class _Case(NamedTuple):
    """A kind of usage, all of which has one rate."""

    service: Service
    direction: Direction
    tokens: tuple[str, ...]
    place: _Place
    fee: FeeState
    band: str | None

    @property
    def zone(self) -> str:
        if self.place.country is not None:
            return f"{ROAMING}.{self.place.country.zone}"
        return next(token for token in self.tokens if ":" not in token)

    @property
    def label(self) -> str:
        if self.place.country is not None:
            return f"{self.service}.{ROAMING}"
        if self.direction is Direction.IN:
            return f"{self.service}.incoming"
        return f"{self.service}.{self.zone}"


class RateTable:
    """The prices of one plan version with some services, over a period in which none of them changes."""

    def __init__(self, catalogue: Catalogue, profile: Profile, at: datetime) -> None:
        self._catalogue = catalogue
        self._plan = catalogue.plan_version(profile.plan_code, profile.plan_version)
        self._numbering = catalogue.numbering_at(at)
        self._roaming = catalogue.roaming_at(at)
        self._portions = catalogue.portions_at(at).portions
        self._bonus = catalogue.bonus_at(at)
        self.start, self.end = _unchanging_period(catalogue, self._plan, profile.services, at)
        sources = list(_sources(catalogue, self._plan, profile.services, at))
        self._rows = {
            (service, direction): [
                [row for row in rows if row.match.service is service and direction in row.match.directions]
                for rows in sources
            ]
            for service in Service
            for direction in Direction
        }
        self._allowances = sorted(catalogue.allowance_types.values(), key=lambda kind: (kind.priority, kind.code))
        self._places = {
            country.country: _Place(country.country, (country.zone, ROAMING), country)
            for country in self._roaming.countries
        }
        self._content = {
            offer.code: offer for offer in catalogue.services(at, self._plan, OfferKind.CONTENT, offered=False)
        }
        self._rates: dict[object, Rate] = {}

    def rate(self, usage: Usage, fee_paid: bool, at: datetime) -> Rate:
        """Rate usage of the table's period."""
        place = self._place(usage.visited)
        if usage.service is Service.CONTENT:
            return self._content_rate(usage.offer)
        if usage.service is Service.DATA:
            target: Destination | str = self._numbering.traffic.get(usage.rating_group, INTERNET)
        elif usage.direction is Direction.IN:
            target = ANYWHERE
        else:
            destination = self._numbering.destination(usage.other, usage.ported_to)
            if destination is None:
                return self._denied(usage.service, "unknown", Denial.UNKNOWN_DESTINATION)
            if destination.free_for and _is_free(destination, usage.service, place):
                return self._free(usage.service, destination)
            target = destination
        if place is None:
            return self._denied(usage.service, ROAMING, Denial.NO_ROAMING_AGREEMENT)
        relation = _relation(target, usage, place) if place.country is not None else ""
        band = self._band(at) if self._plan.bands else None
        key = (usage.service, usage.direction, target, place.key, relation, fee_paid, band)
        known = self._rates.get(key)
        if known is None:
            fee = FeeState.PAID if fee_paid else FeeState.UNPAID
            case = _Case(usage.service, usage.direction, _tokens(target, relation), place, fee, band)
            known = self._rates[key] = self._find(case)
        return known

    def _place(self, visited: str | None) -> _Place | None:
        if visited is None or visited in self._roaming.home_networks:
            return _AT_HOME
        country = self._roaming.country(visited)
        return self._places[country.country] if country is not None else None

    def _band(self, at: datetime) -> str | None:
        local = at.astimezone(ZONE)
        return next((band.code for band in self._plan.bands if band.holds(local)), None)

    def _find(self, case: _Case) -> Rate:
        for rows in self._rows[case.service, case.direction]:
            ranked = [(rank, row) for row in rows if (rank := _rank(row, case)) is not None]
            if ranked:
                return self._priced(case, min(ranked, key=lambda found: found[0])[1])
        if case.direction is Direction.IN and (case.place is _AT_HOME or case.service is Service.SMS):
            return self._unpriced(case.service, case.zone)
        return self._denied(case.service, case.zone, Denial.NOT_IN_PLAN)

    def _priced(self, case: _Case, row: RateRow) -> Rate:
        if row.denied:
            return self._denied(case.service, case.zone, Denial.NOT_IN_PLAN)
        country = case.place.country
        micro = price_micro(row)
        return Rate(
            service=case.service,
            unit=service_unit(case.service),
            zone=case.zone,
            label=case.label,
            revenue=f"revenue.{case.service if country is None else ROAMING}",
            allowances=self._paying(case, row, micro),
            rating_unit=row.step,
            price_micro=micro,
            minimum=row.minimum,
            connection=row.connection,
            money=self._money(case),
            roaming=country is not None,
            controlled=country is None or country.controlled,
            portions=self._portions.get(case.service, _NO_PORTIONS),
        )

    def _paying(self, case: _Case, row: RateRow, micro: int) -> tuple[str, ...]:
        """Return the allowances that pay before the price does: what costs nothing takes none. Contract: PSC-2.7"""
        if row.allowances is not None:
            return row.allowances
        if micro == 0:
            return ()
        return tuple(kind.code for kind in self._allowances if any(_matches(match, case) for match in kind.pays))

    def _money(self, case: _Case) -> tuple[str, ...]:
        """Return the money buckets that may pay: bonuses at home only, where the rules say so. Contract: PSC-3.1.9"""
        return paying_money(self._bonus, case.service) if case.place is _AT_HOME else WITHOUT_BONUS

    def _unpriced(self, service: Service, zone: str, *, free: bool = False) -> Rate:
        return Rate(
            service=service,
            unit=service_unit(service),
            zone=zone,
            label=f"{service}.{zone}" if free else f"{service}.incoming",
            revenue=f"revenue.{service}",
            free=free,
            portions=self._portions.get(service, _NO_PORTIONS),
        )

    def _free(self, service: Service, destination: Destination) -> Rate:
        key = (service, destination)
        known = self._rates.get(key)
        if known is None:
            known = self._rates[key] = self._unpriced(service, destination.code, free=True)
        return known

    def _denied(self, service: Service, zone: str, why: Denial) -> Rate:
        key = (service, zone, why)
        known = self._rates.get(key)
        if known is None:
            known = self._rates[key] = Rate(
                service=service,
                unit=service_unit(service),
                zone=zone,
                label=f"{service}.{zone}",
                revenue=f"revenue.{service}",
                denied=why,
            )
        return known

    def _content_rate(self, code: str) -> Rate:
        """Rate one event of a third party's service, charged by the operator. Contract: PSC-3.1.1"""
        known = self._rates.get((Service.CONTENT, code))
        if known is None:
            offer = self._content.get(code)
            if offer is None or offer.event_price is None:
                return self._denied(Service.CONTENT, "unknown", Denial.UNKNOWN_SERVICE)
            known = self._rates[Service.CONTENT, code] = Rate(
                service=Service.CONTENT,
                unit=service_unit(Service.CONTENT),
                zone=offer.category,
                label=f"content.{offer.category}",
                revenue="revenue.content",
                price_micro=offer.event_price * MICRO,
                portions=self._portions.get(Service.CONTENT, _NO_PORTIONS),
            )
        return known


def _sources(
    catalogue: Catalogue, plan: Plan, services: tuple[str, ...], at: datetime
) -> Iterable[tuple[RateRow, ...]]:
    """Yield price rows in order of precedence: active services, the plan, its price lists."""
    for code in services:
        versions = catalogue.service_versions.get(code)
        offer = versions.at(at) if versions else None
        if offer is not None and offer.rates:
            yield offer.rates
    yield plan.rates
    for code in plan.price_lists:
        price_list = catalogue.price_lists[code].at(at)
        if price_list is not None and (price_list.effective_until is None or at < price_list.effective_until):
            yield price_list.rates


def _unchanging_period(
    catalogue: Catalogue, plan: Plan, services: tuple[str, ...], at: datetime
) -> tuple[datetime, datetime]:
    """Return the period around `at` in which nothing that the table is made of changes."""
    moments: set[datetime] = set()
    for dated in (catalogue.numbering, catalogue.roaming, catalogue.portions):
        moments.update(version.effective_from for version in dated)
    for programme in catalogue.bonus:
        moments.update(m for m in (programme.effective_from, programme.effective_until) if m is not None)
    for code in plan.price_lists:
        for price_list in catalogue.price_lists[code]:
            moments.update(m for m in (price_list.effective_from, price_list.effective_until) if m is not None)
    offers = [offer for versions in catalogue.service_versions.values() for offer in versions]
    for offer in offers:
        if offer.code in services or offer.kind is OfferKind.CONTENT:
            moments.update(m for m in (offer.effective_from, offer.effective_until) if m is not None)
    before = max((moment for moment in moments if moment <= at), default=datetime.min.replace(tzinfo=UTC))
    return before, min((moment for moment in moments if moment > at), default=_FOREVER)


def _is_free(destination: Destination, service: Service, place: _Place | None) -> bool:
    return service in destination.free_for and (place is _AT_HOME or destination.free_in_roaming)


def _relation(target: Destination | str, usage: Usage, place: _Place) -> str:
    if not isinstance(target, Destination):
        return ""
    country = place.country
    assert country is not None
    if target.kind is not DestinationKind.INTERNATIONAL:
        return HOME_COUNTRY
    digits = usage.other.lstrip("+")
    return VISITED_COUNTRY if digits.startswith(country.calling_prefixes) else THIRD_COUNTRY


def _tokens(target: Destination | str, relation: str) -> tuple[str, ...]:
    """Return the names by which a row may mean the target, the most specific first."""
    if isinstance(target, str):
        return (target,) if target == ANYWHERE else (target, ANYWHERE)
    if relation:
        return (target.code, relation, ANYWHERE)
    return target.tokens


def _rank(row: RateRow, case: _Case) -> tuple[int, bool, bool, int] | None:
    """Return how specific a row is for the usage, the most first, or None when it is about something else."""
    if (row.fee is not None and row.fee is not case.fee) or (row.band is not None and row.band != case.band):
        return None
    to = next((index for index, token in enumerate(case.tokens) if token in row.match.to), None)
    where = next((index for index, name in enumerate(case.place.names) if name in row.match.places), None)
    if to is None or where is None:
        return None
    return to, row.fee is None, row.band is None, where


def _matches(match: UsageMatch, case: _Case) -> bool:
    return (
        match.service is case.service
        and case.direction in match.directions
        and any(token in match.to for token in case.tokens)
        and any(name in match.places for name in case.place.names)
    )
