"""Numbers that nobody uses: twelve months, a warning before, the end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from telco.catalog.model import Direction, Service
from telco.charging.model import UsageRequest
from telco.kernel.calendar import add_months
from telco.subscribers import jobs, rules
from telco.subscribers.model import Channel, Subscriber, by_subscriber
from telco.subscribers.silence import LastUse
from tests.world import CLERK, World

TWELVE = 12


@pytest.mark.clause("PSC-6.3.4")
@pytest.mark.parametrize(
    ("used", "ends"),
    [
        ("2026-03-02", "2027-03-03"),  # silent from 3 March 2026 to 2 March 2027
        ("2026-12-31", "2028-01-01"),
        ("2027-02-28", "2028-02-29"),  # 28 February 2028 is the last of the twelve months; that year has a 29th
        ("2028-02-28", "2029-03-01"),
        ("2028-02-29", "2029-03-01"),  # no 29 February in 2029: the month ends with the 28th
        ("2028-03-01", "2029-03-02"),
    ],
)
def test_when_silence_is_over(used: str, ends: str) -> None:
    day, end = date.fromisoformat(used), date.fromisoformat(ends)
    assert rules.silence_ends_on(day, TWELVE) == end
    assert day <= rules.silent_since(end, TWELVE)  # on that day it ends
    assert day > rules.silent_since(end - timedelta(days=1), TWELVE)  # on the day before it does not


@pytest.mark.clause("PSC-6.3.4")
@pytest.mark.parametrize("months", [1, 6, 11, 12, 13])
def test_every_day_of_eight_years_agrees(months: int) -> None:
    """Who is silent long enough is the same asked from the use or from the day."""
    for number in range(8 * 366):
        today = date(2024, 1, 1) + timedelta(days=number)
        last = rules.silent_since(today, months)
        assert rules.silence_ends_on(last, months) <= today < rules.silence_ends_on(last + timedelta(days=1), months)


async def night(world: World) -> dict[str, object]:
    [job] = [job for job in jobs.jobs(world.subscribers) if job.name == "subscribers.silent_numbers"]
    return await job.body(world.clock.now())


async def last_use(world: World, subscriber: Subscriber) -> LastUse | None:
    return await world.subscribers.silence.last_use(subscriber.subscriber_id)


def at(world: World, day: date, hour: int = 10) -> None:
    """Go to an hour of a day in Kazakhstan."""
    moment = world.calendar.start_of_day(day) + timedelta(hours=hour)
    world.clock.advance(moment - world.clock.now())


async def warned(world: World) -> list[str]:
    rows = await world.database.fetch(
        "select payload from kernel.outbox where topic = 'subscribers.silence_warned' order by event_id"
    )
    return [row["payload"]["ends_on"] for row in rows]


@pytest.mark.clause("PSC-6.3.4")
async def test_a_number_that_nobody_uses_is_warned_and_ends(world: World) -> None:
    one = await world.subscriber(money="100")  # on 2 March 2026; silent until it is 3 March 2027
    assert await last_use(world, one) is None
    assert (await night(world))["counted"] == 1
    assert await last_use(world, one) == LastUse(date(2026, 3, 2), None, date(2027, 2, 1), date(2027, 3, 3))

    at(world, date(2027, 1, 31))  # 31 days before
    assert (await night(world))["warned"] == 0
    at(world, date(2027, 2, 1))  # 30 days before
    assert (await night(world))["warned"] == 1
    assert (await night(world))["warned"] == 0  # once
    assert await warned(world) == ["2027-03-03"]

    at(world, date(2027, 3, 2), 23)
    assert (await night(world))["ended"] == 0
    assert await world.subscribers.find(one.msisdn) is not None
    at(world, date(2027, 3, 3), 0)
    assert await night(world) == {"counted": 0, "warned": 0, "ended": 1, "forgotten": 1}
    assert await world.subscribers.find(one.msisdn) is None
    row = await world.database.fetchrow(
        "select s.end_ground, n.state from subscribers.subscription s join subscribers.number n using (msisdn)"
    )
    assert row is not None
    assert tuple(row) == ("unused", "quarantine")


@pytest.mark.clause("PSC-6.3.4")
async def test_after_a_stop_the_warning_still_comes_first(world: World) -> None:
    one = await world.subscriber()
    await night(world)
    at(world, date(2027, 6, 10))  # nobody looked for more than a year
    assert await night(world) == {"counted": 0, "warned": 1, "ended": 0, "forgotten": 0}
    assert await warned(world) == ["2027-07-10"]  # 10 June + 30
    at(world, date(2027, 7, 9))
    assert (await night(world))["ended"] == 0
    at(world, date(2027, 7, 10))
    assert (await night(world))["ended"] == 1
    assert await world.subscribers.find(one.msisdn) is None


def usage(one: Subscriber, service: Service, direction: Direction, request_id: str) -> UsageRequest:
    return UsageRequest(request_id, one.msisdn, service, direction, other="77051234567")


@pytest.mark.clause("PSC-6.3.4")
@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("service", [Service.VOICE, Service.SMS, Service.DATA])
async def test_every_use_counts_in_and_out(world: World, service: Service, direction: Direction) -> None:
    one = await world.subscriber("kcell-free", money="1000")
    await night(world)
    at(world, date(2027, 2, 10))
    await night(world)
    assert len(await warned(world)) == 1
    request = usage(one, service, direction, "u")
    if service is Service.SMS:
        assert (await world.charging.event(request)).given
    else:
        await world.charging.start(request)
        assert await last_use(world, one) is not None
        assert (await last_use(world, one)).used_on == date(2026, 3, 2)  # type: ignore[union-attr]  # a try is no use
        await world.charging.stop("u", 1, 1)
    assert await last_use(world, one) == LastUse(
        date(2027, 2, 10), None, add_months(date(2027, 2, 11), TWELVE) - timedelta(days=30), date(2028, 2, 11)
    )
    at(world, date(2027, 3, 3))
    assert (await night(world))["ended"] == 0


async def test_what_is_refused_is_no_use(world: World) -> None:
    one = await world.subscriber("kcell-free", money="0")
    await night(world)
    at(world, date(2026, 5, 1))
    assert not (await world.charging.event(usage(one, Service.SMS, Direction.OUT, "u"))).given
    await world.charging.start(usage(one, Service.VOICE, Direction.OUT, "v"))
    await world.charging.stop("v", 1, 0)  # nobody answered
    found = await last_use(world, one)
    assert found is not None
    assert found.used_on == date(2026, 3, 2)


async def test_a_day_is_written_once(world: World) -> None:
    """However often a number is used: the row's version shows how often it was written."""
    one, other = await world.subscriber("kcell-free", money="1000"), await world.subscriber("kcell-free", money="1000")

    async def versions() -> list[int]:
        rows = await world.database.fetch("select xmin::text::bigint as x from subscribers.last_use order by 1")
        return [row["x"] for row in rows]

    for number in range(3):
        await world.charging.event(usage(one, Service.SMS, Direction.IN, f"a{number}"))
        await world.charging.event(usage(other, Service.SMS, Direction.IN, f"b{number}"))
    before = await versions()
    for number in range(3, 6):
        await world.charging.event(usage(one, Service.SMS, Direction.IN, f"a{number}"))
    again = type(world)(world.database, world.clock, world.calendar)  # another process, which remembers nothing
    await again.catalog.start()
    await again.charging.event(usage(one, Service.SMS, Direction.IN, "c"))
    await again.catalog.stop()
    await again.ledger.stop()
    assert await versions() == before
    world.clock.advance(timedelta(days=1))
    await world.charging.event(usage(one, Service.SMS, Direction.IN, "d"))
    assert await versions() != before


