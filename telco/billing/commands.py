"""What a subscriber types about money: balance, payment card, trust payment, last charges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from telco.billing import entries
from telco.billing.cards import CODE_DIGITS, PaymentCards
from telco.billing.model import Activation, ActivationStatus, TrustAnswer, TrustStatus
from telco.billing.trust import TrustPayments
from telco.catalog.service import CatalogService
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.kernel.money import Money
from telco.kernel.units import Unit
from telco.ledger.model import MAIN
from telco.ledger.service import Ledger
from telco.ledger.views import AccountView, BucketView, StatementEntry
from telco.sms import wording
from telco.sms.command import Answer, Argument, Context, Line, Question, command
from telco.subscribers.model import Channel, PlanState

LAST_CHARGES = 5

# Balance


@command(
    "billing.balance",
    Text("Balance"),
    path="1",
    keywords=("balance", "баланс", "теңгерім", "остаток", "қалдық", "bal"),
    changes=False,
    when_barred=True,
)
async def tell_balance(ctx: Context) -> Answer:
    """The balance and what is left of each allowance, with its end. Contract: PSC-2.7, PSC-1.1.12"""
    view = await ctx.services[Ledger].balances(ctx.subscriber.account)
    lines: list[Line] = [Text("Balance: {money}", money=Money(view.main))]
    if view.credit_limit:
        left = Money(view.buckets[0].available)
        lines.append(Text("Left of the credit limit: {money}", money=left))
    lines += [_bucket_line(ctx, bucket) for bucket in _left(view)]
    if ctx.subscriber.plan_state is PlanState.AWAITING_PAYMENT:
        lines.append(Text("The plan is not paid yet: top up."))
    return Answer(*lines)


def _left(view: AccountView) -> Iterator[BucketView]:
    return (bucket for bucket in view.buckets if bucket.code != MAIN and bucket.available > 0)


MONEY_BUCKETS: Mapping[str, Text] = {"bonus": Text("Bonus"), "trust": Text("Trust payment")}


def _bucket_line(ctx: Context, bucket: BucketView) -> Text:
    if bucket.unit is Unit.MONEY:
        name: Line = MONEY_BUCKETS.get(bucket.code, MONEY_BUCKETS["bonus"])
        left: Line | Money = Money(bucket.available)
    else:
        kind = ctx.services[CatalogService].current().allowance_types.get(bucket.code)
        name = kind.names.of(ctx.language) if kind else bucket.code
        left = wording.quantity(bucket.unit, bucket.available)
    if bucket.valid_until is None:
        return Text("{name}: {left}", name=name, left=left)
    return Text("{name}: {left} until {day}", name=name, left=left, day=wording.last_day(bucket.valid_until, ctx.now))


# Payment cards


class CardCodeError(DomainError):
    """A payment card's code has {digits} digits."""

    code = "card_code"
    status = 422
    digits: int


def _card_code(typed: str) -> str:
    digits = "".join(character for character in typed if character in "0123456789")
    if len(digits) != CODE_DIGITS:
        raise CardCodeError(digits=CODE_DIGITS)
    return digits


@command(
    "billing.activate_card",
    Text("Payment card"),
    path="4",
    keywords=("card", "top up", "карта", "пополнить", "карточка", "толтыру"),
    arguments=(
        Argument(
            "code",
            Text("Enter the {n} digits of the card:", n=CODE_DIGITS),
            "12345678901234",
            parse=_card_code,
        ),
    ),
    when_barred=True,
)
async def activate_card(ctx: Context, code: str) -> Answer:
    """Top up by a payment card's code. Contract: PSC-1.1.10, PSC-3.1.5.4, PSC-4.1"""
    activation = await ctx.services[PaymentCards].activate(ctx.subscriber, code, ctx.request_id)
    return Answer(*_activation_lines(activation))


