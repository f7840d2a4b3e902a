"""Bonuses are earned by the rules of the catalogue, each once, and are zeroed by whoever leaves. Contract: PSC-3.1.9"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from telco.billing.bonus.audit import audit, missed_days, recompute
from telco.billing.instalments.model import Sale
from telco.catalog.model import Service
from telco.charging.model import Result, UsageRequest
from telco.kernel.clock import ManualClock
from telco.kernel.money import div_half_up, tenge
from telco.ledger import model as ledger_model
from telco.subscribers.errors import ConsentAbsentError, ConsentGivenError
from telco.subscribers.model import ChangeTime, Channel, ConsentKind, EndGround, Subscriber, by_subscriber
from tests.world import CLERK, World

pytestmark = pytest.mark.clause("PSC-3.1.9")
BY_SMS = by_subscriber(Channel.SMS)


async def joined(world: World, money: str = "1000") -> Subscriber:
    """Accede on a plan without a fee, with the programme's consent that accession gives."""
    subscriber = await world.subscriber("kcell-free", money=money)
    await world.outbox.drain()
    return subscriber


async def sms(world: World, subscriber: Subscriber, count: int, name: str = "sms") -> None:
    """Send messages on the own network: 20 tenge each."""
    for number in range(count):
        request = UsageRequest(f"{name}-{number}", subscriber.msisdn, Service.SMS, other="77019999999")
        await world.charging.event(request)


async def test_a_month_earns_and_is_credited_once_when_it_is_over(world: World) -> None:
    one = await joined(world)  # on 2 March
    await sms(world, one, 10)  # 200 tenge
    world.clock.advance(timedelta(days=1))
    await world.bonuses.run()
    statement = await world.bonuses.statement(one.account)
    # 200 tenge at 3 % are 6 tenge; 1,000 tenge paid in at 0.5 % are 5: in ten-thousandths of a tiyn
    assert {rule.rule: rule.earned_e4 for rule in statement.months[0].rules} == {
        "usage": 20_000 * 300,
        "top-ups": 100_000 * 50,
    }
    assert statement.available == 0
    world.clock.advance(timedelta(days=29))  # 1 April
    assert (await world.bonuses.run())["credited_tiyn"] == tenge(11)
    assert (await world.bonuses.run())["credited_tiyn"] == 0
    assert await world.left(one, "bonus") == tenge(11)


async def test_who_leaves_has_nothing_and_who_comes_back_begins_anew(world: World) -> None:
    one = await joined(world)
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=30))  # 1 April
    await world.bonuses.run()
    assert await world.left(one, "bonus") == tenge(11)
    await world.bonuses.leave(one, BY_SMS)
    assert await world.left(one, "bonus") == 0
    world.clock.advance(timedelta(minutes=1))
    await sms(world, one, 10, "outside")
    world.clock.advance(timedelta(minutes=1))
    await world.bonuses.join(one, BY_SMS)
    world.clock.advance(timedelta(days=31))
    await world.bonuses.run()
    assert await world.left(one, "bonus") == 0


async def test_what_is_reversed_is_taken_back_whole(world: World) -> None:
    one = await joined(world, "0")
    await sms(world, one, 0)
    await world.pay(one.account, "1000", "pay")
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=30))
    await world.bonuses.run()
    assert await world.left(one, "bonus") == tenge(11)
    await world.ledger.submit(ledger_model.reverse(one.account, "back", target="event:sms-3"))
    world.clock.advance(timedelta(days=1))
    run = await world.bonuses.run()
    assert run["taken_back_tiyn"] == 60  # 20 tenge at 3 %
    assert await world.left(one, "bonus") == tenge("10.40")


