"""Accession by electronic message: the owner of a starter pack becomes a subscriber by SMS or USSD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from telco.catalog.model import Audience, Plan, Settlement
from telco.catalog.service import CatalogService
from telco.kernel.i18n import Language, Text
from telco.kernel.iin_bin import parse_iin
from telco.kernel.money import Money
from telco.kernel.names import clean_text
from telco.sms.command import LANGUAGE, Answer, Argument, Choice, Context, Question, command
from telco.subscribers.commands import languages
from telco.subscribers.errors import PartyDataError
from telco.subscribers.model import PartyData, PartyKind, PlanState, RegistrationSheet
from telco.subscribers.service import Subscribers

MAX_NAME = 100


def _full_name(typed: str) -> str:
    name = clean_text(" ".join(typed.split()), field="full_name", max_length=MAX_NAME)
    if len(name.split()) < 2 or any(character.isdigit() for character in name):
        raise PartyDataError(field="full_name", why=Text("give the family name and the first name"))
    return name


def _iin(typed: str) -> str:
    return parse_iin("".join(character for character in typed if character not in " -"))


def _open_plans(ctx: Context) -> list[Plan]:
    plans = ctx.services[CatalogService].current().plans(ctx.now, audience=Audience.PERSON)
    return [plan for plan in plans if plan.settlement is Settlement.PREPAID and plan.group is None]


async def _brands(ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    brands = sorted({plan.brand for plan in _open_plans(ctx)})
    return [Choice(str(number), brand, brand, (brand,)) for number, brand in enumerate(brands, start=1)]


async def _plans(ctx: Context, values: Mapping[str, str]) -> Sequence[Choice]:
    return [
        Choice(plan.number, plan.name.of(ctx.language), plan.code, (*plan.keywords, plan.code))
        for plan in _open_plans(ctx)
        if plan.brand == values["brand"]
    ]


async def _ask(ctx: Context, **said: str) -> Answer:
    """Show what is acceded to; the yes to it accepts the published contract. Contract: PSC-2.3, PSC-3.1.13"""
    plan = ctx.services[CatalogService].current().plan(said["plan"], ctx.now)
    return Question(
        Text("{name}, {plan}, {money}.", name=said["name"], plan=plan.name.of(ctx.language), money=Money(plan.fee)),
        Text("Do you accept the public contract?"),
        state={"version": plan.version},
    )


@command(
    "subscribers.accede",
    Text("Become a subscriber"),
    path="8*5",
    keywords=("reg", "register", "регистрация", "рег", "тіркелу", "тіркеу"),
    arguments=(
        Argument(LANGUAGE, Text("Language:"), "1", choices=languages),
        Argument("brand", Text("Brand:"), "2", choices=_brands),
        Argument("plan", Text("Choose a plan:"), "1", choices=_plans),
        Argument("iin", Text("Your IIN, 12 digits:"), "900101300126", parse=_iin),
        Argument("name", Text("Your family name and first name:"), "ALIYEV ASKAR", parse=_full_name),
    ),
    confirm=_ask,
    strangers=True,
)
async def accede(ctx: Context, _state: Mapping[str, Any], **said: str) -> Answer:
    """Accede to the public contract with the number that the message came from. Contract: PSC-2.3, PSC-1.1.30"""
    if ctx.known is not None:
        return Answer(Text("You are a subscriber already."))
    accession = await ctx.services[Subscribers].accede_by_message(
        RegistrationSheet(
            request_id=ctx.request_id,
            party=PartyData(PartyKind.PERSON, said["iin"], said["name"]),
            plan_code=said["plan"],
            language=Language(said[LANGUAGE]),
            origin=ctx.origin,
            msisdn=ctx.msisdn,
            message=ctx.message,
        )
    )
    plan = ctx.services[CatalogService].current().plan_version(accession.plan_code, accession.plan_version)
    welcome = Text("Welcome! Your plan: {plan}.", plan=plan.name.of(Language(said[LANGUAGE])))
    if accession.plan_state is PlanState.AWAITING_PAYMENT:
        return Answer(welcome, Text("Not paid yet: top up."))
    return Answer(welcome)
