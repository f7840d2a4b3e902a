"""What a subscriber types about his device: what is paid, what is left, when the next part is due."""

from __future__ import annotations

from telco.billing.instalments.model import AgreementState
from telco.billing.instalments.service import Instalments
from telco.kernel.calendar import Calendar
from telco.kernel.i18n import Text
from telco.kernel.money import Money
from telco.sms import wording
from telco.sms.command import Answer, Context, Line, command

SHOWN = 3
_CALENDAR = Calendar()


@command(
    "instalments.tell",
    Text("My instalment"),
    path="8*6*4",
    keywords=("instalment", "my instalment", "рассрочка", "моя рассрочка", "бөліп төлеу", "менің бөліп төлеуім"),
    changes=False,
    when_barred=True,
)
async def tell_instalments(ctx: Context) -> Answer:
    """Each open agreement: the device, the next part with its day, what is left. Contract: PSC-3.2.12"""
    standings = await ctx.services[Instalments].of_subscriber(ctx.subscriber.subscriber_id)
    lines: list[Line] = []
    for standing in [one for one in standings if one.agreement.state is AgreementState.OPEN][:SHOWN]:
        part = standing.next_part
        lines.append(standing.agreement.device)
        if part is not None:
            day = wording.day(_CALENDAR.start_of_day(part.due_on), ctx.now)
            lines.append(Text("Next part: {money} on {day}", money=Money(part.amount), day=day))
        lines.append(Text("Left: {money}", money=Money(standing.open_rest)))
    return Answer(*lines) if lines else Answer(Text("You have no device instalments."))
