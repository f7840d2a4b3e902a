"""What must hold between declarations: names that exist, units that agree, versions that follow one another."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain, combinations, pairwise
from typing import TypeVar

from telco.catalog.checks_bonus import check_bonus, check_device_plan
from telco.catalog.convert import UNITS, rate_row
from telco.catalog.errors import Problem
from telco.catalog.items import Item
from telco.catalog.model import (
    ANYWHERE,
    HOME,
    INTERNET,
    ROAMING,
    Access,
    DestinationKind,
    FeeAnchor,
    Interval,
    OfferKind,
    Service,
    Settlement,
    service_unit,
)
from telco.catalog.rating import RELATIONS, price_micro
from telco.catalog.schemas import (
    MOST_TENGE_PER_STEP,
    AllowanceTypeDoc,
    BonusDoc,
    DevicePlanDoc,
    Document,
    FigureDoc,
    GrantDoc,
    MatchDoc,
    NumberingDoc,
    PlanDoc,
    PortionsDoc,
    PriceListDoc,
    RateDoc,
    RoamingDoc,
    ServiceDoc,
    Versioned,
)
from telco.kernel.money import MICRO, TIYN_PER_TENGE
from telco.kernel.units import Unit

ESSENTIAL = ("numbering", "roaming", "portions")
"""Kinds of which a catalogue has at least one; without them nothing can be rated."""
FIGURES = ("vat", "mci")

_INVOICE_LETTERS = re.compile("[a-z]{2}")
"""With these a brand's code begins. No other paper's series has two letters."""

D = TypeVar("D", bound=Document)


def check(items: Iterable[Item]) -> list[Problem]:
    """Return everything that does not fit together, in one go.

    When declarations are doubled or an essential one is missing only that is said: the rest would be noise.
    """
    items = list(items)
    first = [*_doubled(items), *_missing(items)]
    if first:
        return first
    words = _Vocabulary.of(items)
    return [
        *_versions(items),
        *chain.from_iterable(_numbering(item, doc) for item, doc in _of(items, NumberingDoc)),
        *chain.from_iterable(_roaming(item, doc) for item, doc in _of(items, RoamingDoc)),
        *chain.from_iterable(_portions(item, doc) for item, doc in _of(items, PortionsDoc)),
        *chain.from_iterable(_allowance_type(item, doc, words) for item, doc in _of(items, AllowanceTypeDoc)),
        *chain.from_iterable(_rates(item, doc.rates, words, frozenset()) for item, doc in _of(items, PriceListDoc)),
        *chain.from_iterable(_plan(item, doc, words) for item, doc in _of(items, PlanDoc)),
        *chain.from_iterable(_service(item, doc, words) for item, doc in _of(items, ServiceDoc)),
        *chain.from_iterable(check_bonus(item, doc) for item, doc in _of(items, BonusDoc)),
        *chain.from_iterable(check_device_plan(item, doc) for item, doc in _of(items, DevicePlanDoc)),
        *_menu(items),
    ]


def _of(items: Iterable[Item], kind: type[D]) -> list[tuple[Item, D]]:
    return [(item, item.document) for item in items if isinstance(item.document, kind)]


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The names that declarations may refer to."""

    brands: frozenset[str]
    destinations: frozenset[str]
    world: frozenset[str]
    roaming_zones: frozenset[str]
    allowances: dict[str, Unit]
    price_lists: dict[str, date]
    plans: dict[str, frozenset[str]]

    @classmethod
    def of(cls, items: list[Item]) -> _Vocabulary:
        numberings = [doc for _, doc in _of(items, NumberingDoc)]
        operators = [operator for doc in numberings for operator in doc.operators]
        world = {zone.code for doc in numberings for zone in doc.zones}
        traffic = {traffic.code for doc in numberings for traffic in doc.traffic}
        brands = {brand.code for operator in operators if operator.home for brand in operator.brands}
        names = {f"operator:{operator.code}" for operator in operators}
        names |= {f"brand:{brand.code}" for operator in operators for brand in operator.brands}
        price_lists: dict[str, date] = {}
        for _, listed in _of(items, PriceListDoc):
            price_lists[listed.code] = min(listed.effective_from, price_lists.get(listed.code, date.max))
        plans: dict[str, frozenset[str]] = {}
        for _, plan in _of(items, PlanDoc):
            plans[plan.code] = plans.get(plan.code, frozenset()) | {plan.brand}
        return cls(
            brands=frozenset(brands),
            destinations=frozenset({*names, *world, *traffic, *DestinationKind, INTERNET, ANYWHERE}),
            world=frozenset(world),
            roaming_zones=frozenset(zone.code for _, doc in _of(items, RoamingDoc) for zone in doc.zones),
            allowances={doc.code: UNITS[doc.unit] for _, doc in _of(items, AllowanceTypeDoc)},
            price_lists=price_lists,
            plans=plans,
        )


