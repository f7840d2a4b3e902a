"""What a debtor types: that he objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telco.billing.collection.service import Collection
from telco.kernel.i18n import Text
from telco.sms.command import Answer, Context, Question, command

NOTHING = Text("You have no unpaid invoice to object to.")


async def _ask(ctx: Context) -> Answer:
    numbers = await ctx.services[Collection].objections.open_to(ctx.subscriber.account)
    if not numbers:
        return Answer(NOTHING)
    return Question(Text("Object to {n} unpaid invoices? We will check them and answer.", n=len(numbers)))


@command(
    "collection.object",
    Text("Object to a debt"),
    path="8*8",
    keywords=("object", "objection", "возражаю", "возражение", "қарсымын", "қарсылық"),
    confirm=_ask,
    when_barred=True,
)
async def object_to_debt(ctx: Context, _state: Mapping[str, Any]) -> Answer:
    """Object to every unpaid invoice: in the term after the notice none is acknowledged. Contract: PSC-3.1.4-1"""
    made = await ctx.services[Collection].objections.register_all(
        ctx.subscriber.account,
        ctx.message or "object",
        channel=ctx.channel,
        author="subscriber",
        request_id=ctx.request_id,
    )
    if not made:
        return Answer(NOTHING)
    return Answer(Text("Your objection is registered: {numbers}.", numbers=", ".join(debt.number for debt in made)))
