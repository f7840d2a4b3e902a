"""Subscription fees: when they are due, what they grant, and what happens without money."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.db.pool import Connection
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.money import tenge
from telco.subscribers.model import DueFee, FeeResult, PlanState, ServiceState
from tests.subscribers.conftest import SELF, Office


async def run(office: Office, clock: ManualClock) -> list[FeeResult]:
    """Take what is due now, one batch."""

    async def body(conn: Connection) -> list[FeeResult]:
        dues = await office.subscribers.due_fees(conn, clock.now(), 100)
        return [await office.subscribers.take_fee(conn, due, clock.now()) for due in dues]

    return await office.database.transact("test.fees", body)


async def retry(office: Office, clock: ManualClock, account: object) -> list[FeeResult]:
    """Try what waits for money, as after a top-up."""

    async def body(conn: Connection) -> list[FeeResult]:
        dues = await office.subscribers.unpaid_fees(conn, account, clock.now())  # type: ignore[arg-type]
        return [await office.subscribers.take_fee(conn, due, clock.now()) for due in dues]

    return await office.database.transact("test.retry", body)


@pytest.mark.clause("PSC-1.1.2", "PSC-3.2.4")
async def test_a_month_from_the_31st(office: Office, clock: ManualClock, calendar: Calendar) -> None:
    clock.advance(calendar.start_of_day(date(2026, 3, 31)) - clock.now() + timedelta(hours=12))
    accession = await office.paid("20000", plan_code="kcell-start")
    # 31 March, 30 April (shorter), 31 May again, 30 June
    for due in (date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30)):
        found = await office.subscribers.get(accession.msisdn)
        assert found.next_fee_at == calendar.start_of_day(due)
        clock.advance(found.next_fee_at - clock.now() - timedelta(seconds=1))
        assert await run(office, clock) == []
        clock.advance(timedelta(seconds=1))
        (result,) = await run(office, clock)
        assert result.taken
        assert await run(office, clock) == []
    assert await office.main(accession.account) == tenge("20000") - 4 * tenge("2990")


@pytest.mark.clause("PSC-3.2.5", "PSC-4.3.1")
async def test_without_money_a_plan_waits_and_begins_when_it_is_paid(
    office: Office, clock: ManualClock, calendar: Calendar
) -> None:
    accession = await office.paid("5000", plan_code="kcell-start")  # 2010 left
    clock.advance(calendar.start_of_day(date(2026, 4, 2)) - clock.now())
    (missed,) = await run(office, clock)
    assert not missed.taken
    found = await office.subscribers.get(accession.msisdn)
    assert found.plan_state is PlanState.AWAITING_PAYMENT
    assert found.next_fee_at == calendar.start_of_day(date(2026, 4, 3))  # tried again each day

    clock.advance(timedelta(days=1))
    assert [result.taken for result in await run(office, clock)] == [False]
    clock.advance(timedelta(days=7, hours=9))  # 10 April, 09:00
    await office.top_up(accession.account, "979.99")  # one tiyn short
    assert [result.taken for result in await retry(office, clock, accession.account)] == [False]
    await office.top_up(accession.account, "0.01")
    (paid,) = await retry(office, clock, accession.account)
    assert paid.taken
    assert await office.main(accession.account) == 0
    found = await office.subscribers.get(accession.msisdn)
    # the period begins on the day it was paid: 10 April to 10 May
    assert (found.plan_state, found.next_fee_at) == (
        PlanState.ACTIVE,
        calendar.start_of_day(date(2026, 5, 10)),
    )
    assert await retry(office, clock, accession.account) == []
    told = [(event["code"], event["amount"]) for event in await office.events("fee_not_taken")]
    assert told == [("kcell-start", "2990.00")]  # once, not every day


@pytest.mark.clause("PSC-1.1.2")
async def test_a_plan_that_waited_from_the_start_grants_what_comes_once(office: Office, clock: ManualClock) -> None:
    accession = await office.accede(plan_code="kcell-start")
    assert accession.plan_state is PlanState.AWAITING_PAYMENT
    await office.top_up(accession.account, "2990")
    (paid,) = await retry(office, clock, accession.account)
    assert (paid.taken, paid.due.first) == (True, True)
    assert (await office.buckets(accession.account))["data.any"] == 12_000_000_000


@pytest.mark.clause("PSC-4.3.2", "PSC-1.1.26")
async def test_in_credit_settlement_the_fee_is_owed(office: Office, clock: ManualClock, calendar: Calendar) -> None:
    accession = await office.accede(plan_code="kcell-status")
    for month in (4, 5):  # 8990.00 each; the limit of 20000.00 is passed with the third
        clock.advance(calendar.start_of_day(date(2026, month, 2)) - clock.now())
        (result,) = await run(office, clock)
        assert result.taken
    assert await office.main(accession.account) == -3 * tenge("8990")


async def test_a_run_that_was_missed_is_caught_up_in_order(
    office: Office, clock: ManualClock, calendar: Calendar
) -> None:
    accession = await office.paid("1000", plan_code="activ-day")  # 129.00 a day
    clock.advance(timedelta(days=3))  # nobody ran anything on 3, 4 and 5 March
    starts = []
    while results := await run(office, clock):
        starts += [result.due.start for result in results]
    assert starts == [date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 5)]
    assert await office.main(accession.account) == tenge("1000") - 4 * tenge("129")
    found = await office.subscribers.get(accession.msisdn)
    assert found.next_fee_at == calendar.start_of_day(date(2026, 3, 6))


async def test_two_runs_at_once_take_each_fee_once(office: Office, clock: ManualClock) -> None:
    accessions = [await office.paid("2000", plan_code="activ-day") for _ in range(5)]
    clock.advance(timedelta(days=1))
    runs = await asyncio.gather(*(run(office, clock) for _ in range(4)))
    assert sum(len(results) for results in runs) == 5
    for accession in accessions:
        assert await office.main(accession.account) == tenge("2000") - 2 * tenge("129")


async def test_a_run_that_is_killed_takes_nothing_or_all(office: Office, clock: ManualClock) -> None:
    accession = await office.paid("2000", plan_code="activ-day")
    clock.advance(timedelta(days=1))

    class KilledError(Exception):
        pass

    async def body(conn: Connection) -> None:
        (due,) = await office.subscribers.due_fees(conn, clock.now(), 100)
        await office.subscribers.take_fee(conn, due, clock.now())
        raise KilledError

    with pytest.raises(KilledError):
        await office.database.transact("test.fees", body)
    assert await office.main(accession.account) == tenge("1871")
    (result,) = await run(office, clock)
    assert result.taken
    assert await office.main(accession.account) == tenge("1742")


async def test_a_plan_without_fee_is_never_due(office: Office, clock: ManualClock) -> None:
    accession = await office.accede(plan_code="kcell-free")
    found = await office.subscribers.get(accession.msisdn)
    assert (found.plan_state, found.next_fee_at) == (PlanState.ACTIVE, None)
    clock.advance(timedelta(days=400))
    assert await run(office, clock) == []


@pytest.mark.clause("PSC-3.1.11", "PSC-3.2.4")
async def test_a_service_has_its_own_fee(office: Office, clock: ManualClock, calendar: Calendar) -> None:
    accession = await office.paid("500", plan_code="kcell-free")
    await office.subscribers.switch_service_on(accession.subscriber_id, "russia-calls", SELF, "r1")
    clock.advance(calendar.start_of_day(date(2026, 4, 1)) - clock.now())  # 30 days after 2 March
    (missed,) = await run(office, clock)  # 210.00 left, 290.00 needed
    assert not missed.taken
    (service,) = await office.subscribers.services.on(accession.subscriber_id)
    assert service.state is ServiceState.AWAITING_PAYMENT
    assert (await office.subscribers.get(accession.msisdn)).services == frozenset()

    await office.top_up(accession.account, "80")
    assert [result.taken for result in await retry(office, clock, accession.account)] == [True]
    found = await office.subscribers.get(accession.msisdn)
    assert found.services == {"russia-calls"}


async def test_plans_are_paid_before_services(office: Office, clock: ManualClock) -> None:
    accession = await office.paid("900", plan_code="activ-week")  # 10.00 left
    await office.top_up(accession.account, "290")
    await office.subscribers.switch_service_on(accession.subscriber_id, "music-day", SELF, "r1")  # 35.00
    clock.advance(timedelta(days=8))
    await run(office, clock)
    await office.top_up(accession.account, "1000")
    order: list[DueFee] = []

    async def body(conn: Connection) -> None:
        order.extend(await office.subscribers.unpaid_fees(conn, accession.account, clock.now()))

    await office.database.transact("test.order", body)
    assert [due.kind for due in order] == sorted(due.kind for due in order)