def _activation_lines(activation: Activation) -> Iterator[Text]:
    match activation.status:
        case ActivationStatus.CREDITED:
            yield Text("Topped up by {money}.", money=Money(activation.face_value))
            if activation.trust_repaid:
                yield Text("Trust payment repaid: {money}.", money=Money(activation.trust_repaid))
            yield Text("Balance: {money}", money=Money(activation.balance))
        case ActivationStatus.COMMAND_BLOCKED:
            assert activation.blocked_until is not None
            until = wording.time(activation.blocked_until)
            yield Text("Too many wrong codes. Cards can be activated again from {time}.", time=until)
        case ActivationStatus.WRONG_CODE:
            yield Text("Wrong card code. Tries left: {tries}.", tries=activation.tries_left)
        case ActivationStatus.CARD_BLOCKED:
            yield Text("This card is blocked. Please call the helpdesk.")
        case ActivationStatus.CARD_USED:
            yield Text("This card has already been used.")
        case ActivationStatus.CARD_EXPIRED:
            yield Text("This card has expired.")


# Trust payment


async def _ask_trust(ctx: Context) -> Answer:
    trust = ctx.services[TrustPayments]
    terms, status = trust.terms, await trust.check(ctx.subscriber)
    if status is not TrustStatus.GIVEN:
        return Answer(_trust_line(ctx, TrustAnswer(status, terms)))
    return Question(
        Text(
            "Trust payment {money} for {days} days, fee {price}.",
            money=Money(terms.amount),
            days=terms.usable_days,
            price=Money(terms.price),
        ),
        details=(Text("The fee is taken with the debt at the next top-up."),),
    )


@command(
    "billing.trust_payment",
    Text("Trust payment"),
    path="5",
    keywords=("trust", "credit", "доверительный платеж", "доверие", "сенім төлемі", "сенім"),
    confirm=_ask_trust,
)
async def trust_payment(ctx: Context, _state: Mapping[str, Any]) -> Answer:
    """Services against the next top-up, with the consent that the confirmation expresses. Contract: PSC-3.1.6"""
    answer = await ctx.services[TrustPayments].give(ctx.subscriber, ctx.request_id)
    return Answer(_trust_line(ctx, answer))


def _trust_line(ctx: Context, answer: TrustAnswer) -> Text:
    terms = answer.terms
    match answer.status:
        case TrustStatus.GIVEN:
            assert answer.usable_until is not None
            until = wording.last_day(answer.usable_until, ctx.now)
            return Text("Trust payment given: {money}, until {day}.", money=Money(terms.amount), day=until)
        case TrustStatus.NOT_PREPAID:
            return Text("The trust payment is for prepaid plans.")
        case TrustStatus.ALREADY_OPEN:
            return Text("First repay the trust payment you have: top up.")
        case TrustStatus.TOO_NEW:
            return Text("The trust payment is given after {days} days with us.", days=terms.least_tenure_days)
        case TrustStatus.BALANCE_TOO_HIGH:
            most = Money(terms.highest_balance)
            return Text("The trust payment is given when the balance is {money} or less.", money=most)
        case TrustStatus.BALANCE_TOO_LOW:
            return Text("The trust payment is not given while there is a debt: top up.")


# Last charges


@command(
    "billing.charges",
    Text("Last charges"),
    path="6*3",
    keywords=("charges", "last", "списания", "расходы", "шығындар", "шегерімдер"),
    changes=False,
)
async def tell_charges(ctx: Context) -> Answer:
    """The last five charges in money or allowances. Contract: PSC-1.1.12"""
    charges = await ctx.services[Ledger].statement(ctx.subscriber.account, LAST_CHARGES, kinds=entries.CHARGES)
    if not charges:
        return Answer(Text("There were no charges yet."))
    return Answer(*(_charge_line(ctx, entry) for entry in charges))


def _charge_line(ctx: Context, entry: StatementEntry) -> Text:
    """A line of USSD leaves out the hour, so that two fit a page."""
    when = wording.day(entry.at, ctx.now)
    if ctx.channel is not Channel.USSD:
        when = f"{when} {wording.time(entry.at)}"
    return Text("{when} {what}: {taken}", when=when, what=entries.name(entry), taken=_taken(entry))


def _taken(entry: StatementEntry) -> Line | Money:
    """The money; of a charge paid by allowances alone, what it took of them."""
    if entry.cost_tiyn == 0:
        for line in entry.lines:
            if line.amount < 0 and line.unit is not Unit.MONEY:
                return wording.quantity(line.unit, -line.amount)
    return Money(entry.cost_tiyn)
