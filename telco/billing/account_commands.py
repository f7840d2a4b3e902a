"""What a subscriber types about his personal account: what is due and when, payments, the credit limit, statements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from telco.billing import entries
from telco.billing.invoicing.limits import CreditLimits
from telco.billing.invoicing.model import AmountDue, LimitRequest, LimitState
from telco.billing.invoicing.service import Invoicing
from telco.billing.statements import Statements
from telco.catalog.model import Settlement
from telco.catalog.service import CatalogService
from telco.email.rules import masked
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.kernel.money import Money, Tiyn, tenge
from telco.kernel.units import Unit
from telco.ledger.service import Ledger
from telco.ledger.views import StatementEntry
from telco.sms import wording
from telco.sms.command import Answer, Argument, Choice, Context, Line, Question, command
from telco.subscribers.fees_ahead import FeeAhead
from telco.subscribers.model import Channel, FeeKind
from telco.subscribers.service import Subscribers

LAST_PAYMENTS = 5
LOOKED_THROUGH = 100
"""Credits among which the last payments are looked for: bonuses and gifts are credits, too."""
MOST_FEES = 4
MOST_LIMIT_DIGITS = 9
_WHOLE_TENGE = re.compile(r"(\d+|\d{1,3}(?:[.,]\d{3})+)(?:[.,]00?)?", re.ASCII)

# What is due


@command(
    "billing.due",
    Text("Amount due"),
    path="6*1",
    keywords=("due", "to pay", "к оплате", "долг", "сколько платить", "төлеуге", "қарыз"),
    changes=False,
    when_barred=True,
)
async def tell_due(ctx: Context) -> Answer:
    """What is to be paid and when: the debt of credit settlement; in prepaid the next fees and whether the balance
    pays them.

    Contract: PSC-1.1.17, PSC-3.2.4, PSC-4.3.1, PSC-4.3.2
    """
    if ctx.subscriber.settlement is Settlement.CREDIT:
        due = await ctx.services[Invoicing].due(ctx.subscriber.account)
        return Answer(*_credit_lines(due, ctx))
    fees = await ctx.services[Subscribers].fees_ahead.of(ctx.subscriber.subscriber_id)
    view = await ctx.services[Ledger].balances(ctx.subscriber.account)
    lines: list[Line] = []
    if view.main < 0:
        lines.append(Text("You owe {money}.", money=Money(-view.main)))
    lines += [_fee_line(fee, ctx) for fee in fees[:MOST_FEES]]
    if not fees:
        return Answer(*lines, Text("No fees are to come."))
    return Answer(*lines, _verdict(fees, Tiyn(view.available_money)))


def _credit_lines(due: AmountDue, ctx: Context) -> Iterator[Line]:
    if due.total_owed == 0:
        yield Text("Nothing is to be paid.")
        if due.advance:
            yield Text("Advance: {money}", money=Money(due.advance))
        return
    yield Text("You owe {money} in all.", money=Money(due.total_owed))
    if due.overdue:
        yield Text("Overdue: {money}. Please pay at once.", money=Money(due.overdue))
    in_time = Tiyn(due.invoiced_open - due.overdue)
    if in_time > 0:
        yield Text("By invoice: {money}", money=Money(in_time))
    if due.next_due_on is not None and not due.overdue:
        yield Text("Pay by {day}.", day=_short(due.next_due_on, ctx))
    later = Tiyn(due.total_owed - due.invoiced_open)
    if later > 0:
        yield Text("Not yet on an invoice: {money}", money=Money(later))


def _short(day: date, ctx: Context) -> str:
    return f"{day:%d.%m}" if day.year == ctx.now.year else f"{day:%d.%m.%Y}"


def _fee_line(fee: FeeAhead, ctx: Context) -> Text:
    catalogue = ctx.services[CatalogService].current()
    if fee.kind is FeeKind.PLAN:
        name = catalogue.plan_version(fee.code, fee.version).name.of(ctx.language)
    else:
        name = catalogue.service_version(fee.code, fee.version).name.of(ctx.language)
    money = Money(fee.amount)
    if fee.due_at is None:
        return Text("{name}: {money}, not paid yet", name=name, money=money)
    return Text("{name}: {money} on {day}", name=name, money=money, day=wording.day(fee.due_at, ctx.now))


def _verdict(fees: Sequence[FeeAhead], available: Tiyn) -> Text:
    """Whether the money there is pays what waits for it, or else what the next day takes."""
    due_at = fees[0].due_at
    missing = sum(fee.amount for fee in fees if fee.due_at == due_at) - available
    if missing > 0:
        return Text("{money} is missing: top up.", money=Money(missing))
    return Text("The balance pays it.")


# Payments


@command(
    "billing.payments",
    Text("Last payments"),
    path="6*2",
    keywords=("payments", "платежи", "последние платежи", "төлемдер", "соңғы төлемдер"),
    changes=False,
    when_barred=True,
)
async def tell_payments(ctx: Context) -> Answer:
    """The last five payments, whichever way they came, and those taken back. Contract: PSC-4.1, PSC-3.1.8"""
    found = await ctx.services[Ledger].statement(ctx.subscriber.account, LOOKED_THROUGH, kinds=entries.PAYMENTS)
    payments = [entry for entry in found if entries.is_payment(entry)][:LAST_PAYMENTS]
    if not payments:
        return Answer(Text("There were no payments yet."))
    return Answer(*(_payment_line(ctx, entry) for entry in payments))


def _payment_line(ctx: Context, entry: StatementEntry) -> Text:
    when = wording.day(entry.at, ctx.now)
    if ctx.channel is not Channel.USSD:
        when = f"{when} {wording.time(entry.at)}"
    money = Money(sum(line.amount for line in entry.lines if line.unit is Unit.MONEY))
    return Text("{when} {what}: {taken}", when=when, what=entries.name(entry), taken=money)


# The credit limit


class LimitFormatError(DomainError):
    """Write the limit in whole tenge, such as 30000."""

    code = "limit_format"
    status = 422


def _limit(typed: str) -> str:
    """Read whole tenge, as any of the languages writes them: three digits after a point or comma are thousands."""
    match = _WHOLE_TENGE.fullmatch("".join(typed.split()))
    digits = match[1].replace(",", "").replace(".", "") if match else ""
    if not 0 < len(digits) <= MOST_LIMIT_DIGITS:
        raise LimitFormatError
    return str(int(digits))


async def _ask_limit(ctx: Context, limit: str) -> Answer:
    standing = await ctx.services[CreditLimits].standing(ctx.subscriber)
    if tenge(limit) > standing.ceiling:
        return Answer(Text("The limit of your plan is at most {money}.", money=Money(standing.ceiling)))
    return Question(
        Text("Ask for a credit limit of {money}?", money=Money(tenge(limit))),
        details=(
            Text(
                "Now {limit}, at most {ceiling}.",
                limit=Money(standing.limit),
                ceiling=Money(standing.ceiling),
            ),
        ),
    )


@command(
    "billing.credit_limit",
    Text("Credit limit"),
    path="6*4",
    keywords=("limit", "credit limit", "лимит", "кредитный лимит", "шектеу", "несие шегі"),
    arguments=(Argument("limit", Text("Enter the limit in tenge:"), "30000", parse=_limit),),
    confirm=_ask_limit,
)
async def ask_limit(ctx: Context, _state: Mapping[str, Any], limit: str) -> Answer:
    """Ask for a credit limit; a lower one is the subscriber's own to set. Contract: PSC-3.2.6, PSC-4.3.2"""
    asked = await ctx.services[CreditLimits].ask(ctx.subscriber, tenge(limit), ctx.origin, ctx.request_id)
    return Answer(_limit_line(asked))