def _missing(items: list[Item]) -> Iterator[Problem]:
    kinds = {item.kind for item in items}
    figures = {doc.code for _, doc in _of(items, FigureDoc)}
    for kind in ESSENTIAL:
        if kind not in kinds:
            yield Problem("catalogue", kind, f"is missing; declare [[{kind}]] in one of the files")
    for code in FIGURES:
        if code not in figures:
            yield Problem("catalogue", f"figure[{code}]", "is missing; declare it with its date in [[figure]]")


def _doubled(items: list[Item]) -> Iterator[Problem]:
    seen: dict[tuple[str, str, int], Item] = {}
    for item in items:
        known = seen.setdefault(item.key, item)
        if known is not item:
            yield item.problem("", f"is already declared in {known.file}; give it another code or version")


def _versions(items: list[Item]) -> Iterator[Problem]:
    grouped: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        if isinstance(item.document, Versioned):
            grouped[item.kind, item.code].append(item)
            if item.document.effective_until and item.document.effective_until < item.document.effective_from:
                yield item.problem("until", "is before its first day; correct one of them")
    for same in grouped.values():
        for earlier, later in pairwise(sorted(same, key=lambda item: item.version)):
            before, after = earlier.document, later.document
            assert isinstance(before, Versioned)
            assert isinstance(after, Versioned)
            if after.effective_from <= before.effective_from:
                why = f"must be after {before.effective_from}, the first day of version {earlier.version}"
                yield later.problem("from", why)
            elif before.effective_until is not None and before.effective_until >= after.effective_from:
                why = f"overlaps version {earlier.version}, which lasts until {before.effective_until}"
                yield later.problem("from", why)


def _repeated(values: Iterable[str]) -> list[str]:
    return sorted(value for value, count in Counter(values).items() if count > 1)


def _numbering(item: Item, doc: NumberingDoc) -> Iterator[Problem]:
    if sum(operator.home for operator in doc.operators) != 1:
        yield item.problem("operators", "exactly one must have home = true: the operator whose catalogue this is")
    for field, codes in (
        ("operators", [operator.code for operator in doc.operators]),
        ("operators", [brand.code for operator in doc.operators for brand in operator.brands]),
        ("zones", [zone.code for zone in doc.zones]),
        ("traffic", [traffic.code for traffic in doc.traffic]),
        ("traffic", [str(traffic.rating_group) for traffic in doc.traffic]),
    ):
        for code in _repeated(codes):
            yield item.problem(field, f"{code} is declared twice; keep one")
    for code in (brand.code for operator in doc.operators if operator.home for brand in operator.brands):
        if not _INVOICE_LETTERS.match(code):
            yield item.problem("operators", f"{code} must begin with two letters: the series of the brand's invoices")
    reserved = {*DestinationKind, *RELATIONS, ANYWHERE, INTERNET}
    for code in sorted(reserved & {*(zone.code for zone in doc.zones), *(traffic.code for traffic in doc.traffic)}):
        yield item.problem("zones", f"{code} is a word of the catalogue itself; choose another code")
    prefixes = [
        *("7" + prefix for operator in doc.operators for brand in operator.brands for prefix in brand.prefixes),
        *("7" + prefix for prefix in doc.fixed),
        *chain.from_iterable(zone.prefixes for zone in doc.zones),
        *chain.from_iterable(free.prefixes for free in doc.free),
    ]
    for prefix in _repeated(prefixes):
        yield item.problem("", f"prefix {prefix} has two destinations; keep one")
    for number in _repeated(chain.from_iterable(free.numbers for free in doc.free)):
        yield item.problem("free", f"number {number} is declared twice; keep one")


