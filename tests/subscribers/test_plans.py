"""Plans: what a change costs and when it happens; what follows a promotion."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from telco.billing.fees import FeeRunner
from telco.billing.model import FeeRun
from telco.catalog.catalogue import Catalogue
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.money import Money, tenge
from telco.ledger.service import Ledger
from telco.subscribers.errors import (
    NoPlanChangeError,
    NotEnoughMoneyError,
    PlanSameError,
    PlanUnfitError,
    QuoteChangedError,
    SubscriberUnknownError,
    SuspendedError,
)
from telco.subscribers.model import ChangeTime, Ground, PlanQuote, PlanState
from telco.subscribers.service import Subscribers
from tests.subscribers.conftest import CLERK, SELF, Office, open_office, person
from tests.subscribers.varied import varied


async def change(office: Office, who: int, plan: str, when: ChangeTime = ChangeTime.NOW) -> PlanQuote:
    quote = await office.subscribers.quote_plan(who, plan, when, SELF)  # type: ignore[arg-type]  # an id
    return await office.subscribers.change_plan(quote, SELF)


@pytest.mark.clause("PSC-1.1.5", "PSC-1.1.22", "PSC-3.1.11")
async def test_a_plan_changes_at_once(office: Office, calendar: Calendar) -> None:
    accession = await office.paid("20000", plan_code="kcell-start")  # 20000 - 2990 = 17010
    done = await change(office, accession.subscriber_id, "kcell-unlim")

    assert (done.when, done.fee, done.refund) == (ChangeTime.NOW, tenge("6990"), 0)
    assert done.volumes_end
    found = await office.subscribers.get(accession.msisdn)
    assert (found.plan_code, found.plan_state) == ("kcell-unlim", PlanState.ACTIVE)
    # a new period from today: 2 March to 2 April
    assert found.next_fee_at == calendar.start_of_day(date(2026, 4, 2))
    # 17010 - 6990, the old plan's volumes are gone, the new plan's are there
    assert await office.main(accession.account) == tenge("10020")
    assert await office.buckets(accession.account) == {
        "data.fairuse": 60_000_000_000,
        "voice.any": 18_000,
        "sms.any": 100,
    }


@pytest.mark.clause("PSC-1.1.5", "PSC-1.1.2")
async def test_a_plan_changes_with_the_next_period(office: Office, clock: ManualClock, calendar: Calendar) -> None:
    accession = await office.paid("20000", plan_code="kcell-start")
    done = await change(office, accession.subscriber_id, "kcell-unlim", ChangeTime.NEXT_PERIOD)

    next_period = calendar.start_of_day(date(2026, 4, 2))
    assert (done.when, done.effective_at, done.fee) == (ChangeTime.NEXT_PERIOD, next_period, tenge("6990"))
    assert (await office.subscribers.get(accession.msisdn)).plan_code == "kcell-start"
    assert await office.main(accession.account) == tenge("17010")

    clock.advance(next_period - clock.now())
    await run_fees(office, clock)
    found = await office.subscribers.get(accession.msisdn)
    assert (found.plan_code, found.next_fee_at) == ("kcell-unlim", calendar.start_of_day(date(2026, 5, 2)))
    assert await office.main(accession.account) == tenge("10020")
    (history,) = await office.subscribers.plans.history(accession.subscriber_id)
    assert (history.from_plan, history.to_plan, history.state) == ("kcell-start", "kcell-unlim", "done")


async def run_fees(office: Office, clock: ManualClock) -> int:
    """What billing's run does."""
    taken = 0
    while True:

        async def body(conn: object) -> int:
            dues = await office.subscribers.due_fees(conn, clock.now(), 10)  # type: ignore[arg-type]
            results = [await office.subscribers.take_fee(conn, due, clock.now()) for due in dues]  # type: ignore[arg-type]
            return len(results)

        count = await office.database.transact("test.fees", body)
        if count == 0:
            return taken
        taken += count


async def test_a_change_that_waits_can_be_replaced_and_given_up(office: Office, clock: ManualClock) -> None:
    accession = await office.paid("20000", plan_code="kcell-start")
    who = accession.subscriber_id
    await change(office, who, "kcell-unlim", ChangeTime.NEXT_PERIOD)
    await change(office, who, "kcell-free", ChangeTime.NEXT_PERIOD)
    waiting = await office.subscribers.plans.waiting(who)
    assert waiting is not None
    assert waiting.to_plan == "kcell-free"

    await office.subscribers.plans.cancel_change(who, SELF)
    with pytest.raises(NoPlanChangeError):
        await office.subscribers.plans.cancel_change(who, SELF)
    clock.advance(timedelta(days=31))
    await run_fees(office, clock)
    assert (await office.subscribers.get(accession.msisdn)).plan_code == "kcell-start"
    assert await office.main(accession.account) == tenge("14020")  # 17010 - 2990