async def test_midnight_is_kazakhstans(world: World) -> None:
    one = await world.subscriber("kcell-free", money="1000")
    world.clock.advance(datetime(2026, 3, 2, 18, 59, 59, tzinfo=UTC) - world.clock.now())  # 23:59:59 in Almaty
    await world.charging.event(usage(one, Service.SMS, Direction.IN, "a"))
    assert (await last_use(world, one)).used_on == date(2026, 3, 2)  # type: ignore[union-attr]
    world.clock.advance(timedelta(seconds=1))
    await world.charging.event(usage(one, Service.SMS, Direction.IN, "b"))
    assert (await last_use(world, one)).used_on == date(2026, 3, 3)  # type: ignore[union-attr]


async def test_the_figures_are_data(world: World) -> None:
    one = await world.subscriber()
    await night(world)
    await world.subscribers.contracts.set_term("silence_months", date(2026, 4, 1), 3, CLERK)
    await world.subscribers.contracts.set_term("silence_warning_days", date(2026, 4, 1), 10, CLERK)
    at(world, date(2026, 5, 24))  # 2 March + 3 months = 2 June: ends on the 3rd, warned on 24 May
    assert (await night(world))["warned"] == 1
    at(world, date(2026, 6, 3))
    assert (await night(world))["ended"] == 1
    assert await world.subscribers.find(one.msisdn) is None


async def test_who_ended_on_another_ground_is_forgotten(world: World) -> None:
    one = await world.subscriber()
    await night(world)
    await world.subscribers.contracts.refuse(one.subscriber_id, by_subscriber(Channel.OFFICE))
    assert (await night(world))["forgotten"] == 1
    at(world, date(2028, 1, 1))
    assert await night(world) == {"counted": 0, "warned": 0, "ended": 0, "forgotten": 0}