async def test_unused_days_given_back_are_taken_from_the_month_of_their_fee(world: World) -> None:
    world.clock.advance(datetime(2026, 3, 29, 6, tzinfo=UTC) - world.clock.now())
    one = await world.subscriber("activ-week", money="2000")  # 890 tenge for the week that ends on 4 April
    await world.outbox.drain()
    world.clock.advance(timedelta(days=3))  # 1 April
    await world.bonuses.run()
    before = await world.left(one, "bonus")
    assert before == tenge("18.90")  # 890 tenge at 1 %, 2,000 tenge paid in at 0.5 %
    plans = world.subscribers.plans
    quote = await plans.quote(one.subscriber_id, "kcell-free", ChangeTime.NOW, CLERK)
    assert quote.refund > 0
    await plans.change(quote, CLERK)
    world.clock.advance(timedelta(days=1))
    run = await world.bonuses.run()
    assert run["taken_back_tiyn"] == div_half_up(quote.refund, 100)
    assert await audit(world.database) == []
    assert await recompute(world.database, world.catalog.current(), world.calendar, date(2026, 3, 1)) == []


async def roam(world: World, subscriber: Subscriber, name: str) -> Result:
    """Send a message from a partner's network in Russia."""
    request = UsageRequest(name, subscriber.msisdn, Service.SMS, other="77019999999", visited="25001")
    return (await world.charging.event(request)).result


async def with_bonuses(world: World, money: str = "1000") -> Subscriber:
    """A member with 500 tenge of bonuses, from his birthday: people of these tests are born on 1 January."""
    world.clock.advance(datetime(2026, 12, 1, 6, tzinfo=UTC) - world.clock.now())
    one = await joined(world, money)
    world.clock.advance(timedelta(days=31))  # 1 January 2027, a month with the operator
    await world.bonuses.run()
    assert await world.left(one, "bonus") >= tenge(500)
    return one


async def test_bonuses_pay_before_money_but_not_in_roaming_nor_for_a_device(world: World) -> None:
    one = await with_bonuses(world, "20000")
    had, main = await world.left(one, "bonus"), await world.main(one)
    await sms(world, one, 1)
    assert (await world.left(one, "bonus"), await world.main(one)) == (had - tenge(20), main)
    await roam(world, one, "abroad")
    assert await world.left(one, "bonus") == had - tenge(20)
    assert await world.main(one) < main
    sale = Sale("device-standard", "Galaxy", "490154203237518", tenge(10_000), tenge(1_000), 3)
    await world.instalments.sign(one, sale, CLERK, request_id="r")
    assert await world.left(one, "bonus") == had - tenge(20)


async def test_bonuses_are_no_money_for_roaming(world: World) -> None:
    one = await with_bonuses(world, "0")  # 500 tenge of bonuses, nothing else
    assert await roam(world, one, "abroad") is not Result.GRANTED
    await sms(world, one, 1)
    assert await world.left(one, "bonus") == tenge(480)


async def test_what_bonuses_paid_of_a_fee_is_not_paid_out_with_its_unused_days(world: World) -> None:
    """A week whose fee bonuses paid in part, and the same week paid by money alone, are given up after two days."""
    one, other = await with_bonuses(world, "2000"), await world.subscriber(money="2000")
    plans, main = world.subscribers.plans, await world.main(one)
    for subscriber in (one, other):
        week = await plans.quote(subscriber.subscriber_id, "activ-week", ChangeTime.NOW, CLERK)
        await plans.change(week, CLERK)
    by_money = main - await world.main(one)
    assert 0 < by_money <= week.fee - tenge(500)
    world.clock.advance(timedelta(days=1))
    mixed, whole = [await plans.quote(s.subscriber_id, "kcell-free", ChangeTime.NOW, CLERK) for s in (one, other)]
    assert mixed.refund == whole.refund * by_money // week.fee
    await plans.change(mixed, CLERK)
    assert await world.main(one) == main - by_money + mixed.refund
    world.clock.advance(timedelta(days=1))
    await world.bonuses.run()
    assert await audit(world.database) == []


async def test_what_bonuses_pay_earns_none(world: World) -> None:
    one = await with_bonuses(world, "0")
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=31))
    await world.bonuses.run()
    statement = await world.bonuses.statement(one.account)
    assert [month.month for month in statement.months] == []