async def test_without_enough_money_nothing_changes(office: Office) -> None:
    accession = await office.paid("9979.99", plan_code="kcell-start")  # 6989.99 left, 6990.00 needed
    with pytest.raises(NotEnoughMoneyError) as refusal:
        await change(office, accession.subscriber_id, "kcell-unlim")
    assert (refusal.value.price, refusal.value.balance) == (Money(699_000), Money(698_999))

    assert (await office.subscribers.get(accession.msisdn)).plan_code == "kcell-start"
    assert await office.main(accession.account) == tenge("6989.99")
    assert "data.any" in await office.buckets(accession.account)
    assert await office.subscribers.plans.history(accession.subscriber_id) == []

    await office.top_up(accession.account, "0.01")
    await change(office, accession.subscriber_id, "kcell-unlim")
    assert await office.main(accession.account) == 0


@pytest.mark.clause("PSC-1.1.2")
async def test_a_prorated_plan_gives_the_unused_days_back(office: Office, clock: ManualClock) -> None:
    accession = await office.paid("5000", plan_code="activ-week")  # 890.00 a week, 2 to 8 March
    clock.advance(timedelta(days=2))  # Wednesday 4 March: days 5, 6, 7, 8 are unused
    done = await change(office, accession.subscriber_id, "activ-simple")

    # 890.00 * 4 / 7 = 508.571 -> 508.57
    assert done.refund == tenge("508.57")
    assert await office.main(accession.account) == tenge("5000") - tenge("890") + tenge("508.57")


async def test_a_quote_is_confirmed_as_it_was_shown(office: Office, clock: ManualClock) -> None:
    accession = await office.paid("20000", plan_code="activ-week")
    quote = await office.subscribers.quote_plan(accession.subscriber_id, "activ-simple", ChangeTime.NOW, SELF)
    clock.advance(timedelta(minutes=5))
    with pytest.raises(QuoteChangedError):
        await office.subscribers.change_plan(replace(quote, fee=tenge("1")), SELF)
    clock.advance(timedelta(days=1))  # one day less is given back
    with pytest.raises(QuoteChangedError):
        await office.subscribers.change_plan(quote, SELF)
    again = await office.subscribers.quote_plan(accession.subscriber_id, "activ-simple", ChangeTime.NOW, SELF)
    await office.subscribers.change_plan(again, SELF)
    with pytest.raises(QuoteChangedError):  # twice is once: the plan it was quoted from is gone
        await office.subscribers.change_plan(replace(again, to_plan="activ-week", to_version=1), SELF)


async def test_what_cannot_be_chosen(office: Office) -> None:
    who = (await office.paid("50000", plan_code="kcell-start")).subscriber_id
    quote = office.subscribers.quote_plan
    with pytest.raises(PlanSameError):
        await quote(who, "kcell-start", ChangeTime.NOW, SELF)
    for plan in ("kcell-business", "kcell-m2m", "activ-simple", "kcell-status"):  # audience, brand, credit
        with pytest.raises(PlanUnfitError):
            await quote(who, plan, ChangeTime.NOW, SELF)
    assert (await quote(who, "activ-simple", ChangeTime.NOW, CLERK)).to_plan == "activ-simple"
    assert (await quote(who, "kcell-status", ChangeTime.NOW, CLERK)).to_plan == "kcell-status"
    with pytest.raises(SubscriberUnknownError):
        await quote(999, "kcell-free", ChangeTime.NOW, SELF)  # type: ignore[arg-type]  # an id


@pytest.mark.clause("PSC-3.2.6")
async def test_credit_is_given_and_taken_away_with_the_plan(office: Office) -> None:
    accession = await office.paid("20000", plan_code="kcell-free")
    quote = await office.subscribers.quote_plan(accession.subscriber_id, "kcell-status", ChangeTime.NOW, CLERK)
    await office.subscribers.change_plan(quote, CLERK)
    assert (await office.ledger.balances(accession.account)).credit_limit == tenge("20000")
    await change(office, accession.subscriber_id, "kcell-free")
    assert (await office.ledger.balances(accession.account)).credit_limit == 0


@pytest.mark.clause("PSC-1.1.22")
@pytest.mark.parametrize(
    ("at", "open_"),
    [
        (datetime(2026, 2, 28, 18, 59, 59, tzinfo=UTC), False),  # 28 February 23:59:59 in Kazakhstan
        (datetime(2026, 2, 28, 19, 0, tzinfo=UTC), True),  # 1 March 00:00
        (datetime(2026, 5, 31, 18, 59, 59, tzinfo=UTC), True),  # 31 May 23:59:59
        (datetime(2026, 5, 31, 19, 0, tzinfo=UTC), False),  # 1 June 00:00
    ],
)
async def test_a_promotion_is_joined_within_its_window(
    database: Database, calendar: Calendar, operator: Catalogue, at: datetime, open_: bool
) -> None:
    clock = ManualClock(at)
    ledger = Ledger(database, clock)
    subscribers = Subscribers(database, clock, calendar, lambda: operator, ledger)
    office = await open_office(subscribers, database, ledger)
    if open_:
        assert (await office.accede(plan_code="activ-spring")).plan_code == "activ-spring"
    else:
        with pytest.raises(PlanUnfitError):
            await office.accede(plan_code="activ-spring")


