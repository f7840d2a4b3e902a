"""What a subscriber types to learn what plans and services are and cost, without choosing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from telco.catalog.model import Audience
from telco.catalog.service import CatalogService
from telco.kernel.i18n import Text
from telco.sms.command import SERVICE, Answer, Argument, Choice, Context, command
from telco.subscribers.model import DeviceKind


async def _plans(ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    subscriber = ctx.subscriber
    audience = Audience.M2M if subscriber.device_kind is DeviceKind.M2M else Audience(subscriber.party_kind)
    return [
        Choice(plan.number, plan.name.of(ctx.language), plan.code, (*plan.keywords, plan.code))
        for plan in ctx.services[CatalogService].current().plans(ctx.now, subscriber.brand, audience)
    ]


@command(
    "catalog.about_plan",
    Text("Prices of plans"),
    path="2*4",
    keywords=("price", "prices", "цены", "цена", "баға", "бағалар"),
    arguments=(
        Argument("plan", Text("Choose a plan:"), "1", choices=_plans, empty=Text("There is nothing to choose.")),
    ),
    changes=False,
)
async def about_plan(ctx: Context, plan: str) -> Answer:
    """A plan's price in a sentence, as it is published. Contract: PSC-2.8, PSC-2.10"""
    found = ctx.services[CatalogService].current().plan(plan, ctx.now)
    return Answer(found.name.of(ctx.language), found.summary.of(ctx.language))


async def _offers(ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    catalogue = ctx.services[CatalogService].current()
    plan = catalogue.plan_version(ctx.subscriber.plan_code, ctx.subscriber.plan_version)
    return [
        Choice(offer.number, offer.name.of(ctx.language), offer.code, (*offer.keywords, offer.code))
        for offer in catalogue.services(ctx.now, plan)
    ]


@command(
    "catalog.about_service",
    Text("About services"),
    path="3*5",
    keywords=("about", "об услуге", "қызмет туралы"),
    arguments=(
        Argument(SERVICE, Text("Choose a service:"), "1", choices=_offers, empty=Text("There is nothing to choose.")),
    ),
    changes=False,
)
async def about_service(ctx: Context, service: str) -> Answer:
    """A service's price, and its provider with his phone where it is a third party's. Contract: PSC-2.8-1, PSC-2.10"""
    found = ctx.services[CatalogService].current().service(service, ctx.now)
    return Answer(found.name.of(ctx.language), found.summary.of(ctx.language))