def _roaming(item: Item, doc: RoamingDoc) -> Iterator[Problem]:
    zones = {zone.code for zone in doc.zones}
    for code in _repeated(zone.code for zone in doc.zones):
        yield item.problem("zones", f"{code} is declared twice; keep one")
    for code in sorted(zones & {HOME, ROAMING}):
        yield item.problem("zones", f"{code} is a word of the catalogue itself; choose another code")
    for index, country in enumerate(doc.countries, 1):
        if country.zone not in zones:
            yield item.problem(f"countries[{index}].zone", f"{country.zone} is not among the zones; declare it")
    for code in _repeated(country.country for country in doc.countries):
        yield item.problem("countries", f"{code} is declared twice; keep one")
    networks = [network for country in doc.countries for network in country.networks]
    for network in _repeated([*networks, *doc.home_networks]):
        yield item.problem("countries", f"network {network} is declared twice; keep one")


def _portions(item: Item, doc: PortionsDoc) -> Iterator[Problem]:
    sizes = Counter((size.service, str(access)) for size in doc.sizes for access in size.access)
    for service in Service:
        for access in Access:
            count = sizes[service, access.name.lower()]
            if count != 1:
                why = f"{service} over {access.name.lower()} has {count} sizes; give it one"
                yield item.problem("sizes", why)
    for index, size in enumerate(doc.sizes, 1):
        for field, (unit, _) in (("quantity", size.quantity), ("least", size.least)):
            if unit is not service_unit(size.service):
                yield item.problem(f"sizes[{index}].{field}", _other_unit(size.service))
        if size.least[1] > size.quantity[1]:
            yield item.problem(f"sizes[{index}].least", "is more than the portion; make it less")


def _other_unit(service: Service) -> str:
    examples = {Unit.SECONDS: '"60 s" or "min"', Unit.BYTES: '"1 MB" or "kB"', Unit.MESSAGES: '"SMS"'}
    return f"is not in the unit of {service}; write it like {examples[service_unit(service)]}"


def _allowance_type(item: Item, doc: AllowanceTypeDoc, words: _Vocabulary) -> Iterator[Problem]:
    for index, match in enumerate(doc.pays, 1):
        yield from _match(item, f"pays[{index}]", match, words)
        if service_unit(match.service) is not UNITS[doc.unit]:
            yield item.problem(f"pays[{index}].service", f"{match.service} is not counted in {doc.unit}")


def _match(item: Item, path: str, match: MatchDoc, words: _Vocabulary) -> Iterator[Problem]:
    places = {HOME, ROAMING, *words.roaming_zones}
    for place in match.places:
        if place not in places:
            yield item.problem(f"{path}.places", f"{place} is not a place; known are {', '.join(sorted(places))}")
    known: set[str] = set()
    if HOME in match.places:
        known |= words.destinations
    if any(place != HOME for place in match.places):
        known |= {*RELATIONS, *words.world, *DestinationKind, ANYWHERE, INTERNET}
    for token in match.to:
        if token not in known:
            yield item.problem(f"{path}.to", f"{token} is not a destination; known are {', '.join(sorted(known))}")


