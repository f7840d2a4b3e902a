"""The whole catalogue in memory: every version of everything, found by code and moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from telco.catalog.bonus import BonusProgramme, DevicePlan
from telco.catalog.errors import NoFigureError, UnknownDevicePlanError, UnknownPlanError, UnknownServiceError
from telco.catalog.measures import start_of_day
from telco.catalog.model import (
    AllowanceType,
    Audience,
    Figure,
    OfferKind,
    Plan,
    PortionRules,
    PriceList,
    ServiceOffer,
)
from telco.catalog.numbering import Destination, Numbering, Roaming, RoamingCountry
from telco.kernel.money import Tiyn, tenge


class _Dated(Protocol):
    @property
    def effective_from(self) -> datetime: ...


class _Ordered(Protocol):
    @property
    def number(self) -> str: ...
    @property
    def keywords(self) -> tuple[str, ...]: ...


D = TypeVar("D", bound=_Dated)
Item = TypeVar("Item", bound=_Ordered)


class Timeline(tuple[D, ...]):
    """Versions of one thing, in the order in which they take effect."""

    __slots__ = ()

    def at(self, moment: datetime) -> D | None:
        """Return the version in force at `moment`, or None before the first."""
        index = bisect_right(self, moment, key=_effective_from)
        return self[index - 1] if index else None


def _effective_from(dated: _Dated) -> datetime:
    return dated.effective_from


def timeline(versions: Iterable[D]) -> Timeline[D]:
    """Put versions in the order in which they take effect."""
    return Timeline(sorted(versions, key=_effective_from))


_NO_BONUS: Timeline[BonusProgramme] = Timeline()


class Catalogue:
    """An immutable snapshot; a change of the catalogue makes another one.

    `withdrawn` says from when a plan or service is no longer offered, by ("plan" | "service", code); whoever has it
    keeps it. `closed` says when a plan ended for good; its versions stay, for usage that is reported late.
    """

    def __init__(
        self,
        *,
        edition: int = 0,
        allowances: Iterable[AllowanceType] = (),
        plans: Mapping[str, Timeline[Plan]],
        services: Mapping[str, Timeline[ServiceOffer]],
        price_lists: Mapping[str, Timeline[PriceList]],
        numbering: Timeline[Numbering],
        roaming: Timeline[Roaming],
        portions: Timeline[PortionRules],
        figures: Mapping[str, Timeline[Figure]],
        bonus: Timeline[BonusProgramme] = _NO_BONUS,
        device_plans: Mapping[str, Timeline[DevicePlan]] | None = None,
        withdrawn: Mapping[tuple[str, str], datetime] | None = None,
        closed: Mapping[tuple[str, str], datetime] | None = None,
    ) -> None:
        self.edition = edition
        self.allowance_types = {allowance.code: allowance for allowance in allowances}
        self.plan_versions = dict(plans)
        self.service_versions = dict(services)
        self.price_lists = dict(price_lists)
        self.numbering = numbering
        self.roaming = roaming
        self.portions = portions
        self.figures = dict(figures)
        self.bonus = bonus
        self.device_plans = dict(device_plans or {})
        self.withdrawn = dict(withdrawn or {})
        self.closed = dict(closed or {})
        self.derived: dict[object, object] = {}
        """Tables that pure functions derive from this snapshot and keep with it."""
        self._plans_by_version = {(p.code, p.version): p for versions in plans.values() for p in versions}
        self._services_by_version = {(s.code, s.version): s for versions in services.values() for s in versions}

    def plan(self, code: str, at: datetime) -> Plan:
        """Return the version of a plan in force at `at`, offered or not.

        Raises:
            UnknownPlanError: no such plan, or not yet, or no longer.
        """
        found = _in_force(self.plan_versions.get(code), at)
        if found is None:
            raise UnknownPlanError(plan=code)
        return found

    def plan_version(self, code: str, version: int) -> Plan:
        """Return the very version that a subscriber joined.

        Raises:
            UnknownPlanError: never published.
        """
        plan = self._plans_by_version.get((code, version))
        if plan is None:
            raise UnknownPlanError(plan=f"{code} v{version}")
        return plan

    def plans(
        self, at: datetime, brand: str | None = None, audience: Audience | None = None, *, offered: bool = True
    ) -> list[Plan]:
        """Return the plans in force at `at`, by menu number; with `offered`, those that may be joined then.

        Contract: PSC-2.8, PSC-2.10
        """
        found = [plan for versions in self.plan_versions.values() if (plan := _in_force(versions, at))]
        return sorted(
            (
                plan
                for plan in found
                if (brand is None or plan.brand == brand)
                and (audience is None or plan.audience is audience)
                and (not offered or self.is_offered(plan, at))
            ),
            key=_menu_order,
        )

    def is_offered(self, item: Plan | ServiceOffer, at: datetime) -> bool:
        """Say whether a plan may be joined, or a service switched on, at `at`. Contract: PSC-1.1.22, PSC-2.9-1"""
        if isinstance(item, Plan):
            if at < item.joinable_from or (item.joinable_until is not None and at >= item.joinable_until):
                return False
            key = ("plan", item.code)
        else:
            key = ("service", item.code)
        withdrawn_from = self.withdrawn.get(key)
        return withdrawn_from is None or at < withdrawn_from

    def service(self, code: str, at: datetime) -> ServiceOffer:
        """Return the version of a service in force at `at`, offered or not.

        Raises:
            UnknownServiceError: no such service, or not yet, or no longer.
        """
        found = _in_force(self.service_versions.get(code), at)
        if found is None:
            raise UnknownServiceError(service=code)
        return found

    def service_version(self, code: str, version: int) -> ServiceOffer:
        """Return the very version that a subscriber switched on.

        Raises:
            UnknownServiceError: never published.
        """
        service = self._services_by_version.get((code, version))
        if service is None:
            raise UnknownServiceError(service=f"{code} v{version}")
        return service

    def services(
        self, at: datetime, plan: Plan | None = None, kind: OfferKind | None = None, *, offered: bool = True
    ) -> list[ServiceOffer]:
        """Return the services in force at `at`, by menu number; with `plan`, those that fit it. Contract: PSC-2.10"""
        found = [service for versions in self.service_versions.values() if (service := _in_force(versions, at))]
        return sorted(
            (
                service
                for service in found
                if (plan is None or service.fits(plan))
                and (kind is None or service.kind is kind)
                and (not offered or self.is_offered(service, at))
            ),
            key=_menu_order,
        )

    def find_plan(self, words: str, at: datetime, brand: str) -> Plan | None:
        """Return the offered plan that a subscriber of `brand` means by a menu number, keyword, code or name."""
        return _meant(words, self.plans(at, brand), lambda plan: _spoken(plan, plan.code, plan.name))

    def find_service(self, words: str, at: datetime, plan: Plan) -> ServiceOffer | None:
        """Return the offered service that a subscriber means by a menu number, keyword, code or name."""
        offers = self.services(at, plan)
        return _meant(words, offers, lambda offer: _spoken(offer, offer.code, offer.name))

    def numbering_at(self, at: datetime) -> Numbering:
        """Return the numbering plan in force; before the first, the first."""
        return self.numbering.at(at) or self.numbering[0]

    def roaming_at(self, at: datetime) -> Roaming:
        """Return the roaming agreements in force; before the first, the first."""
        return self.roaming.at(at) or self.roaming[0]

    def portions_at(self, at: datetime) -> PortionRules:
        """Return the portion sizes in force; before the first, the first."""
        return self.portions.at(at) or self.portions[0]

    def bonus_at(self, at: datetime) -> BonusProgramme | None:
        """Return the bonus programme's rules in force, None while there is no programme. Contract: PSC-3.1.9"""
        return _in_force(self.bonus, at)

    def device_plan(self, code: str, at: datetime) -> DevicePlan:
        """Return the terms on which devices are sold by a plan at `at`.

        Raises:
            UnknownDevicePlanError: no such plan, or not yet, or no longer.

        Contract: PSC-3.2.12
        """
        found = _in_force(self.device_plans.get(code), at)
        if found is None:
            raise UnknownDevicePlanError(plan=code)
        return found

    def device_plans_at(self, at: datetime) -> list[DevicePlan]:
        """Return the terms on which devices may be sold at `at`, by code. Contract: PSC-3.2.12"""
        found = (_in_force(versions, at) for versions in self.device_plans.values())
        return sorted((plan for plan in found if plan is not None), key=lambda plan: plan.code)

    def destination(self, number: str, at: datetime, ported_to: str | None = None) -> Destination | None:
        """Return the destination of a dialled number, or None."""
        return self.numbering_at(at).destination(number, ported_to)

    def roaming_country(self, network: str, at: datetime) -> RoamingCountry | None:
        """Return where a visited network (MCC and MNC) is, or None at home and without an agreement."""
        return self.roaming_at(at).country(network)

    def figure(self, code: str, day: date) -> Decimal:
        """Return a regulator's figure in force on a day in Kazakhstan.

        Raises:
            NoFigureError: not published for that day.
        """
        versions = self.figures.get(code)
        figure = versions.at(start_of_day(day)) if versions else None
        if figure is None:
            raise NoFigureError(figure=code, day=day.isoformat())
        return figure.value

    def vat(self, day: date) -> Decimal:
        """Return the VAT rate in force, such as ``Decimal("0.16")``."""
        return self.figure("vat", day)

    def mci(self, day: date) -> Tiyn:
        """Return the monthly calculation index in force."""
        return tenge(self.figure("mci", day))


Offer = TypeVar("Offer", Plan, ServiceOffer, BonusProgramme, DevicePlan)


def _in_force(versions: Timeline[Offer] | None, at: datetime) -> Offer | None:
    found = versions.at(at) if versions else None
    if found is None or (found.effective_until is not None and at >= found.effective_until):
        return None
    return found


def _menu_order(item: _Ordered) -> tuple[int, str]:
    return int(item.number), item.number


def _meant(words: str, items: Iterable[Item], spoken: Callable[[Item], frozenset[str]]) -> Item | None:
    wanted = " ".join(words.split()).casefold()
    return next((item for item in items if wanted in spoken(item)), None)


def _spoken(item: _Ordered, code: str, name: object) -> frozenset[str]:
    names = (getattr(name, language) for language in ("kk", "ru", "en"))
    return frozenset(word.casefold() for word in (item.number, *item.keywords, code, *names))
