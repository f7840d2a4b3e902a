"""Whose number is it: destinations by exact number, by operator and by longest prefix (ITU-T E.164, E.212)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from telco.kernel.i18n import Language
from telco.kernel.money import Tiyn

T = TypeVar("T")

COUNTRY_CODE = "7"
NATIONAL_DIGITS = 10
MIN_INTERNATIONAL_DIGITS = 7
MAX_E164_DIGITS = 15
_VALUE = ""  # key of a prefix tree node's own value; a digit is never empty


@dataclass(frozen=True, slots=True)
class Names:
    """A text of the operator's data in the three languages."""

    kk: str
    ru: str
    en: str

    def of(self, language: Language) -> str:
        return {Language.KK: self.kk, Language.RU: self.ru, Language.EN: self.en}[language]


class Service(StrEnum):
    """Types of service that are rated; each has its rating unit. Contract: PSC-1.1.8"""

    VOICE = "voice"
    SMS = "sms"
    DATA = "data"
    CONTENT = "content"


class DestinationKind(StrEnum):
    """What the other end of a call or message is."""

    EMERGENCY = "emergency"
    HELPDESK = "helpdesk"
    FREEPHONE = "freephone"
    SERVICE = "service"
    """The operator's own service numbers, such as those of mobile financial services."""
    ON_NET = "on_net"
    MOBILE = "mobile"
    """Another mobile operator of the country."""
    FIXED = "fixed"
    INTERNATIONAL = "international"


@dataclass(frozen=True, slots=True, eq=False)
class Destination:
    """A destination that prices can name; compared by identity, one object a destination and numbering version.

    `tokens` are the names by which a price row may mean it, the most specific first.
    """

    kind: DestinationKind
    code: str
    operator: str | None = None
    brand: str | None = None
    free_for: frozenset[Service] = frozenset()
    free_in_roaming: bool = False
    tokens: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = [f"brand:{self.brand}"] if self.brand else []
        names += [f"operator:{self.operator}"] if self.operator else []
        names += [self.code, self.kind, ANYWHERE]
        object.__setattr__(self, "tokens", tuple(dict.fromkeys(names)))


ANYWHERE = "any"
"""The token of every destination."""
INTERNET = "internet"
"""Data traffic that no class claims."""


class PrefixTree(Generic[T]):
    """Longest-prefix lookup in as many steps as the number has digits, however many prefixes there are."""

    __slots__ = ("_root",)

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._root: dict[str, Any] = {}
        for prefix, value in entries.items():
            node = self._root
            for digit in prefix:
                node = node.setdefault(digit, {})
            node[_VALUE] = value

    def find(self, number: str) -> T | None:
        """Return the value of the longest prefix of `number`, or None."""
        node = self._root
        found: T | None = node.get(_VALUE)
        for digit in number:
            deeper = node.get(digit)
            if deeper is None:
                break
            node = deeper
            found = node.get(_VALUE, found)
        return found


@dataclass(frozen=True, slots=True)
class Operator:
    """A mobile operator of the country: its code in the number database and its prefixes by brand."""

    code: str
    name: str
    home: bool
    brands: Mapping[str, tuple[str, ...]]
    """Brand code to national prefixes, such as ``{"kcell": ("701", "702")}``."""


@dataclass(frozen=True, slots=True)
class FreeNumbers:
    """Numbers that cost nothing and are never refused for want of money. Contract: PSC-3.2.5"""

    kind: DestinationKind
    numbers: tuple[str, ...]
    """Exact numbers; in E.164 digits, or short."""
    prefixes: tuple[str, ...]
    """E.164 prefixes, such as 7800 for freephone numbers."""
    services: frozenset[Service]
    roaming: bool
    """Whether they are free abroad too."""


@dataclass(frozen=True, slots=True)
class TrafficClass:
    """A class of data traffic that the gateway reports under its own rating group (RFC 8506 section 8.29)."""

    code: str
    rating_group: int


