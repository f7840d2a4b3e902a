"""The published catalogue: what is offered, its conditions and prices, open to everybody.

Contract: PSC-2.8, PSC-2.10
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from telco.catalog.catalogue import Catalogue
from telco.catalog.errors import UnknownPlanError, UnknownServiceError
from telco.catalog.model import Allowance, Audience, Names, OfferKind, Plan, ServiceOffer, Settlement
from telco.kernel.clock import Clock
from telco.kernel.units import Unit
from telco.web.api import PUBLIC, Api, ApiRequest
from telco.web.fields import ApiModel, Code, MoneyOut

_TAGS = ["Catalogue"]
_UNITS = {Unit.MONEY: "tiyn", Unit.BYTES: "bytes", Unit.SECONDS: "seconds", Unit.MESSAGES: "messages"}
Brand = Annotated[str | None, Field(max_length=32, examples=["activ"])]


class NamesOut(ApiModel):
    """A text in the three languages."""

    kk: str
    ru: str
    en: str

    @classmethod
    def of(cls, names: Names) -> NamesOut:
        return cls(kk=names.kk, ru=names.ru, en=names.en)


class AllowanceOut(ApiModel):
    """An included volume."""

    code: str
    unit: str
    quantity: int

    @classmethod
    def of(cls, allowance: Allowance) -> AllowanceOut:
        return cls(code=allowance.code, unit=_UNITS[allowance.unit], quantity=allowance.quantity)


class PlanOut(ApiModel):
    """A tariff plan as it is offered now."""

    code: str
    version: int
    brand: str
    name: NamesOut
    summary: NamesOut
    number: str
    """What to dial in the plan menu."""
    settlement: Settlement
    audience: Audience
    fee: MoneyOut
    fee_interval: str
    allowances: list[AllowanceOut]

    @classmethod
    def of(cls, plan: Plan) -> PlanOut:
        return cls(
            code=plan.code,
            version=plan.version,
            brand=plan.brand,
            name=NamesOut.of(plan.name),
            summary=NamesOut.of(plan.summary),
            number=plan.number,
            settlement=plan.settlement,
            audience=plan.audience,
            fee=plan.fee,
            fee_interval=plan.fee_interval,
            allowances=[AllowanceOut.of(allowance) for allowance in plan.allowances],
        )


class ServiceOut(ApiModel):
    """An additional service as it is offered now."""

    code: str
    version: int
    kind: OfferKind
    name: NamesOut
    summary: NamesOut
    number: str
    """What to dial in the service menu."""
    brands: list[str]
    price: MoneyOut
    fee_interval: str | None
    """None when the price is taken once."""
    provider: str | None
    """The third party that sets its conditions."""
    allowances: list[AllowanceOut]

    @classmethod
    def of(cls, offer: ServiceOffer) -> ServiceOut:
        return cls(
            code=offer.code,
            version=offer.version,
            kind=offer.kind,
            name=NamesOut.of(offer.name),
            summary=NamesOut.of(offer.summary),
            number=offer.number,
            brands=sorted(offer.brands),
            price=offer.price,
            fee_interval=offer.fee_interval,
            provider=offer.provider.name if offer.provider else None,
            allowances=[AllowanceOut.of(allowance) for allowance in offer.allowances],
        )


def routes(api: Api, catalogue: Callable[[], Catalogue], clock: Clock) -> None:
    """Declare the catalogue's routes."""

    async def plans(_: ApiRequest, brand: Brand = None, audience: Audience | None = None) -> list[PlanOut]:
        """Plans that may be joined today, by menu number."""
        return [PlanOut.of(plan) for plan in catalogue().plans(clock.now(), brand, audience)]

    async def plan(_: ApiRequest, code: Annotated[Code, Field(examples=["kcell-start"])]) -> PlanOut:
        """A plan in force, offered or not."""
        return PlanOut.of(catalogue().plan(code, clock.now()))

    async def services(_: ApiRequest, plan: Code | None = None) -> list[ServiceOut]:
        """Services that may be switched on today; with a plan's code, those that fit it."""
        now = clock.now()
        found = catalogue().plan(plan, now) if plan is not None else None
        return [ServiceOut.of(offer) for offer in catalogue().services(now, found)]

    async def service(_: ApiRequest, code: Annotated[Code, Field(examples=["data-1gb"])]) -> ServiceOut:
        """A service in force, offered or not."""
        return ServiceOut.of(catalogue().service(code, clock.now()))

    declared = {"roles": PUBLIC, "tags": _TAGS}
    no_plan, no_service = [UnknownPlanError], [UnknownServiceError]
    api.get("/v1/plans", response=list[PlanOut], summary="Tariff plans", **declared)(plans)
    api.get("/v1/plans/{code}", response=PlanOut, summary="A tariff plan", errors=no_plan, **declared)(plan)
    api.get("/v1/services", response=list[ServiceOut], summary="Services", errors=no_plan, **declared)(services)
    api.get("/v1/services/{code}", response=ServiceOut, summary="A service", errors=no_service, **declared)(service)