async def test_a_cap_cuts_a_month_and_not_the_next(world: World) -> None:
    one = await joined(world, "0")
    for number, day in enumerate((0, 5, 31)):  # 2 and 7 March, 2 April
        world.clock.advance(datetime(2026, 3, 2, 6, tzinfo=UTC) + timedelta(days=day) - world.clock.now())
        await world.pay(one.account, "80000", f"pay-{number}")
    world.clock.advance(timedelta(days=30))  # 2 May
    await world.bonuses.run()
    statement = await world.bonuses.statement(one.account)
    # 160,000 at 0.5 % are 800, cut at 500; 80,000 in April are 400
    assert [(month.month.month, month.due) for month in statement.months] == [(4, tenge(400)), (3, tenge(500))]
    assert [line.amount for line in statement.credits] == [tenge(900)]


async def test_a_reversal_takes_nothing_while_the_cap_is_still_full(world: World) -> None:
    one = await joined(world, "0")
    await world.pay(one.account, "80000", "first")
    await world.pay(one.account, "120000", "second")  # 1,000 tenge of bonuses, cut at 500
    world.clock.advance(timedelta(days=31))
    await world.bonuses.run()
    await world.ledger.submit(ledger_model.reverse(one.account, "r1", target="first"))
    world.clock.advance(timedelta(days=1))
    assert (await world.bonuses.run())["taken_back_tiyn"] == 0  # 120,000 alone give 600
    await world.ledger.submit(ledger_model.reverse(one.account, "r2", target="second"))
    world.clock.advance(timedelta(days=1))
    assert (await world.bonuses.run())["taken_back_tiyn"] == tenge(500)
    assert await recompute(world.database, world.catalog.current(), world.calendar, date(2026, 3, 1)) == []


async def test_what_was_spent_is_set_off_against_what_is_earned_next(world: World) -> None:
    one = await joined(world, "0")
    await world.pay(one.account, "20000", "first")  # 100 tenge of bonuses
    world.clock.advance(timedelta(days=31))
    await world.bonuses.run()
    await sms(world, one, 4)  # 80 of them are spent
    await world.ledger.submit(ledger_model.reverse(one.account, "r", target="first"))
    await world.pay(one.account, "40000", "second")  # in April: 200
    world.clock.advance(timedelta(days=1))
    assert (await world.bonuses.run())["taken_back_tiyn"] == tenge(20)
    world.clock.advance(timedelta(days=30))
    assert (await world.bonuses.run())["credited_tiyn"] == tenge(120)  # 200 less the 80 that were not there


@pytest.mark.clause("PSC-6.5")
async def test_with_the_contract_bonuses_end_and_nothing_is_paid_out(world: World) -> None:
    one = await with_bonuses(world)
    main = await world.main(one)
    await world.subscribers.contracts.end(one.subscriber_id, EndGround.BREACH, CLERK)
    await world.outbox.drain()
    assert (await world.left(one, "bonus"), await world.main(one)) == (0, main)


async def test_what_a_session_holds_is_zeroed_once_it_ends(world: World) -> None:
    one = await with_bonuses(world, "0")
    charge = ledger_model.sum_charge(tenge(300))
    hold = ledger_model.reserve(
        one.account,
        "s:0",
        charge,
        hold_id="s",
        hold_deadline=world.clock.now() + timedelta(hours=1),
        contra="revenue.data",
    )
    await world.ledger.submit(hold)
    await world.bonuses.leave(one, BY_SMS)
    assert await world.left(one, "bonus") == tenge(300)
    assert (await world.bonuses.run())["zeroed"] == 0
    await world.ledger.submit(ledger_model.release(one.account, "s:1", hold_id="s"))
    assert (await world.bonuses.run())["zeroed"] == 1
    assert await world.left(one, "bonus") == 0


async def test_bonuses_that_a_reversal_brings_back_to_who_left_are_zeroed_again(world: World) -> None:
    one = await with_bonuses(world, "0")
    await sms(world, one, 2)
    await world.bonuses.leave(one, BY_SMS)
    world.clock.advance(timedelta(hours=1))
    await world.ledger.submit(ledger_model.reverse(one.account, "r", target="event:sms-0"))
    assert await world.left(one, "bonus") == tenge(20)
    world.clock.advance(timedelta(days=1))
    await world.bonuses.run()
    await world.bonuses.run()
    assert await world.left(one, "bonus") == 0


