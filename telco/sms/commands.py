"""What a subscriber types to the message service itself: call me, help."""

from __future__ import annotations

from telco.kernel.i18n import Text
from telco.kernel.msisdn import Msisdn, parse_msisdn
from telco.sms.call_me import CallMe, CallMeStatus
from telco.sms.command import Answer, Argument, Context, command
from telco.subscribers.service import Subscribers


@command(
    "sms.call_me",
    Text("Call me"),
    path="7",
    keywords=("call me", "callme", "перезвони", "перезвони мне", "маған хабарлас", "қоңырау шал"),
    arguments=(Argument("number", Text("Whose call do you want? Number:"), "87011234567", parse=parse_msisdn),),
)
async def call_me(ctx: Context, number: str) -> Answer:
    """Ask another number, free of charge, to call back."""
    service = ctx.services[CallMe]
    reader = await ctx.services[Subscribers].find(Msisdn(number))
    language = reader.language if reader else ctx.language
    answer = await service.ask(ctx.msisdn, Msisdn(number), language, ctx.request_id)
    match answer.status:
        case CallMeStatus.SENT:
            return Answer(
                Text("The request is sent to +{number}. Left today: {left}.", number=number, left=answer.left_today)
            )
        case CallMeStatus.OWN_NUMBER:
            return Answer(Text("This is your own number."))
        case CallMeStatus.DAILY_LIMIT:
            return Answer(Text("No more than {limit} requests a day.", limit=service.limits.per_day))
        case CallMeStatus.MONTHLY_LIMIT:
            return Answer(Text("No more than {limit} requests a month.", limit=service.limits.per_month))


@command(
    "sms.help",
    Text("Help"),
    path="8*4",
    keywords=("help", "info", "помощь", "справка", "көмек", "анықтама"),
    changes=False,
    when_barred=True,
)
async def tell_help(ctx: Context) -> Answer:
    """How to find one's way, and the free helpdesk number. Contract: PSC-3.2.5, PSC-2.10"""
    return Answer(
        Text("Helpdesk: {number}, free.", number=ctx.codes.helpdesk_of(ctx.known)),
        Text("Menu: *{root}#", root=ctx.codes.root),
        Text("SMS to {root}: BALANCE, PLANS, ON, OFF, CARD.", root=ctx.codes.root),
    )
