"""What a subscriber types about bonuses: balance, joining, leaving."""

from __future__ import annotations

from telco.billing.bonus.service import Bonuses
from telco.kernel.i18n import Text
from telco.kernel.money import Money
from telco.sms import wording
from telco.sms.command import Answer, Context, Line, Question, command
from telco.subscribers.errors import ConsentAbsentError, ConsentGivenError

SHOWN_BUCKETS = 3


@command(
    "bonus.balance",
    Text("Bonus balance"),
    path="8*6*1",
    keywords=("bonus", "bonuses", "бонус", "бонусы", "бонустар"),
    changes=False,
    when_barred=True,
)
async def tell_bonuses(ctx: Context) -> Answer:
    """Bonuses that can be spent, with their ends. Contract: PSC-3.1.9"""
    statement = await ctx.services[Bonuses].statement(ctx.subscriber.account)
    if statement.member is None:
        return Answer(Text("You are not in the bonus programme. To join: BONUS JOIN."))
    lines: list[Line] = [Text("Bonuses: {money}", money=Money(statement.available))]
    for bucket in statement.buckets[:SHOWN_BUCKETS]:
        if bucket.until is not None:
            until = wording.last_day(bucket.until, ctx.now)
            lines.append(Text("{money} until {day}", money=Money(bucket.left), day=until))
    return Answer(*lines)


@command(
    "bonus.join",
    Text("Join the bonus programme"),
    path="8*6*2",
    keywords=("bonus join", "bonus on", "бонус подключить", "бонус вступить", "бонусқа қосылу", "бонус қосу"),
)
async def join_bonuses(ctx: Context) -> Answer:
    """Join the bonus programme, for the first time or again. Contract: PSC-3.1.9"""
    try:
        await ctx.services[Bonuses].join(ctx.subscriber, ctx.origin)
    except ConsentGivenError:
        return Answer(Text("You are in the bonus programme already."))
    return Answer(Text("You are in the bonus programme now."))


async def _ask_leave(ctx: Context) -> Answer:
    statement = await ctx.services[Bonuses].statement(ctx.subscriber.account)
    if statement.member is None:
        return Answer(Text("You are not in the bonus programme. To join: BONUS JOIN."))
    return Question(
        Text("Leave the bonus programme? {money} of bonuses will be lost.", money=Money(statement.available))
    )


@command(
    "bonus.leave",
    Text("Leave the bonus programme"),
    path="8*6*3",
    keywords=("bonus leave", "bonus off", "бонус отключить", "бонус выйти", "бонустан шығу", "бонус өшіру"),
    confirm=_ask_leave,
    when_barred=True,
)
async def leave_bonuses(ctx: Context, _state: object) -> Answer:
    """Leave the bonus programme; what is left of bonuses is lost. Contract: PSC-3.1.9, PSC-6.5"""
    try:
        await ctx.services[Bonuses].leave(ctx.subscriber, ctx.origin)
    except ConsentAbsentError:
        return Answer(Text("You are not in the bonus programme. To join: BONUS JOIN."))
    return Answer(Text("You have left the bonus programme."))
