"""Daily reconciliation: what a provider tells of a day against what we credited."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.payments import registers
from telco.billing.payments.errors import (
    PaymentReusedError,
    RegisterDayError,
    RegisterFileError,
    WorkItemNoMoneyError,
)
from telco.billing.payments.model import ItemState, Reconciled, Result, TerminalRequest, WorkItem
from telco.billing.payments.registers import parse_register
from telco.kernel.calendar import Calendar
from telco.kernel.money import tenge
from telco.subscribers.model import Subscriber
from tests.billing.payments.conftest import Desk

DAY = date(2026, 3, 2)
HEADER = "txn_id;txn_date;account;sum"
CALENDAR = Calendar()


async def pay(desk: Desk, subscriber: Subscriber, amount: str, txn_id: str) -> Result:
    asked = TerminalRequest(txn_id, subscriber.msisdn, tenge(amount), desk.world.clock.now())
    return (await desk.terminals.pay(desk.provider, asked)).result


async def take(desk: Desk, *lines: str) -> Reconciled:
    return await desk.registers.take("kiosk", DAY, "\n".join([HEADER, *lines]).encode(), actor="provider:kiosk")


async def open_items(desk: Desk) -> list[WorkItem]:
    return await desk.work_list.items(ItemState.OPEN, None, 0, 100)


async def test_registers_that_agree_leave_nothing_to_decide(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await pay(desk, subscriber, "100", "1")
    await pay(desk, subscriber, "200", "2")
    desk.world.clock.advance(timedelta(days=1))
    ours = await desk.registers.ours("kiosk", DAY)
    assert ours.splitlines()[1] == f"1;20260302110000;{subscriber.msisdn};100.00"
    result = await desk.registers.take("kiosk", DAY, ours.encode(), actor="provider:kiosk")  # ours, as they send it
    assert (result.line_count, result.our_count, result.amount, result.our_amount) == (2, 2, tenge(300), tenge(300))
    assert (result.differences, await open_items(desk)) == ((), [])


async def test_every_kind_of_difference_is_found_and_listed_once(desk: Desk) -> None:
    subscriber, other = await desk.world.subscriber(), await desk.world.subscriber()
    for txn_id, amount in (("sum", "100"), ("account", "200"), ("there", "300"), ("same", "400")):
        await pay(desk, subscriber, amount, txn_id)
    desk.world.clock.advance(timedelta(days=1))
    lines = [
        f"sum;20260302110000;{subscriber.msisdn};100.01",
        f"account;20260302110000;{other.msisdn};200",
        f"same;20260302110000;+{subscriber.msisdn};400.00",
        f"here;20260302235959;{subscriber.msisdn};500.00",
    ]
    result = await take(desk, *lines)
    assert {(d.kind.removeprefix("register_"), d.txn_id) for d in result.differences} == {
        ("other_sum", "sum"),
        ("other_account", "account"),
        ("missing_there", "there"),
        ("missing_here", "here"),
    }
    assert len(await open_items(desk)) == 4
    await take(desk, *lines)  # the same register again
    assert len(await open_items(desk)) == 4


async def test_a_corrected_register_closes_what_it_no_longer_differs_in(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await pay(desk, subscriber, "100", "1")
    desk.world.clock.advance(timedelta(days=1))
    await take(desk, f"1;20260302110000;{subscriber.msisdn};1000.00")
    assert [item.reason for item in await open_items(desk)] == ["register_other_sum"]
    await take(desk, f"1;20260302110000;{subscriber.msisdn};100.00")
    assert await open_items(desk) == []
    [closed] = await desk.work_list.items(ItemState.CLOSED, None, 0, 10)
    assert closed.decided_by == "system:registers"


async def test_what_is_missing_here_is_credited_by_people_and_never_again_by_the_terminal(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    desk.world.clock.advance(timedelta(days=1))
    line = f"77;20260302110000;{subscriber.msisdn};500.00"
    await take(desk, line)
    [item] = await open_items(desk)
    await desk.work_list.allocate(item.item_id, subscriber.msisdn, actor="staff:a", reason="the receipt was shown")
    assert await desk.world.main(subscriber) == tenge(500)
    assert await pay(desk, subscriber, "500", "77") is Result.OK  # the terminal's queue sends it at last
    assert await pay(desk, subscriber, "501", "77") is Result.OTHER
    assert await desk.world.main(subscriber) == tenge(500)
    assert (await take(desk, line)).differences == ()


async def test_what_came_meanwhile_is_not_allocated_twice(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    desk.world.clock.advance(timedelta(days=1))
    await take(desk, f"77;20260302110000;{subscriber.msisdn};500.00")
    await pay(desk, subscriber, "500", "77")
    [item] = await open_items(desk)
    with pytest.raises(PaymentReusedError):
        await desk.work_list.allocate(item.item_id, subscriber.msisdn, actor="staff:a", reason="r")
    assert await desk.world.main(subscriber) == tenge(500)


async def test_a_difference_without_money_is_only_closed(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await pay(desk, subscriber, "100", "1")
    desk.world.clock.advance(timedelta(days=1))
    await take(desk)
    [item] = await open_items(desk)
    with pytest.raises(WorkItemNoMoneyError):
        await desk.work_list.allocate(item.item_id, subscriber.msisdn, actor="staff:a", reason="r")
    await desk.work_list.close(item.item_id, actor="staff:a", reason="in their register of the next day")


async def test_a_day_that_is_not_over_cannot_be_compared(desk: Desk) -> None:
    with pytest.raises(RegisterDayError):
        await take(desk)


async def test_the_day_is_the_providers_by_the_clocks_of_kazakhstan(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    start = desk.world.calendar.start_of_day(DAY)
    for txn_id, at in (
        ("before", start - timedelta(seconds=1)),
        ("first", start),
        ("last", start + timedelta(days=1, seconds=-1)),
        ("after", start + timedelta(days=1)),
    ):
        await desk.terminals.pay(desk.provider, TerminalRequest(txn_id, subscriber.msisdn, tenge(5), at))
    ours = await desk.registers.ours("kiosk", DAY)
    assert [line.partition(";")[0] for line in ours.splitlines()] == ["txn_id", "first", "last"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1251"])
@pytest.mark.parametrize("separator", [";", ","])
def test_a_register_as_sheets_write_it(codec: str, separator: str) -> None:
    text = f'{HEADER}\r\n"1";20260302000000;87012223344;"5.00"\r\n\r\n'.replace(";", separator)
    [line] = parse_register(text.encode(codec), CALENDAR, DAY)
    assert (line.txn_id, line.account, line.amount) == ("1", "77012223344", tenge(5))


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ("", 1, "header"),
        ("txn;date;account;sum", 1, "header"),
        (f"{HEADER}\n1;20260302000000;87012223344", 2, "cells"),
        (f"{HEADER}\n1;20260302000000;87012223344;5;6", 2, "cells"),
        (f"{HEADER}\n=1+1;20260302000000;87012223344;5", 2, "txn_id"),
        (f"{HEADER}\n1;20260302000000;=HYPERLINK(1);5", 2, "account"),
        (f"{HEADER}\n1;20260302000000;87012223344;=5", 2, "sum"),
        (f"{HEADER}\n1;20260302000000;87012223344;-5", 2, "sum"),
        (f"{HEADER}\n1;20260231000000;87012223344;5", 2, "txn_date"),
        (f"{HEADER}\n1;20260301235959;87012223344;5", 2, "another day"),
        (f"{HEADER}\n1;20260302000000;87012223344;5\n1;20260302000000;87012223344;5", 3, "twice"),
    ],
)
def test_a_wrong_register_is_refused_with_its_line(lines: str, line: int, why: str) -> None:
    with pytest.raises(RegisterFileError, match=why) as refused:
        parse_register(lines.encode(), CALENDAR, DAY)
    assert refused.value.line == line


def test_a_huge_register_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registers, "MAX_LINES", 2)
    rows = [f"{n};20260302000000;87012223344;5" for n in range(3)]
    assert len(parse_register("\n".join([HEADER, *rows[:2]]).encode(), CALENDAR, DAY)) == 2
    with pytest.raises(RegisterFileError, match="more than 2"):
        parse_register("\n".join([HEADER, *rows]).encode(), CALENDAR, DAY)
    monkeypatch.setattr(registers, "MAX_BYTES", 10)
    with pytest.raises(RegisterFileError, match="larger"):
        parse_register(HEADER.encode(), CALENDAR, DAY)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    with pytest.raises(RegisterFileError):
        parse_register(raw, CALENDAR, DAY)
    try:
        parse_register(f"{HEADER}\n1;20260302000000;87012223344;".encode() + raw, CALENDAR, DAY)
    except RegisterFileError:
        return