async def test_staff_and_subscribers_leave_and_join_at_any_time(world: World) -> None:
    one = await joined(world)
    for origin in (BY_SMS, CLERK, BY_SMS):
        await world.bonuses.leave(one, origin)
        assert (await world.bonuses.statement(one.account)).member is None
        with pytest.raises(ConsentAbsentError):
            await world.bonuses.leave(one, origin)
        await world.bonuses.join(one, origin)
        assert (await world.bonuses.statement(one.account)).member is not None
        with pytest.raises(ConsentGivenError):
            await world.bonuses.join(one, origin)
    await world.outbox.drain()  # the events of all that, late: nothing changes
    assert (await world.bonuses.statement(one.account)).member is not None


async def test_who_did_not_consent_on_accession_is_not_in_it(world: World) -> None:
    one = await joined(world)
    await world.bonuses.leave(one, CLERK)
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=31))
    await world.bonuses.run()
    assert await world.left(one, "bonus") == 0


async def test_a_membership_that_is_known_late_loses_no_day(world: World) -> None:
    early = await joined(world)
    late = await world.subscriber("kcell-free", money="1000")  # whose accession is not dispatched
    await sms(world, late, 10)
    world.clock.advance(timedelta(days=2))
    await world.bonuses.run()
    await world.outbox.drain()
    world.clock.advance(timedelta(days=29))
    await world.bonuses.run()
    assert await world.left(late, "bonus") == tenge(11)  # 6 and 5
    assert await world.left(early, "bonus") == tenge(5)


async def test_days_that_were_read_while_the_clock_was_wrong_are_read_again(world: World) -> None:
    one = await joined(world)
    wrong = World(world.database, ManualClock(world.clock.now() + timedelta(days=3)), world.calendar)
    await wrong.catalog.refresh()
    assert (await wrong.bonuses.run())["days"] == 3  # 2, 3 and 4 March, on the 2nd
    await world.bonuses.run()  # the clock is right again
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=30))
    await world.bonuses.run()
    assert await world.left(one, "bonus") == tenge(11)
    assert await recompute(world.database, world.catalog.current(), world.calendar, date(2026, 3, 1)) == []


async def test_a_run_that_is_killed_anywhere_or_twice_at_once_gives_each_his_own_once(world: World) -> None:
    members = [await joined(world) for _ in range(6)]
    for number, one in enumerate(members):
        await sms(world, one, number)
    world.clock.advance(timedelta(days=30))
    for wait_ms in (1, 3, 6, 10, 15, 25):
        run = asyncio.create_task(world.bonuses.run())
        await asyncio.wait({run}, timeout=wait_ms / 1_000)
        run.cancel()
        await asyncio.wait({run})
    await asyncio.gather(world.bonuses.run(), world.bonuses.run())
    await world.bonuses.run()
    # 5 tenge for the top-up, and 3 % of 20 tenge for each message
    assert [await world.left(one, "bonus") for one in members] == [500 + 60 * number for number in range(6)]


async def test_gifts_are_given_once_an_occasion_even_to_who_leaves_and_comes_back(world: World) -> None:
    one = await with_bonuses(world, "0")
    assert (await world.bonuses.run())["gifts"] == 0
    await world.bonuses.leave(one, BY_SMS)
    world.clock.advance(timedelta(minutes=1))
    await world.bonuses.join(one, BY_SMS)
    assert (await world.bonuses.run())["gifts"] == 0
    assert await world.left(one, "bonus") == 0
    gifts = (await world.bonuses.statement(one.account)).gifts
    assert [(gift.gift, gift.occasion, gift.amount) for gift in gifts] == [("birthday", "2027", tenge(500))]


@pytest.mark.parametrize(("days", "given"), [(6, 1), (7, 0)])
async def test_a_gift_that_was_missed_is_given_within_a_week(world: World, days: int, given: int) -> None:
    await joined(world)
    world.clock.advance(datetime(2026, 3, 22, 6, tzinfo=UTC) + timedelta(days=days) - world.clock.now())
    assert (await world.bonuses.run())["gifts"] == given