class Numbering:
    """The numbering plan in force over a period: who serves which number, what is free, zones of the world."""

    def __init__(
        self,
        *,
        version: int,
        effective_from: datetime,
        operators: Iterable[Operator],
        fixed: Iterable[str],
        free: Iterable[FreeNumbers],
        zones: Mapping[str, tuple[str, ...]],
        zone_names: Mapping[str, Names],
        traffic: Iterable[TrafficClass],
    ) -> None:
        self.version = version
        self.effective_from = effective_from
        self.operators = {operator.code: operator for operator in operators}
        self.zones = dict(zones)
        self.zone_names = dict(zone_names)
        self.free = tuple(free)
        self.fixed = tuple(fixed)
        self.traffic = {traffic_class.rating_group: traffic_class.code for traffic_class in traffic}
        self.home_brands = frozenset(b for o in self.operators.values() if o.home for b in o.brands)
        self._ported = {code: _of_operator(operator, None) for code, operator in self.operators.items()}
        self._exact: dict[str, Destination] = {}
        prefixes: dict[str, Destination] = {}
        for zone, zone_prefixes in self.zones.items():
            international = Destination(DestinationKind.INTERNATIONAL, zone)
            prefixes.update(dict.fromkeys(zone_prefixes, international))
        landline = Destination(DestinationKind.FIXED, DestinationKind.FIXED)
        prefixes.update({COUNTRY_CODE + prefix: landline for prefix in self.fixed})
        for operator in self.operators.values():
            for brand, national in operator.brands.items():
                served = _of_operator(operator, brand)
                prefixes.update({COUNTRY_CODE + prefix: served for prefix in national})
        for numbers in self.free:
            destination = Destination(
                numbers.kind, numbers.kind, free_for=numbers.services, free_in_roaming=numbers.roaming
            )
            self._exact.update(dict.fromkeys(numbers.numbers, destination))
            prefixes.update(dict.fromkeys(numbers.prefixes, destination))
        self._tree = PrefixTree(prefixes)

    def destination(self, number: str, ported_to: str | None = None) -> Destination | None:
        """Return the destination of a dialled number, or None when nobody serves it.

        `ported_to` is the operator's code that the number database gives: after porting the prefix no longer names
        the operator.
        """
        exact = self._exact.get(number)
        if exact is not None:
            return exact
        if ported_to is not None and (ported := self._ported.get(ported_to)) is not None:
            return ported
        digits = dialled(number)
        exact = self._exact.get(digits)
        if exact is not None:
            return exact
        found = self._tree.find(digits)
        return found if found is not None and _is_complete(digits, found.kind) else None


def _is_complete(digits: str, kind: DestinationKind) -> bool:
    """Say whether a number has as many digits as its country gives them; ITU-T E.164 allows fifteen."""
    if kind is DestinationKind.INTERNATIONAL:
        return MIN_INTERNATIONAL_DIGITS <= len(digits) <= MAX_E164_DIGITS
    return len(digits) == len(COUNTRY_CODE) + NATIONAL_DIGITS


def _of_operator(operator: Operator, brand: str | None) -> Destination:
    kind = DestinationKind.ON_NET if operator.home else DestinationKind.MOBILE
    return Destination(kind, kind, operator.code, brand)


def dialled(number: str) -> str:
    """Turn a number as dialled in Kazakhstan into E.164 digits; a short number stays as it is.

    ``+7701...``, ``8701...``, ``701...`` and ``81049...``, ``0049...`` are understood. An eleven-digit number that
    begins with 8 is a trunk call only before 7 or 800: others may be E.164 numbers of Japan, Korea or Vietnam.
    """
    if number.startswith("+"):
        return number[1:]
    if len(number) == NATIONAL_DIGITS + 1:
        return COUNTRY_CODE + number[1:] if number.startswith(("87", "8800")) else number
    if len(number) == NATIONAL_DIGITS and number[0] == COUNTRY_CODE:
        return COUNTRY_CODE + number
    for international in ("810", "00"):
        if number.startswith(international) and len(number) > NATIONAL_DIGITS:
            return number[len(international) :]
    return number


@dataclass(frozen=True, slots=True)
class RoamingCountry:
    """A country where partners serve our subscribers."""

    country: str
    """ISO 3166 alpha-2."""
    zone: str
    networks: tuple[str, ...]
    """MCC of the whole country, or MCC and MNC of single partners."""
    calling_prefixes: tuple[str, ...]
    controlled: bool
    """Whether usage there is controlled in real time; where it is not, a debt may arise. Contract: PSC-3.1.2"""


class Roaming:
    """Partners' countries and their zones, in force over a period. Contract: PSC-3.1.2"""

    def __init__(
        self,
        *,
        version: int,
        effective_from: datetime,
        home_networks: Iterable[str],
        threshold_tiyn: Tiyn,
        zone_names: Mapping[str, Names],
        countries: Iterable[RoamingCountry],
    ) -> None:
        self.version = version
        self.effective_from = effective_from
        self.home_networks = frozenset(home_networks)
        self.threshold_tiyn = threshold_tiyn
        """What the account must hold for roaming to be switched on."""
        self.zone_names = dict(zone_names)
        self.countries = tuple(countries)
        self._tree = PrefixTree({network: country for country in self.countries for network in country.networks})

    def country(self, network: str) -> RoamingCountry | None:
        """Return the partner's country of a network (MCC and MNC), or None without an agreement."""
        return self._tree.find(network)
