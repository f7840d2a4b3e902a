"""From checked declarations to the model: days become moments, volumes numbers of units, sums tiyn."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from telco.catalog.bonus import BonusProgramme, DevicePlan, EarnRule, Gift, Tier
from telco.catalog.measures import start_of_day
from telco.catalog.model import (
    Access,
    Allowance,
    AllowanceType,
    Band,
    CreditTerms,
    FairUse,
    Figure,
    Names,
    Plan,
    Portion,
    PortionRules,
    PriceList,
    Provider,
    RateRow,
    Service,
    ServiceOffer,
    UsageMatch,
)
from telco.catalog.numbering import FreeNumbers, Numbering, Operator, Roaming, RoamingCountry, TrafficClass
from telco.catalog.schemas import (
    AllowanceTypeDoc,
    BonusDoc,
    DevicePlanDoc,
    EarnDoc,
    FigureDoc,
    GrantDoc,
    MatchDoc,
    NamesDoc,
    NumberingDoc,
    PlanDoc,
    PortionsDoc,
    PriceListDoc,
    RateDoc,
    RoamingDoc,
    ServiceDoc,
)
from telco.kernel.money import tenge
from telco.kernel.units import Unit

UNITS = {"bytes": Unit.BYTES, "seconds": Unit.SECONDS, "messages": Unit.MESSAGES}


def end_of(last: date | None) -> datetime | None:
    """Return the first moment after a last day, None for no end."""
    return None if last is None else start_of_day(last + timedelta(days=1))


def _names(names: NamesDoc) -> Names:
    return Names(names.kk, names.ru, names.en)


def _match(match: MatchDoc) -> UsageMatch:
    return UsageMatch(match.service, frozenset(match.directions), match.to, match.places)


def rate_row(row: RateDoc) -> RateRow:
    """Convert a price row; without a step it is counted in what it is priced per."""
    per = row.per[1] if row.per else 1
    return RateRow(
        match=_match(row),
        price=row.price or Decimal(0),
        per=per,
        step=row.step[1] if row.step else per,
        minimum=row.minimum[1] if row.minimum else 0,
        connection=tenge(row.connection),
        band=row.band,
        fee=row.fee,
        allowances=row.allowances,
        denied=row.deny,
    )


def allowance_type(document: AllowanceTypeDoc) -> AllowanceType:
    return AllowanceType(
        code=document.code,
        unit=UNITS[document.unit],
        priority=document.priority,
        names=_names(document.name),
        pays=tuple(_match(match) for match in document.pays),
    )


def _grants(grants: Iterable[GrantDoc], types: dict[str, AllowanceType]) -> tuple[Allowance, ...]:
    return tuple(
        Allowance(
            code=grant.code,
            unit=types[grant.code].unit,
            quantity=grant.quantity[1],
            priority=types[grant.code].priority,
            renew=grant.renew,
            carry_over=grant.carry_over,
        )
        for grant in grants
    )


def plan(document: PlanDoc, types: dict[str, AllowanceType]) -> Plan:
    start = start_of_day(document.effective_from)
    joining = document.joining
    return Plan(
        code=document.code,
        version=document.version,
        effective_from=start,
        effective_until=end_of(document.effective_until),
        brand=document.brand,
        name=_names(document.name),
        summary=_names(document.summary),
        number=document.number,
        keywords=document.keywords,
        settlement=document.settlement,
        audience=document.audience,
        fee=tenge(document.fee),
        fee_interval=document.interval,
        fee_anchor=document.fee_anchor,
        proration=document.proration,
        suspended=document.suspended,
        joining_price=tenge(document.joining_price),
        allowances=_grants(document.allowances, types),
        rates=tuple(rate_row(row) for row in document.rates),
        price_lists=document.price_lists,
        bands=tuple(
            Band(band.code, band.start, band.until, frozenset(day - 1 for day in band.weekdays))
            for band in document.bands
        ),
        joinable_from=start_of_day(joining.first) if joining else start,
        joinable_until=end_of(joining.last if joining else None),
        lasts=document.lasts,
        successor=document.then,
        credit=CreditTerms(tenge(document.credit.limit), tenge(document.credit.ceiling)) if document.credit else None,
        fair_use=FairUse(**document.fair_use.model_dump()) if document.fair_use else None,
        group=document.group,
        territory=frozenset(document.territory),
    )


def service(document: ServiceDoc, types: dict[str, AllowanceType]) -> ServiceOffer:
    return ServiceOffer(
        code=document.code,
        version=document.version,
        effective_from=start_of_day(document.effective_from),
        effective_until=end_of(document.effective_until),
        kind=document.kind,
        category=document.category,
        name=_names(document.name),
        summary=_names(document.summary),
        number=document.number,
        keywords=document.keywords,
        brands=frozenset(document.brands),
        plans=frozenset(document.plans),
        price=tenge(document.price),
        fee_interval=document.interval,
        event_price=None if document.event_price is None else tenge(document.event_price),
        lasts=document.lasts,
        allowances=_grants(document.allowances, types),
        rates=tuple(rate_row(row) for row in document.rates),
        provider=Provider(**document.provider.model_dump()) if document.provider else None,
    )


def price_list(document: PriceListDoc) -> PriceList:
    return PriceList(
        code=document.code,
        version=document.version,
        effective_from=start_of_day(document.effective_from),
        effective_until=end_of(document.effective_until),
        rates=tuple(rate_row(row) for row in document.rates),
    )


def numbering(document: NumberingDoc) -> Numbering:
    return Numbering(
        version=document.version,
        effective_from=start_of_day(document.effective_from),
        operators=(
            Operator(
                code=operator.code,
                name=operator.name,
                home=operator.home,
                brands=MappingProxyType({brand.code: brand.prefixes for brand in operator.brands}),
            )
            for operator in document.operators
        ),
        fixed=document.fixed,
        free=(
            FreeNumbers(free.kind, free.numbers, free.prefixes, frozenset(free.services), free.roaming)
            for free in document.free
        ),
        zones={zone.code: zone.prefixes for zone in document.zones},
        zone_names={zone.code: _names(zone.name) for zone in document.zones},
        traffic=(TrafficClass(traffic.code, traffic.rating_group) for traffic in document.traffic),
    )


def roaming(document: RoamingDoc) -> Roaming:
    return Roaming(
        version=document.version,
        effective_from=start_of_day(document.effective_from),
        home_networks=document.home_networks,
        threshold_tiyn=tenge(document.threshold),
        zone_names={zone.code: _names(zone.name) for zone in document.zones},
        countries=(
            RoamingCountry(
                country=country.country,
                zone=country.zone,
                networks=country.networks,
                calling_prefixes=country.calling_prefixes,
                controlled=country.controlled,
            )
            for country in document.countries
        ),
    )


def portions(document: PortionsDoc) -> PortionRules:
    sizes: dict[Service, dict[Access, Portion]] = {service: {} for service in Service}
    for size in document.sizes:
        for access in size.access:
            sizes[size.service][Access[access.upper()]] = Portion(size.quantity[1], size.least[1], size.validity_s)
    return PortionRules(document.version, start_of_day(document.effective_from), sizes)


def basis_points(percent: Decimal) -> int:
    """Return a percentage with at most two decimals in basis points, exactly."""
    return int(percent * 100)


def _earn_rule(document: EarnDoc) -> EarnRule:
    given = [(tier.months, tier.percent) for tier in document.tiers]
    if document.percent is not None:
        given.append((0, document.percent))
    return EarnRule(
        code=document.code,
        on=frozenset(document.on),
        tiers=tuple(Tier(months, basis_points(percent)) for months, percent in sorted(given)),
        month_cap=None if document.month_cap is None else tenge(document.month_cap),
    )


def bonus(document: BonusDoc) -> BonusProgramme:
    return BonusProgramme(
        version=document.version,
        effective_from=start_of_day(document.effective_from),
        effective_until=end_of(document.effective_until),
        name=_names(document.name),
        pays=frozenset(document.pays),
        priority=document.priority,
        lasts=document.lasts,
        month_cap=None if document.month_cap is None else tenge(document.month_cap),
        least=tenge(document.least),
        earn=tuple(_earn_rule(rule) for rule in document.earn),
        gifts=tuple(
            Gift(gift.code, gift.kind, tenge(gift.amount), gift.lasts, gift.months, gift.on) for gift in document.gifts
        ),
    )


def device_plan(document: DevicePlanDoc) -> DevicePlan:
    return DevicePlan(
        code=document.code,
        version=document.version,
        effective_from=start_of_day(document.effective_from),
        effective_until=end_of(document.effective_until),
        name=_names(document.name),
        months=frozenset(document.months),
        down_basis_points=basis_points(document.down_percent),
        least_price=tenge(document.least_price),
        most_price=tenge(document.most_price),
        return_days=document.return_days,
        consent_version=document.consent_version,
    )


def figure(document: FigureDoc) -> Figure:
    return Figure(document.code, start_of_day(document.effective_from), document.value)