def _limit_line(asked: LimitRequest) -> Text:
    money = Money(asked.limit)
    match asked.state:
        case LimitState.GRANTED:
            return Text("Your credit limit is {money}.", money=money)
        case LimitState.REQUESTED:
            return Text("You asked for a credit limit of {money}. The answer will come by SMS.", money=money)
        case LimitState.REFUSED:
            return Text("The credit limit of {money} was not granted.", money=money)


# Statements


async def _months(ctx: Context, _values: Mapping[str, str]) -> Sequence[Choice]:
    """Nobody chooses a month who could not be sent it.

    Raises:
        EmailOffError, NoEmailError
    """
    statements = ctx.services[Statements]
    await statements.address(ctx.subscriber)
    months = await statements.months(ctx.subscriber)
    return [
        Choice(str(number), f"{month:%m.%Y}", month.isoformat(), (f"{month:%m.%Y}", f"{month:%m%Y}"))
        for number, month in enumerate(months, start=1)
    ]


async def _ask_statement(ctx: Context, month: str) -> Answer:
    """Say where it will go, so that a wrong address is noticed; only its owner knows it again."""
    address = await ctx.services[Statements].address(ctx.subscriber)
    return Question(
        Text(
            "Send the statement for {month} to {address}?",
            month=f"{date.fromisoformat(month):%m.%Y}",
            address=masked(address),
        )
    )


@command(
    "billing.statement",
    Text("Statement by e-mail"),
    path="6*5",
    keywords=("statement", "выписка", "детализация", "үзінді", "үзінді көшірме"),
    arguments=(Argument("month", Text("For which month?"), "1", choices=_months),),
    confirm=_ask_statement,
)
async def send_statement(ctx: Context, _state: Mapping[str, Any], month: str) -> Answer:
    """Send the itemised statement of a month to the registered address. Contract: PSC-1.1.12, PSC-1.1.30, PSC-3.2.7"""
    address = await ctx.services[Statements].send(ctx.subscriber, date.fromisoformat(month), ctx.language)
    return Answer(Text("The statement is on its way to {address}.", address=address))
