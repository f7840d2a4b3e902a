"""The office and its bank: money back is approved, paid or returned; limits are decided; devices are paid."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from telco.app import App
from telco.audits import audit_all
from telco.billing.instalments.model import AgreementState
from telco.billing.refunds.model import RefundState
from telco.kernel.calendar import ZONE
from telco.kernel.clock import ManualClock
from telco.kernel.money import tenge
from telco.kernel.msisdn import Msisdn
from telco.simulation import people
from telco.simulation.actions import Doer, Tally
from telco.simulation.bank import CLOSED_ACCOUNT, PAYERS_ACCOUNT
from telco.simulation.due import DueJobs
from telco.simulation.engine import Simulation, day_of
from telco.simulation.model import Act, Actor, Kind
from telco.subscribers.model import PartyKind
from tests.simulation.conftest import SMALL, checks_that_speak

MONDAY = 11  # 12 January 2026


class Days:
    """Days on which exactly these acts happen."""

    def __init__(self, app: App, clock: ManualClock) -> None:
        self.app, self.clock = app, clock
        self.actors = people.population(SMALL)
        self._places = people.numbers_of(self.actors)
        self._doer = Doer(app, self.actors)
        self._jobs = DueJobs(app)
        self._number = 0

    def person(self, nth: int) -> Actor:
        return [actor for actor in self.actors if actor.kind is PartyKind.PERSON and not actor.device][nth]

    def number_of(self, actor: Actor) -> Msisdn:
        return people.msisdn_of(self._places[actor.index], 0)

    def begin(self, number: int) -> None:
        """Go to a day without living through those before it."""
        self._number = number

    async def day(self, acts: list[Act], *, again: bool = False) -> Tally:
        """Live through a day and the night after it; `again` carries everything out twice, as after a stop."""
        await self._doer.prepare()
        day = day_of(self._number)
        self._go_to(day, time(11))
        tally = await self._doer.carry_out(acts, f"sim:{self._number}:day")
        if again:
            await self._doer.carry_out(acts, f"sim:{self._number}:day")
        await self._jobs.settle(night=False)
        self._number += 1
        self._go_to(day + timedelta(days=1), time(0, 5))
        await self._jobs.settle(night=True)
        return tally

    def _go_to(self, day: date, hour: time) -> None:
        self.clock.advance(datetime.combine(day, hour, tzinfo=ZONE) - self.clock.now())

    async def main(self, actor: Actor) -> int:
        subscriber = await self.app.database.fetchrow(
            "select b.balance from subscribers.subscription s join ledger.bucket b using (shard, account_id) "
            "where s.msisdn = $1 and b.bucket_no = 0",
            self.number_of(actor),
        )
        assert subscriber is not None
        return int(subscriber["balance"])

    async def states(self) -> list[tuple[str, RefundState]]:
        rows = await self.app.database.fetch("select iin_bin, state from refunds.refund order by request_id")
        return [(row["iin_bin"], RefundState(row["state"])) for row in rows]


@pytest.fixture
async def days(simulation: Simulation, service: tuple[App, ManualClock]) -> Days:
    return Days(*service)


def _asks(days: Days, actor: Actor, iban: str) -> Act:
    return Act(actor.index, Kind.ASK_REFUND, {"msisdn": days.number_of(actor), "iban": iban})


@pytest.mark.parametrize("shift", range(4))  # the statements' two forms, and which desk reads them first
async def test_money_left_goes_to_who_left(days: Days, shift: int) -> None:
    """Asked for from Monday to Thursday; ordered in its night, with the bank on the next working day, told and back.

    Everything of a day is carried out twice, as after a stop: it is done once.
    """
    one, other, third = (days.person(nth) for nth in range(3))
    people_ = (one, other, third)
    days.begin(MONDAY - 2 + shift)
    await days.day([Act(actor.index, Kind.JOIN, {"life": 0, "plan": "activ-simple"}) for actor in people_])
    left = [await days.main(actor) for actor in people_]
    assert min(left) > 0
    leave = [Act(a.index, Kind.LEAVE, {"msisdn": days.number_of(a), "in_days": 0}) for a in people_]
    await days.day(leave)
    asked = [_asks(days, one, PAYERS_ACCOUNT), _asks(days, other, CLOSED_ACCOUNT), _asks(days, third, "")]
    tally = await days.day(asked, again=True)
    assert (tally["ask_refund: bank"], tally["ask_refund: cash"]) == (2, 1)
    for _ in range(5):
        await days.day([], again=True)
    states = dict(await days.states())
    assert states == {
        one.iin_bin: RefundState.PAID,
        other.iin_bin: RefundState.RETURNED,
        third.iin_bin: RefundState.PAID,
    }
    assert [await days.main(actor) for actor in people_] == [0, left[1], 0]

    await days.day([_asks(days, other, PAYERS_ACCOUNT)])
    for _ in range(3):
        await days.day([])
    assert await days.main(other) == 0
    assert await audit_all(days.app.database, days.clock.now(), days.app.calendar) == []
    await _breaks_are_seen(days, REFUND_BREAKS)


async def test_limits_are_decided_and_devices_paid_in_parts(days: Days) -> None:
    """Asked for 50,000, 80,000, 150,000 and 200,000 tenge: granted, the half, refused, above the ceiling.

    A device of 25,000 in 3 parts: 2,500 down and 7,500 a month; another one is repaid before its time.
    """
    one, other, *_ = people_ = [days.person(nth) for nth in range(4)]
    numbers = [days.number_of(actor) for actor in people_]
    days.begin(MONDAY)
    await days.day([Act(actor.index, Kind.JOIN, {"life": 0, "plan": "kcell-status"}) for actor in people_])
    wanted = [tenge(50_000), tenge(80_000), tenge(150_000), tenge(200_000)]
    asked = [
        Act(actor.index, Kind.ASK_LIMIT, {"msisdn": number, "limit": limit})
        for actor, number, limit in zip(people_, numbers, wanted, strict=True)
    ]
    tally = await days.day(asked, again=True)
    assert {what: count for what, count in tally.items() if "limit" in what} == {
        "ask_limit: requested": 3,
        "ask_limit: credit_limit_ceiling": 1,
        "limit: decided": 3,
    }
    limits = {
        number: (await days.app.limits.standing(await days.app.subscribers.get(number))).limit for number in numbers
    }
    assert list(limits.values()) == [tenge(50_000), tenge(40_000), tenge(20_000), tenge(20_000)]

    terms = {"price": tenge(25_000), "months": 3, "down": tenge(2_500), "brought": tenge(15_000)}
    await days.day(
        [
            Act(actor.index, Kind.BUY_DEVICE, {"msisdn": number, "imei": imei, **terms})
            for actor, number, imei in zip((one, other), numbers, ("350000000000006", "490154203237518"), strict=False)
        ],
        again=True,
    )
    repay = [Act(one.index, Kind.REPAY_DEVICE, {"msisdn": numbers[0], "brought": tenge(22_500)})]
    assert (await days.day(repay, again=True))["repay_device: done"] == 1
    for _ in range(34):
        await days.day([])
    paid = {}
    for number in numbers[:2]:
        subscriber = await days.app.subscribers.get(number)
        [standing] = await days.app.instalments.of_subscriber(subscriber.subscriber_id)
        paid[standing.agreement.state] = standing.open_rest
    assert paid == {AgreementState.REPAID: 0, AgreementState.OPEN: tenge(15_000)}
    assert await audit_all(days.app.database, days.clock.now(), days.app.calendar) == []
    await _breaks_are_seen(days, CREDIT_BREAKS)


REFUND_BREAKS = {
    "refund_above_balance": """alter table ledger.operation disable trigger user;
        update ledger.operation set main_after = -1 where op_id ~ '^refund:[0-9]+$' and moved < 0""",
    "refund_twice": "update refunds.refund set amount_tiyn = amount_tiyn - 1 where state = 'paid'",
    "refund_ordered_twice": """insert into refunds.bank_file
        (request_id, iban, made_on, made_at, made_by, orders, total_tiyn, content)
        select 'again', iban, {today}, made_at, made_by, orders, total_tiyn, content from refunds.bank_file limit 1""",
    "refund_late": """update refunds.refund set registered_at = registered_at - interval '40 days'
        where state = 'paid' and way = 'bank'""",
}
CREDIT_BREAKS = {
    "limit_above_ceiling": "update ledger.bucket set credit_limit = 15000001 where credit_limit > 0",
    "limit_without_consent": "update ledger.bucket set credit_limit = 5000001 where credit_limit > 0",
    "instalment_schedule": "update instalments.part set due_on = due_on + 1 where part_no = 2",
    "instalment_booked": "update instalments.part set amount_tiyn = amount_tiyn + 1 where part_no = 1",
    "instalment_invoiced": """alter table invoicing.invoice_line disable trigger user;
        update invoicing.invoice_line set amount_tiyn = amount_tiyn * 2 where code = 'receivable.device'""",
}


async def _breaks_are_seen(days: Days, breaks: dict[str, str]) -> None:
    """Each break is found by its check, and without one these checks find nothing."""
    today = days.app.calendar.today(days.clock.now())
    nothing = await checks_that_speak(days.app, days.clock, today, "select")
    assert nothing.isdisjoint(breaks)
    for check, statements in breaks.items():
        assert check in await checks_that_speak(days.app, days.clock, today, statements), check
