"""One transfer told by a bank's two forms: credited once where it is certain, for people where it is only probable."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from telco.billing.payments.model import BankDocument, ItemState, TakenFile, WorkItem
from telco.billing.payments.twins import Likeness, likeness, pair
from telco.kernel.money import tenge
from tests.billing.payments.bank import COMPANY, PERSON, bank_file, document
from tests.billing.payments.conftest import OTHER_ACCOUNT, OUR_ACCOUNT, Desk
from tests.billing.payments.test_mt940 import NUMBER, statement

ORDERED, CAME = date(2026, 3, 1), date(2026, 3, 2)
ORDER = BankDocument(
    line=1,
    number="417",
    document_date=ORDERED,
    received_on=CAME,
    amount=tenge(1000),
    payer_account=OTHER_ACCOUNT,
    payer_name="",
    payer_id=PERSON,
    receiver_account=OUR_ACCOUNT,
    purpose=f"Пополнение {NUMBER}",
)
ENTRY = replace(ORDER, document_date=CAME, purpose=f"{OTHER_ACCOUNT} ИИН {PERSON} Пополнение {NUMBER}")
"""The same in MT940: the day is that of value, the purpose stands among other words."""
ELSEWHERE = "KZ55555KZT5555555555"
SAME, PROBABLE = Likeness.SAME, Likeness.PROBABLE


@pytest.mark.clause("PSC-4.1")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, SAME),
        ({"number": "000417"}, SAME),
        ({"payer_account": ""}, SAME),  # the IIN tells the payer
        ({"payer_id": ""}, SAME),  # the account does
        ({"purpose": ""}, SAME),
        ({"purpose": "пополнение, +7 (701) 222-33-44"}, SAME),
        ({"document_date": ORDERED, "received_on": date(2026, 3, 9)}, SAME),  # booked later, of value that day
        ({"document_date": date(2026, 3, 3), "received_on": date(2026, 3, 3)}, PROBABLE),  # no day in common
        ({"document_date": date(2026, 3, 12), "received_on": date(2026, 3, 12)}, PROBABLE),  # 10 days from the 2nd
        ({"document_date": date(2026, 3, 13), "received_on": date(2026, 3, 13)}, None),  # 11
        ({"payer_account": "", "payer_id": ""}, PROBABLE),
        ({"payer_account": ELSEWHERE}, PROBABLE),  # the IIN is the same, the account is not
        ({"payer_account": ELSEWHERE, "payer_id": ""}, None),
        ({"payer_account": ELSEWHERE, "payer_id": COMPANY}, None),
        ({"purpose": "за 77010000009"}, PROBABLE),
        ({"number": "B-1"}, PROBABLE),  # the bank's own reference instead of the order's number
        ({"number": "B-1", "payer_account": "", "payer_id": ""}, PROBABLE),  # the day and the purpose
        ({"number": "B-1", "purpose": "за связь"}, PROBABLE),  # the day and the payer
        ({"number": "B-1", "purpose": "за связь", "payer_account": "", "payer_id": ""}, None),
        ({"number": "B-1", "purpose": "за 77010000009"}, None),
        ({"number": "B-1", "document_date": date(2026, 3, 3), "received_on": date(2026, 3, 3)}, None),
        ({"amount": tenge("1000.01")}, None),
        ({"receiver_account": ELSEWHERE}, None),
    ],
)
def test_how_two_tellings_stand_to_each_other(changes: dict[str, Any], expected: Likeness | None) -> None:
    other = replace(ENTRY, **changes)
    assert (likeness(ORDER, other), likeness(other, ORDER)) == (expected, expected)
    same, like = pair({"key": other}, {7: ORDER})
    assert (same, like) == ({"key": 7} if expected is SAME else {}, {"key": 7} if expected is PROBABLE else {})


def test_a_refund_that_came_back_is_the_same_whatever_it_is_called() -> None:
    one = replace(ORDER, purpose="Возврат: заявление RF-0000017. Счет закрыт", number="900", payer_id="")
    other = replace(
        ENTRY,
        payer_account=ELSEWHERE,
        purpose="RETURN RF-0000017",
        number="B-1",
        document_date=date(2026, 3, 4),
        received_on=None,
    )
    assert likeness(one, other) is SAME
    assert likeness(one, replace(other, purpose="RETURN RF-0000018")) is None


def test_each_document_has_one_twin_and_the_certain_ones_come_first() -> None:
    """Two orders of the same sum on one day: each entry finds its own, and a third is nobody's."""
    candidates = {1: ORDER, 2: replace(ORDER, number="418")}
    second, first = replace(ENTRY, number="418"), ENTRY
    assert pair({"b": second, "a": first, "c": replace(ENTRY, number="419")}, candidates) == ({"b": 2, "a": 1}, {})