@pytest.mark.clause("PSC-1.1.22")
async def test_a_promotion_lasts_three_months_and_is_followed(
    office: Office, clock: ManualClock, calendar: Calendar
) -> None:
    accession = await office.paid("10000", plan_code="activ-spring")  # 1990.00 a month from 2 March
    for day in (date(2026, 4, 2), date(2026, 5, 2)):
        clock.advance(calendar.start_of_day(day) - clock.now())
        assert await run_fees(office, clock) == 1
    assert await office.main(accession.account) == tenge("4030")  # 10000 - 3 * 1990

    clock.advance(calendar.start_of_day(date(2026, 6, 2)) - clock.now() - timedelta(seconds=1))
    assert await office.subscribers.plans.lapse() == 0
    clock.advance(timedelta(seconds=1))
    assert await run_fees(office, clock) == 0  # no fourth month of the promotion
    assert await office.subscribers.plans.lapse() == 1
    assert await office.subscribers.plans.lapse() == 0
    found = await office.subscribers.get(accession.msisdn)
    assert (found.plan_code, found.plan_state) == ("activ-week", PlanState.ACTIVE)
    assert await office.main(accession.account) == tenge("3140")  # 4030 - 890
    assert (await office.events("plan_changed"))[-1]["plan"] == "activ-week"


@pytest.mark.clause("PSC-1.1.22")
async def test_a_promotion_ends_without_money_too(office: Office, clock: ManualClock, calendar: Calendar) -> None:
    accession = await office.paid("5970", plan_code="activ-spring")  # three months exactly
    for day in (date(2026, 4, 2), date(2026, 5, 2)):
        clock.advance(calendar.start_of_day(day) - clock.now())
        await run_fees(office, clock)
    clock.advance(calendar.start_of_day(date(2026, 6, 2)) - clock.now())
    await office.subscribers.plans.lapse()
    found = await office.subscribers.get(accession.msisdn)
    assert (found.plan_code, found.plan_state) == ("activ-week", PlanState.AWAITING_PAYMENT)


async def test_a_suspended_subscriber_changes_nothing_alone(office: Office) -> None:
    accession = await office.paid("20000", plan_code="kcell-start")
    quote = await office.subscribers.quote_plan(accession.subscriber_id, "kcell-free", ChangeTime.NOW, SELF)
    await office.subscribers.suspend(accession.subscriber_id, Ground.FALSE_DATA, CLERK, reason="check")
    with pytest.raises(SuspendedError):
        await office.subscribers.change_plan(quote, SELF)
    await office.subscribers.change_plan(quote, CLERK)


@pytest.mark.clause("PSC-2.9")
async def test_a_plan_knows_how_many_are_on_it(office: Office) -> None:
    accession = await office.accede(plan_code="kcell-free")
    await office.accede(person(2), plan_code="kcell-free")
    assert await office.subscribers.plans.count_on("kcell-free") == 2
    await office.subscribers.contracts.refuse(accession.subscriber_id, CLERK)
    assert await office.subscribers.plans.count_on("kcell-free") == 1
    assert await office.subscribers.plans.count_on("kcell-start") == 0


async def test_services_that_do_not_fit_end_with_the_change(office: Office) -> None:
    accession = await office.paid("20000", plan_code="kcell-free")
    who = accession.subscriber_id
    await office.subscribers.switch_service_on(who, "russia-calls", SELF, "r1")
    await office.subscribers.switch_service_on(who, "data-1gb", SELF, "r2")
    company_quote = await office.subscribers.quote_plan(who, "kcell-start", ChangeTime.NOW, SELF)
    assert company_quote.services_ending == ()


@pytest.mark.clause("PSC-1.1.5", "PSC-3.2.5")
async def test_a_service_that_ends_with_the_new_plan_costs_nothing_more(
    database: Database, clock: ManualClock, calendar: Calendar, ledger: Ledger, tmp_path: Path
) -> None:
    catalogue = varied(tmp_path, "services.toml", ('"kcell-unlim", ', ""))  # no subscription service fits it
    subscribers = Subscribers(database, clock, calendar, lambda: catalogue, ledger)
    office = await open_office(subscribers, database, ledger)
    accession = await office.paid("3280", plan_code="kcell-start")  # 3280 - 2990 = 290
    who = accession.subscriber_id
    await subscribers.switch_service_on(who, "russia-calls", SELF, "r1")  # 290 for 30 days, until 1 April
    done = await change(office, who, "kcell-unlim", ChangeTime.NEXT_PERIOD)
    assert done.services_ending == ("russia-calls",)

    runner = FeeRunner(database, clock, subscribers.fees)
    clock.advance(calendar.start_of_day(date(2026, 4, 2)) - clock.now())
    assert await runner.run() == FeeRun(refused=2)  # the new plan, 6990; the service, 290
    await office.top_up(accession.account, "7500")
    assert await runner.retry(accession.account) == FeeRun(charged=1)  # the plan: the service ended with it
    assert await office.main(accession.account) == tenge("510")  # 7500 - 6990
    assert await subscribers.services.on(who) == []
