"""Credit history for bureaus: written as their format says, told once, sent until it is confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from importlib.resources import files

import pytest

from telco.billing.instalments.bureau import CreditBureaus
from telco.billing.instalments.bureau_format import BureauRecord, default_format, parse_format
from telco.billing.instalments.errors import BureauFormatError, BureauUnreachableError
from telco.billing.instalments.model import AgreementState, Sale
from telco.kernel.money import Tiyn, tenge
from telco.lab.bureau import LabCreditBureau
from tests.world import CLERK, World, iin

pytestmark = pytest.mark.clause("PSC-3.2.12")
SALE = Sale("device-standard", "Galaxy A55", "490154203237518", tenge(100_000), tenge(10_000), 6)
RECORD = BureauRecord(
    iin_bin=iin(1),
    full_name="Айгүл Серікқызы",
    number="DIA-2026-0000001",
    signed_on=date(2026, 3, 2),
    consent_version="credit-history-2026-01",
    consent_on=date(2026, 3, 2),
    price=tenge(100_000),
    financed=tenge(90_000),
    months=6,
    open_rest=tenge(75_000),
    next_due_on=date(2026, 5, 2),
    next_amount=tenge(15_000),
    overdue=Tiyn(50),
    overdue_since=date(2026, 4, 2),
    state=AgreementState.OPEN,
    closed_on=None,
)


def bureaus(world: World, bureau: LabCreditBureau | None) -> CreditBureaus:
    return CreditBureaus(
        world.database, world.clock, world.calendar, world.ledger, world.subscribers, world.invoicing, bureau=bureau
    )


async def test_what_changed_is_told_once_and_until_it_is_confirmed(world: World) -> None:
    bureau = LabCreditBureau(default_format())
    service = bureaus(world, bureau)
    assert await service.make() is None
    one = await world.subscriber(money="10000", owner=5)
    await world.instalments.sign(one, SALE, CLERK, request_id="r")
    bureau.unreachable = True
    made = await service.make()
    assert made is not None
    assert (made.name, made.records) == ("telco-first-bureau-20260302.csv", 1)
    assert await service.send_waiting() == 0
    assert [(file.attempts, file.sent_at) for file in await service.files()] == [(1, None)]
    bureau.unreachable = False
    assert (await service.send_waiting(), await service.send_waiting()) == (1, 0)
    told = bureau.records["DIA-2026-0000001"]
    assert (told["iin_bin"], told["open_rest"], told["overdue"], told["state"]) == (iin(5), "90000.00", "0.00", "1")
    assert await service.make() is None  # one file a day
    world.clock.advance(timedelta(days=1))
    assert await service.make() is None  # nothing changed
    world.clock.advance(timedelta(days=31))  # 3 April
    await world.instalments.post_due()
    assert await service.make() is not None
    assert await service.send_waiting() == 1
    told = bureau.records["DIA-2026-0000001"]
    assert (told["overdue"], told["overdue_since"], told["next_due_on"]) == ("15000.00", "02.04.2026", "02.05.2026")


async def test_who_is_told_of_is_in_the_audit_trail_and_who_took_the_consent_back_is_not_told_of(world: World) -> None:
    service = bureaus(world, None)
    sold = [await world.subscriber(money="10000", owner=owner) for owner in (5, 6, 7)]
    for subscriber, imei in zip(sold, (SALE.imei, "356938035643809", "352099001761481"), strict=True):
        await world.instalments.sign(subscriber, replace(SALE, imei=imei), CLERK, request_id=imei)
    await world.database.fetch(
        "update subscribers.consent set withdrawn_at = given_at where kind = 'credit_history' and party_id = $1",
        sold[1].party_id,
    )
    made = await service.make()
    assert made is not None
    assert made.records == 2
    world.clock.advance(timedelta(days=1))
    assert await service.make() is None
    looks = await world.database.fetch(
        "select actor, subject, ground from kernel.audit_trail where action = $1 order by audit_id",
        "subscribers.read_party",
    )
    assert [tuple(look) for look in looks] == [
        ("system:instalments", f"party:{one.party_id}", "credit history is exchanged") for one in (sold[0], sold[2])
    ]


async def test_without_a_bureau_files_wait_for_staff(world: World) -> None:
    service = bureaus(world, None)
    one = await world.subscriber(money="10000")
    await world.instalments.sign(one, SALE, CLERK, request_id="r")
    made = await service.make()
    assert made is not None
    assert await service.send_waiting() == 0
    file, content = await service.content(made.file_id)
    assert file == made
    assert content.decode().startswith("IIN_BIN;FULL_NAME;CONTRACT;")


async def test_the_lab_takes_what_the_format_writes_and_refuses_what_is_wrong() -> None:
    written = default_format()
    bureau = LabCreditBureau(written)
    content = written.write([RECORD])
    receipt = await bureau.send("a.csv", content)
    assert await bureau.send("a.csv", content) == receipt
    for name, wrong in (
        ("a.csv", written.write([])),  # the name was used
        ("b.csv", content.replace(b"15000.00", b"15000,00")),
        ("b.csv", content.replace(b"02.03.2026", b"2026-03-02")),
        ("b.csv", content.replace(iin(1).encode(), b"900101300010")),
        ("b.csv", content.replace(b"IIN_BIN", b"IIN")),
        ("b.csv", content.replace(b";KZT;", b";")),
    ):
        with pytest.raises(BureauUnreachableError):
            await bureau.send(name, wrong)


def test_a_name_that_begins_like_a_formula_is_only_text() -> None:
    hostile = default_format().write([replace(RECORD, full_name='=HYPERLINK("x")')])
    assert b"'=HYPERLINK" in hostile


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ('field = "overdue"', 'field = "overdew"', "columns.13.field"),
        ('encoding = "utf-8"', 'encoding = "koi8-r"', "encoding"),
        ('due = "7"\n', "", "states: due is missing"),
        ("{bureau}-{day}", "{bureau}-{moon}", "file_name"),
        ('field = "iin_bin"', 'field = "full_name"', "iin_bin and number"),
        ("header = true", "header = ", "not TOML"),
        ("header = true", "headers = true", "headers"),
    ],
)
def test_a_wrong_format_is_told_with_its_field(was: str, now: str, told: str) -> None:
    text = files("telco.billing.instalments").joinpath("bureau.toml").read_text("utf-8")
    assert was in text
    with pytest.raises(BureauFormatError) as refused:
        parse_format(text.replace(was, now, 1).encode())
    assert told in str(refused.value)


def test_another_bureau_is_another_file() -> None:
    text = b"""
