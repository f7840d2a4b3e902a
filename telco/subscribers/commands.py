"""What a subscriber types about himself: plan, services, language, PIN, advertising."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Audience, Interval, Plan, ServiceOffer
from telco.catalog.service import CatalogService
from telco.kernel.i18n import Language, Text
from telco.kernel.money import Money, Tiyn
from telco.sms import wording
from telco.sms.command import LANGUAGE, SERVICE, Answer, Argument, Choice, Context, Line, Question, command
from telco.subscribers.errors import ConsentAbsentError, ConsentGivenError, QuoteChangedError
from telco.subscribers.model import (
    ActiveService,
    ChangeTime,
    ConsentKind,
    DeviceKind,
    PlanQuote,
    PlanState,
    SecretKind,
    ServiceState,
)
from telco.subscribers.service import Subscribers


def _catalogue(ctx: Context) -> Catalogue:
    return ctx.services[CatalogService].current()


def _plan(ctx: Context) -> Plan:
    return _catalogue(ctx).plan_version(ctx.subscriber.plan_code, ctx.subscriber.plan_version)


_FEES: Mapping[Interval, str] = {
    Interval.DAY: Text("{money} a day").msgid,
    Interval.WEEK: Text("{money} a week").msgid,
    Interval.DAYS_28: Text("{money} for 28 days").msgid,
    Interval.DAYS_30: Text("{money} for 30 days").msgid,
    Interval.MONTH: Text("{money} a month").msgid,
}


def _fee(amount: Tiyn, interval: Interval) -> Text:
    return Text(_FEES[interval], money=Money(amount))


NOTHING = Text("There is nothing to choose.")


# The plan


@command(
    "subscribers.plan",
    Text("My plan"),
    path="2*1",
    keywords=("plan", "my plan", "тариф", "мой тариф", "тарифім"),
    changes=False,
    when_barred=True,
)
async def tell_plan(ctx: Context) -> Answer:
    """The plan, its price and the next fee. Contract: PSC-2.10"""
    plan, subscriber = _plan(ctx), ctx.subscriber
    lines: list[Line] = [plan.name.of(ctx.language)]
    if plan.fee:
        lines.append(_fee(plan.fee, plan.fee_interval))
    if subscriber.plan_state is PlanState.AWAITING_PAYMENT:
        lines.append(Text("Not paid yet: top up."))
    elif subscriber.next_fee_at is not None and plan.fee:
        lines.append(Text("Next fee: {day}", day=wording.day(subscriber.next_fee_at, ctx.now)))
    waiting = await ctx.services[Subscribers].plans.waiting(subscriber.subscriber_id)
    if waiting is not None:
        name = _catalogue(ctx).plan_version(waiting.to_plan, waiting.to_version).name.of(ctx.language)
        lines.append(Text("From {day}: {plan}", day=wording.day(waiting.effective_at, ctx.now), plan=name))
    return Answer(*lines)


async def _plans(ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    subscriber = ctx.subscriber
    audience = Audience.M2M if subscriber.device_kind is DeviceKind.M2M else Audience(subscriber.party_kind)
    plans = _catalogue(ctx).plans(ctx.now, subscriber.brand, audience)
    return [_plan_choice(plan, ctx.language) for plan in plans if plan.settlement == subscriber.settlement]


def _plan_choice(plan: Plan, language: Language) -> Choice:
    names = (plan.name.kk, plan.name.ru, plan.name.en)
    return Choice(plan.number, plan.name.of(language), plan.code, (*plan.keywords, plan.code, *names))


async def _moments(ctx: Context, values: Mapping[str, str]) -> Sequence[Choice]:
    """When the change can happen, each with its price."""
    plans = ctx.services[Subscribers].plans
    identity = ctx.subscriber.subscriber_id
    now = await plans.quote(identity, values["plan"], ChangeTime.NOW, ctx.origin)
    later = await plans.quote(identity, values["plan"], ChangeTime.NEXT_PERIOD, ctx.origin)
    choices = [Choice("1", Text("Now, {money}", money=_cost(now)), ChangeTime.NOW, ("now", "сейчас", "қазір"))]
    if later.when is ChangeTime.NEXT_PERIOD:
        label = Text("From {day}, {money}", day=wording.day(later.effective_at, ctx.now), money=_cost(later))
        choices.append(Choice("2", label, ChangeTime.NEXT_PERIOD, ("later", "потом", "кейін")))
    return choices


def _cost(quote: PlanQuote) -> Text:
    if quote.cost < 0:
        return Text("{money} comes back", money=Money(-quote.cost))
    return Text("{money}", money=Money(quote.cost)) if quote.cost else Text("free")


async def _ask_plan(ctx: Context, plan: str, when: str) -> Answer:
    """Show exactly what is confirmed: the plan, when, what it costs, what ends. Contract: PSC-1.1.5"""
    quote = await ctx.services[Subscribers].plans.quote(
        ctx.subscriber.subscriber_id, plan, ChangeTime(when), ctx.origin
    )
    to_plan = _catalogue(ctx).plan_version(quote.to_plan, quote.to_version)
    name = to_plan.name.of(ctx.language)
    if quote.when is ChangeTime.NOW:
        lines: list[Line] = [Text("{plan} now: {money}.", plan=name, money=_cost(quote))]
    else:
        day = wording.day(quote.effective_at, ctx.now)
        lines = [Text("{plan} from {day}: {money}.", plan=name, day=day, money=_cost(quote))]
    if quote.volumes_end:
        lines.append(Text("What is left of the volumes of this period ends."))
    if quote.services_ending:
        lines.append(Text("Will end: {services}.", services=_names(ctx, quote.services_ending)))
    return Question(*lines, details=(to_plan.summary.of(ctx.language),), state=_stored(quote))


def _names(ctx: Context, codes: Sequence[str]) -> str:
    return wording.joined(_offer_name(ctx, code) for code in codes)


def _offer_name(ctx: Context, code: str) -> str:
    versions = _catalogue(ctx).service_versions.get(code)
    return versions[-1].name.of(ctx.language) if versions else code


def _stored(quote: PlanQuote) -> dict[str, Any]:
    """A quote as the question keeps it until the answer."""
    return {**asdict(quote), "effective_at": quote.effective_at.isoformat()}


def _restored(state: Mapping[str, Any]) -> PlanQuote:
    return PlanQuote(
        **{
            **state,
            "when": ChangeTime(state["when"]),
            "effective_at": datetime.fromisoformat(state["effective_at"]),
            "services_ending": tuple(state["services_ending"]),
        }
    )


@command(
    "subscribers.change_plan",
    Text("Change plan"),
    path="2*2",
    keywords=("plans", "change plan", "тарифы", "сменить тариф", "тарифтер", "тариф ауыстыру"),
    arguments=(
        Argument(
            "plan",
            Text("Choose a plan:"),
            "1",
            choices=_plans,
            standalone=True,
            empty=NOTHING,
        ),
        Argument("when", Text("When?"), "1", choices=_moments),
    ),
    confirm=_ask_plan,
)
async def change_plan(ctx: Context, state: Mapping[str, Any], **_said: str) -> Answer:
    """Change the plan as quoted. Contract: PSC-1.1.5, PSC-1.1.22, PSC-3.1.11"""
    quote = _restored(state)
    name = _catalogue(ctx).plan_version(quote.to_plan, quote.to_version).name.of(ctx.language)
    done = quote
    already = (ctx.subscriber.plan_code, ctx.subscriber.plan_version) == (quote.to_plan, quote.to_version)
    if not already:  # the answer to a change that was made by the same message before a crash
        done = await ctx.services[Subscribers].plans.change(quote, ctx.origin)
    if done.when is ChangeTime.NOW:
        return Answer(Text("Your plan is now {plan}.", plan=name))
    return Answer(Text("Your plan from {day}: {plan}.", day=wording.day(done.effective_at, ctx.now), plan=name))


@command(
    "subscribers.keep_plan",
    Text("Cancel the plan change"),
    path="2*3",
    keywords=("keep plan", "отменить смену тарифа", "тарифті қалдыру"),
)
async def keep_plan(ctx: Context) -> Answer:
    """Give up a change that waits for the next period."""
    await ctx.services[Subscribers].plans.cancel_change(ctx.subscriber.subscriber_id, ctx.origin)
    return Answer(Text("The plan change is cancelled. Your plan: {plan}.", plan=_plan(ctx).name.of(ctx.language)))


# Additional services


def _service_line(ctx: Context, service: ActiveService) -> Text:
    offer = _catalogue(ctx).service_version(service.code, service.version)
    name = offer.name.of(ctx.language)
    if service.state is ServiceState.AWAITING_PAYMENT:
        return Text("{service}: not paid, top up", service=name)
    if service.until_at is not None:
        return Text("{service}: until {day}", service=name, day=wording.last_day(service.until_at, ctx.now))
    if offer.fee_interval is not None and offer.price:
        return Text("{service}: {fee}", service=name, fee=_fee(offer.price, offer.fee_interval))
    return Text("{service}", service=name)


@command(
    "subscribers.services",
    Text("My services"),
    path="3*1",
    keywords=("services", "my services", "услуги", "мои услуги", "қызметтер", "қызметтерім"),
    changes=False,
    when_barred=True,
)
async def tell_services(ctx: Context) -> Answer:
    """The services that are on, with their ends and prices. Contract: PSC-1.1.5"""
    on = await ctx.services[Subscribers].services.on(ctx.subscriber.subscriber_id)
    if not on:
        return Answer(Text("No additional services are on."))
    return Answer(*(_service_line(ctx, service) for service in on))


async def _offers(ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    return [_offer_choice(offer, ctx.language) for offer in _catalogue(ctx).services(ctx.now, _plan(ctx))]


def _offer_choice(offer: ServiceOffer, language: Language) -> Choice:
    price = Money(offer.price if offer.price else offer.event_price or Tiyn(0))
    label = Text("{service}, {money}", service=offer.name.of(language), money=price)
    names = (offer.name.kk, offer.name.ru, offer.name.en)
    return Choice(offer.number, label, offer.code, (*offer.keywords, offer.code, *names))


async def _ask_service_on(ctx: Context, service: str) -> Answer:
    offer = _catalogue(ctx).service(service, ctx.now)
    return Question(
        Text("Switch on {service}?", service=offer.name.of(ctx.language)),
        details=(offer.summary.of(ctx.language),),
        state={"version": offer.version},
    )


@command(
    "subscribers.service_on",
    Text("Switch on a service"),
    path="3*2",
    keywords=("on", "connect", "подключить", "қосу"),
    arguments=(
        Argument(
            "service",
            Text("Choose a service:"),
            "1",
            choices=_offers,
            standalone=True,
            empty=NOTHING,
        ),
    ),
    confirm=_ask_service_on,
)
async def service_on(ctx: Context, state: Mapping[str, Any], service: str) -> Answer:
    """Switch a service on for the price that was shown. Contract: PSC-3.1.11, PSC-3.2.15"""
    if _catalogue(ctx).service(service, ctx.now).version != state["version"]:
        raise QuoteChangedError
    order = await ctx.services[Subscribers].services.switch_on(
        ctx.subscriber.subscriber_id, service, ctx.origin, ctx.request_id
    )
    name = _offer_name(ctx, order.service.code)
    lines: list[Line] = [Text("{service} is on.", service=name)]
    if order.charged:
        lines.append(Text("Taken: {money}.", money=Money(order.charged)))
    if order.service.until_at is not None:
        lines.append(Text("Valid until {day}.", day=wording.last_day(order.service.until_at, ctx.now)))
    return Answer(*lines)


async def _on(ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    """The services that are on, under their numbers in the list of all."""
    choices: dict[str, Choice] = {}
    for service in await ctx.services[Subscribers].services.on(ctx.subscriber.subscriber_id):
        offer = _catalogue(ctx).service_version(service.code, service.version)
        names = (*offer.keywords, offer.code, offer.name.kk, offer.name.ru, offer.name.en)
        choices[offer.code] = Choice(offer.number, offer.name.of(ctx.language), offer.code, names)
    return sorted(choices.values(), key=lambda choice: int(choice.number))


@command(
    "subscribers.service_off",
    Text("Switch off a service"),
    path="3*3",
    keywords=("off", "stop", "disconnect", "отключить", "стоп", "өшіру", "тоқтату"),
    arguments=(
        Argument(SERVICE, Text("What to switch off?"), "1", choices=_on, empty=Text("No additional services are on.")),
    ),
)
async def service_off(ctx: Context, service: str) -> Answer:
    """Switch a service off at once. Contract: PSC-3.1.11, PSC-3.2.15"""
    await ctx.services[Subscribers].services.switch_off(ctx.subscriber.subscriber_id, service, ctx.origin)
    return Answer(Text("{service} is off.", service=_offer_name(ctx, service)))


@command(
    "subscribers.stop_all",
    Text("Stop all paid subscriptions"),
    path="3*4",
    keywords=("stop all", "off all", "стоп все", "отключить все", "барлығын өшіру", "бәрін тоқтату", "стоп бәрі"),
)
async def stop_all(ctx: Context) -> Answer:
    """Switch off every third-party service. Contract: PSC-3.2.15"""
    stopped = await ctx.services[Subscribers].services.stop_third_party(ctx.subscriber.subscriber_id, ctx.origin)
    if not stopped:
        return Answer(Text("You have no paid subscriptions."))
    return Answer(Text("Switched off: {services}.", services=_names(ctx, stopped)))


# Settings

LANGUAGES: Mapping[Language, str] = {Language.KK: "Қазақша", Language.RU: "Русский", Language.EN: "English"}
_LANGUAGE_KEYWORDS: Mapping[Language, tuple[str, ...]] = {
    Language.KK: ("kk", "kaz", "қазақ", "казахский"),
    Language.RU: ("ru", "rus", "орысша", "русский язык"),
    Language.EN: ("en", "eng", "ағылшынша", "английский"),
}


async def languages(_ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    """The languages that the service speaks."""
    return [
        Choice(str(number), name, language, (name, *_LANGUAGE_KEYWORDS[language]))
        for number, (language, name) in enumerate(LANGUAGES.items(), start=1)
    ]


@command(
    "subscribers.language",
    Text("Language"),
    path="8*1",
    keywords=("language", "язык", "тіл"),
    shortcuts={"қазақша": "1", "русский": "2", "english": "3"},
    arguments=(Argument(LANGUAGE, Text("Choose a language:"), "1", choices=languages),),
    when_barred=True,
)
async def choose_language(ctx: Context, language: str) -> Answer:
    """Choose the language of answers and notices; the answer is in it already."""
    chosen = Language(language)
    await ctx.services[Subscribers].set_language(ctx.subscriber.subscriber_id, chosen, ctx.origin)
    return Answer(CHOSEN[chosen])


CHOSEN: Mapping[Language, str] = {
    Language.KK: "Енді хабарламалар қазақ тілінде келеді.",
    Language.RU: "Теперь сообщения будут на русском языке.",
    Language.EN: "Messages will now be in English.",
}


@command(
    "subscribers.set_pin",
    Text("Set a PIN"),
    path="8*2",
    keywords=("pin", "пин", "пин код"),
    arguments=(Argument("pin", Text("Enter a new PIN, 4 to 8 digits:"), "2580"),),
)
async def set_pin(ctx: Context, pin: str) -> Answer:
    """Set the PIN that identifies the subscriber to the helpdesk and the cabinet. Contract: PSC-1.1.5"""
    await ctx.services[Subscribers].identification.set(ctx.subscriber.subscriber_id, SecretKind.PIN, pin, ctx.origin)
    return Answer(Text("The PIN is set. Tell it to nobody."))


@command(
    "subscribers.stop_advertising",
    Text("Stop advertising"),
    path="8*3",
    keywords=("stop ads", "stop smart", "стоп реклама", "стоп smart", "жарнаманы тоқтату", "жарнама стоп"),
    when_barred=True,
)
async def stop_advertising(ctx: Context) -> Answer:
    """Leave promotional messages ("SMART"). Contract: PSC-3.1.9"""
    try:
        await ctx.services[Subscribers].consents.withdraw(
            ctx.subscriber.subscriber_id, ConsentKind.MARKETING, ctx.origin
        )
    except ConsentAbsentError:
        return Answer(Text("You get no advertising from us."))
    return Answer(Text("You will get no more advertising from us."))


@command(
    "subscribers.get_advertising",
    Text("Get advertising again"),
    path="8*7",
    keywords=("start ads", "start smart", "старт реклама", "старт smart", "жарнама алу", "жарнаманы қосу"),
)
async def get_advertising(ctx: Context) -> Answer:
    """Join promotional messages ("SMART") again. Contract: PSC-3.1.9"""
    try:
        await ctx.services[Subscribers].consents.give_again(
            ctx.subscriber.subscriber_id, ConsentKind.MARKETING, ctx.origin
        )
    except ConsentGivenError:
        return Answer(Text("You get our offers already."))
    return Answer(Text("You will get our offers again."))