def test_many_alike_are_paired_without_comparing_each_with_each() -> None:
    """A bank pays for 20,000 people from one account, 1,000.00 each: half are told again, half are like nothing."""
    people = [replace(ORDER, number=str(n), purpose=f"за 7701{n:07d}") for n in range(20_000)]
    again = {str(n): replace(ENTRY, number=f"{n}", purpose=f"x за 7701{n:07d}") for n in range(10_000)}
    others = {f"B{n}": replace(ENTRY, number=f"B{n}", purpose=f"x за 7702{n:07d}") for n in range(10_000)}
    same, like = pair(again | others, dict(enumerate(people)))  # each with each would be 400 million, and minutes
    assert (same, like) == ({str(n): n for n in range(10_000)}, {})


def of_order(number: str = NUMBER, **changes: str | None) -> bytes:
    return bank_file(document(f"за {number}", "1000.00", "417", **{"ДатаПоступило": "02.03.2026"} | changes))


def of_entry(number: str = NUMBER, reference: str = "417//B-1", day: str = "2603020302") -> bytes:
    text = f"{OTHER_ACCOUNT} ИИН {PERSON} за {number}"
    return statement(f":61:{day}C1000,NTRF{reference}\r\n:86:{text}", closing="C1000,").encode()


async def take(desk: Desk, raw: bytes) -> TakenFile:
    return await desk.transfers.take(raw, "file", actor="staff:accountant")


async def waiting(desk: Desk) -> list[WorkItem]:
    return await desk.work_list.items(ItemState.OPEN, None, 0, 10)


@pytest.mark.clause("PSC-4.1")
@pytest.mark.parametrize("order_first", [True, False])
async def test_a_transfer_in_both_forms_is_credited_once(desk: Desk, *, order_first: bool) -> None:
    """Of 1 March in one form, of the 2nd, its day of value, in the other."""
    subscriber = await desk.world.subscriber(number=NUMBER)
    first, second = (of_order(), of_entry()) if order_first else (of_entry(), of_order())
    assert (await take(desk, first)).credited == 1
    again = await take(desk, second)
    assert (again.repeated, again.credited, again.work_list) == (1, 0, 0)
    later = await take(desk, second.replace(b"ST-1", b"ST-2").replace("Банк".encode("cp1251"), b"Bank"))
    assert (later.replayed, later.repeated, later.credited) == (False, 1, 0)  # in another file of that form
    assert await desk.world.main(subscriber) == tenge(1000)
    assert await waiting(desk) == []


@pytest.mark.clause("PSC-4.1", "PSC-3.2.4-4")
async def test_what_is_only_probable_waits_with_the_payment_that_it_looks_like(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(number=NUMBER)
    await take(desk, of_order())
    [payment] = await desk.payments.search("417")
    assert (await take(desk, of_entry(reference="NONREF//B-1"))).work_list == 1
    [item] = await waiting(desk)
    assert (item.reason, item.payment_id) == ("looks_like", payment.payment_id)
    like = item.facts["looks_like"]
    assert isinstance(like, dict)
    assert (like["number"], like["document_date"], like["state"]) == ("417", "2026-03-01", "credited")
    assert await desk.world.main(subscriber) == tenge(1000)
    await desk.work_list.allocate(item.item_id, NUMBER, actor="staff:a", reason="the bank says: two transfers")
    assert await desk.world.main(subscriber) == tenge(2000)


async def test_two_forms_at_once_see_each_other(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(number=NUMBER)
    taken = await asyncio.gather(*(take(desk, raw) for raw in [of_order(), of_entry()] * 3))
    assert sorted(file.repeated for file in taken if not file.replayed) == [0, 1]
    await desk.transfers.process_pending()
    assert await desk.world.main(subscriber) == tenge(1000)


async def test_an_order_that_was_only_announced_is_credited_when_the_other_form_has_it(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(number=NUMBER)
    assert (await take(desk, of_order(ДатаПоступило=None))).work_list == 1
    await take(desk, of_entry(day="2603010302"))  # of value on the order's day, booked on the next
    await desk.transfers.process_pending()
    await take(desk, of_order())
    assert await desk.world.main(subscriber) == tenge(1000)
    assert await waiting(desk) == []


async def test_an_announced_order_is_doubtful_once_something_like_it_was_credited_by_people(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(number=NUMBER)
    await take(desk, of_order(ДатаПоступило=None))
    await take(desk, of_entry())  # no day in common: only probable
    [_, item] = await waiting(desk)
    await desk.work_list.allocate(item.item_id, NUMBER, actor="staff:a", reason="it is this order")
    await take(desk, of_order())
    await desk.transfers.process_pending()
    assert await desk.world.main(subscriber) == tenge(1000)
    [doubt] = await waiting(desk)
    assert (doubt.reason, doubt.external_id) == ("looks_like", "417")


async def test_two_orders_alike_in_one_form_are_two_payments(desk: Desk) -> None:
    """Paid 1,000 on two days for the same number: two documents of one form are told apart by their day."""
    subscriber = await desk.world.subscriber(number=NUMBER)
    await take(desk, of_order())
    await take(desk, of_order(Дата="02.03.2026"))
    assert await desk.world.main(subscriber) == tenge(2000)
    assert (await take(desk, of_entry())).repeated == 1
    assert await desk.world.main(subscriber) == tenge(2000)