bureau = "second"
file_name = "{day}.txt"
encoding = "windows-1251"
delimiter = "|"
line_end = "\\n"
date_format = "%Y%m%d"
header = false
[states]
open = "A"
paid = "B"
repaid = "B"
due = "C"
returned = "D"
[[columns]]
name = "id"
field = "iin_bin"
[[columns]]
name = "agreement"
field = "number"
[[columns]]
name = "state"
field = "state"
[[columns]]
name = "closed"
field = "closed_on"
"""
    written = parse_format(text)
    assert written.name_on(date(2026, 3, 2)) == "20260302.txt"
    assert written.write([RECORD]) == f"{iin(1)}|DIA-2026-0000001|A|\n".encode("windows-1251")


async def test_what_a_credit_account_owes_is_overdue_once_its_invoice_is(world: World) -> None:
    bureau = LabCreditBureau(default_format())
    service = bureaus(world, bureau)
    one = await world.subscriber("kcell-status")
    await world.pay(one.account, "20000", "p")
    await world.instalments.sign(one, SALE, CLERK, request_id="r")  # on 2 March
    world.clock.advance(timedelta(days=32))  # 3 April: the first part is posted, no invoice is due
    await world.instalments.post_due()
    await service.make()
    await service.send_waiting()
    assert bureau.records["DIA-2026-0000001"]["overdue"] == "0.00"