def _rates(item: Item, rates: tuple[RateDoc, ...], words: _Vocabulary, bands: frozenset[str]) -> Iterator[Problem]:
    usages: dict[tuple[object, ...], int] = {}
    for index, row in enumerate(rates, 1):
        path = f"rates[{index}]"
        yield from _match(item, path, row, words)
        yield from _priced(item, path, row)
        if row.band is not None and row.band not in bands:
            yield item.problem(f"{path}.band", f"{row.band} is not among the plan's bands; declare it there")
        for code in row.allowances or ():
            if words.allowances.get(code) is not service_unit(row.service):
                why = f"{code} is not an allowance that {row.service} can take; declare it in [[allowance]]"
                yield item.problem(f"{path}.allowances", why)
        for usage in _usages(row):
            other = usages.setdefault(usage, index)
            if other != index:
                yield item.problem(path, f"prices the same usage as rates[{other}]; keep one")
                break


def _usages(row: RateDoc) -> Iterator[tuple[object, ...]]:
    for direction in row.directions:
        for to in row.to:
            for place in row.places:
                yield row.service, direction, to, place, row.band, row.fee


def _priced(item: Item, path: str, row: RateDoc) -> Iterator[Problem]:
    if row.service is Service.CONTENT:
        yield item.problem(f"{path}.service", "content is priced by its service's event_price; remove the row")
        return
    if row.deny:
        if row.price is not None or row.per is not None:
            yield item.problem(f"{path}.deny", "contradicts the price; keep one of them")
        return
    for field in ("price", "per"):
        if getattr(row, field) is None:
            yield item.problem(f"{path}.{field}", "is missing; add it, or deny = true")
    wrong = False
    for field in ("per", "step", "minimum"):
        measure: tuple[Unit, int] | None = getattr(row, field)
        if measure is not None and measure[0] is not service_unit(row.service):
            wrong = True
            yield item.problem(f"{path}.{field}", _other_unit(row.service))
    if row.price and row.per and not wrong:
        micro = price_micro(rate_row(row))
        if micro == 0:
            yield item.problem(f"{path}.step", "is too small: its price is less than a millionth of a tiyn; widen it")
        elif micro > MOST_TENGE_PER_STEP * TIYN_PER_TENGE * MICRO:
            yield item.problem(
                f"{path}.step", f"is too large: its price is over {MOST_TENGE_PER_STEP} tenge; narrow it"
            )


def _granted(item: Item, grants: tuple[GrantDoc, ...], words: _Vocabulary) -> Iterator[Problem]:
    for index, grant in enumerate(grants, 1):
        unit = words.allowances.get(grant.code)
        if unit is None:
            known = ", ".join(sorted(words.allowances)) or "none"
            why = f"{grant.code} is not an allowance; known are {known}"
            yield item.problem(f"allowances[{index}].code", why)
        elif grant.quantity[0] is not unit:
            why = f"is not in {unit.name.lower()}, the unit of {grant.code}"
            yield item.problem(f"allowances[{index}].quantity", why)
    for code in _repeated(grant.code for grant in grants):
        yield item.problem("allowances", f"{code} is granted twice; keep one")


def _plan(item: Item, doc: PlanDoc, words: _Vocabulary) -> Iterator[Problem]:
    if doc.brand not in words.brands:
        yield item.problem("brand", f"{doc.brand} is not a brand; known are {', '.join(sorted(words.brands))}")
    for code in doc.price_lists:
        start = words.price_lists.get(code)
        if start is None:
            yield item.problem("price_lists", f"{code} is not a price list; declare it in [[price_list]]")
        elif start > doc.effective_from:
            yield item.problem("price_lists", f"{code} begins only on {start}, after the plan")
    bands = [band.code for band in doc.bands]
    for code in _repeated(bands):
        yield item.problem("bands", f"{code} is declared twice; keep one")
    for index, band in enumerate(doc.bands, 1):
        if band.start == band.until:
            yield item.problem(f"bands[{index}].until", "is its beginning; a band shorter than a day has an end")
    yield from _granted(item, doc.allowances, words)
    yield from _rates(item, doc.rates, words, frozenset(bands))
    yield from _plan_terms(item, doc, words)