@pytest.mark.parametrize(("days", "given"), [(364, 0), (365, 1)])
async def test_a_year_with_the_operator_is_a_gift_on_its_day(world: World, days: int, given: int) -> None:
    one = await joined(world, "0")
    await world.pay(one.account, "1", "p")
    world.clock.advance(timedelta(days=days))
    assert (await world.bonuses.run())["gifts"] == given
    assert await world.left(one, "bonus") == given * tenge(1_000)


async def test_the_proof_names_each_operation_with_its_share(world: World) -> None:
    one = await joined(world)
    await sms(world, one, 2)
    await roam(world, one, "abroad")
    found = await world.bonuses.proof(one.account, date(2026, 3, 2))
    assert sorted((entry.rule, entry.paid, entry.earned_e4) for entry in found) == [
        ("top-ups", tenge(1_000), 5_000_000),
        ("usage", tenge(20), 600_000),
        ("usage", tenge(20), 600_000),
    ]


async def test_a_missed_day_is_found(world: World) -> None:
    await joined(world)
    world.clock.advance(timedelta(days=3))
    since, now = date(2026, 3, 1), world.clock.now()
    assert len(await missed_days(world.database, world.calendar, now, since)) == 2  # 2 and 3 March
    await world.bonuses.run()
    assert await missed_days(world.database, world.calendar, now, since) == []


async def test_old_days_become_sums_of_their_months_and_the_audit_agrees(world: World) -> None:
    one = await joined(world)  # on 2 March: a top-up
    late = await world.subscriber("kcell-free", money="1000")  # whose accession is not dispatched
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=30))
    await world.bonuses.run()
    world.clock.advance(timedelta(days=90))  # 30 June: 2 March is 120 days ago
    assert await world.bonuses.earning.purge(120) == 0
    world.clock.advance(timedelta(days=1))
    runs = [world.bonuses.earning.purge(120), world.bonuses.earning.purge(120)]
    assert sorted(await asyncio.gather(*runs)) == [0, 2]  # messages and the top-up, by one of them
    assert await world.database.fetchval("select count(*) from bonus.earning where day = '2026-03-02'") == 0
    assert await audit(world.database) == []
    await world.outbox.drain()  # a member since 2 March: what is purged is not read again
    await world.ledger.submit(ledger_model.reverse(one.account, "back", target="event:sms-3"))
    world.clock.advance(timedelta(days=1))
    await world.bonuses.run()
    months = (await world.bonuses.statement(one.account)).months
    assert [(rule.rule, rule.earned_e4) for month in months for rule in month.rules] == [
        ("top-ups", 100_000 * 50),
        ("usage", 9 * 2_000 * 300),
    ]
    assert (await world.bonuses.statement(late.account)).months == ()
    assert await audit(world.database) == []
    await world.database.fetch("update bonus.month set purged_e4 = purged_e4 + 1 where rule = 'usage'")
    assert [finding.check for finding in await audit(world.database)] == ["bonus_month"]
    await world.database.fetch("update bonus.month set purged_e4 = purged_e4 - 1 where rule = 'usage'")


async def test_days_that_may_be_read_again_are_never_purged(world: World) -> None:
    await joined(world)
    world.clock.advance(timedelta(days=100, hours=3))
    await world.bonuses.run()
    assert await world.bonuses.earning.purge(0) == 0
    world.clock.advance(timedelta(days=1))
    assert await world.bonuses.earning.purge(0) == 1


async def test_campaigns_do_not_reach_who_left_advertising(world: World) -> None:
    stays, leaves = await joined(world), await joined(world)
    consents = world.subscribers.consents
    both = [stays.subscriber_id, leaves.subscriber_id]
    assert await consents.reachable(ConsentKind.MARKETING, both) == set(both)
    await consents.withdraw(leaves.subscriber_id, ConsentKind.MARKETING, BY_SMS)
    assert await consents.reachable(ConsentKind.MARKETING, both) == {stays.subscriber_id}
    await consents.give_again(leaves.subscriber_id, ConsentKind.MARKETING, BY_SMS)
    assert await consents.reachable(ConsentKind.MARKETING, both) == set(both)
    await world.subscribers.contracts.end(leaves.subscriber_id, EndGround.REFUSAL, CLERK)
    assert await consents.reachable(ConsentKind.MARKETING, both) == {stays.subscriber_id}