def _plan_terms(item: Item, doc: PlanDoc, words: _Vocabulary) -> Iterator[Problem]:
    if (doc.settlement is Settlement.CREDIT) != (doc.credit is not None):
        yield item.problem("credit", "belongs to plans with settlement credit, and only to them")
    if doc.credit is not None and doc.credit.limit > doc.credit.ceiling:
        yield item.problem("credit.limit", "is above the ceiling; lower it")
    if doc.fee_anchor is FeeAnchor.CALENDAR and doc.interval is not Interval.MONTH:
        yield item.problem("fee_anchor", "follows the calendar only with a fee by the month")
    if doc.fair_use is not None and doc.fair_use.allowance not in {grant.code for grant in doc.allowances}:
        yield item.problem("fair_use.allowance", "is not granted by the plan; add it to its allowances")
    if (doc.lasts is None) != (doc.then is None):
        yield item.problem("then", "and lasts go together: how long the plan lasts, and what follows")
    if doc.then is not None and doc.brand not in words.plans.get(doc.then, ()):
        yield item.problem("then", f"{doc.then} is not a plan of the brand {doc.brand}")
    if doc.joining is not None:
        if doc.joining.last is not None and doc.joining.last < doc.joining.first:
            yield item.problem("joining.until", "is before its first day; correct one of them")
        if doc.joining.first < doc.effective_from:
            yield item.problem("joining.from", "is before the plan's own first day")


def _service(item: Item, doc: ServiceDoc, words: _Vocabulary) -> Iterator[Problem]:
    for brand in doc.brands:
        if brand not in words.brands:
            yield item.problem("brands", f"{brand} is not a brand; known are {', '.join(sorted(words.brands))}")
    for code in doc.plans:
        if not words.plans.get(code, frozenset()) & set(doc.brands):
            yield item.problem("plans", f"{code} is not a plan of its brands")
    yield from _granted(item, doc.allowances, words)
    yield from _rates(item, doc.rates, words, frozenset())
    if doc.kind is OfferKind.PACK:
        if doc.interval is not None or doc.lasts is None or not doc.allowances:
            yield item.problem("kind", "a pack is paid once: it has allowances and lasts, and no interval")
    elif doc.lasts is not None:
        yield item.problem("lasts", "is for packs; a feature or content is on until it is switched off")
    if (doc.kind is OfferKind.CONTENT) != (doc.provider is not None):
        yield item.problem("provider", "belongs to content, and every content has one")
    if doc.event_price is not None and doc.kind is not OfferKind.CONTENT:
        yield item.problem("event_price", "is for content only")
    if doc.provider is not None and doc.provider.share_percent > 100:
        yield item.problem("provider.share_percent", "is more than 100")


def _menu(items: list[Item]) -> Iterator[Problem]:
    """Two things of a brand that are offered at one time are ordered by different numbers and keywords."""
    offers = [(item, item.document) for item in items if isinstance(item.document, (PlanDoc, ServiceDoc))]
    for (one, first), (other, second) in combinations(offers, 2):
        if (one.kind, one.code) == (other.kind, other.code) or not _together(first, second):
            continue
        if not _brands(first) & _brands(second):
            continue
        if one.kind == other.kind and first.number == second.number:
            yield other.problem("number", f"{second.number} already orders {one.path} in {one.file}; choose another")
        for word in sorted({w.casefold() for w in first.keywords} & {w.casefold() for w in second.keywords}):
            yield other.problem("keywords", f"{word} already orders {one.path} in {one.file}; choose another")


def _brands(doc: PlanDoc | ServiceDoc) -> set[str]:
    return {doc.brand} if isinstance(doc, PlanDoc) else set(doc.brands)


def _together(one: Versioned, other: Versioned) -> bool:
    one_last, other_last = one.effective_until or date.max, other.effective_until or date.max
    return one.effective_from <= other_last and other.effective_from <= one_last
