"""What staff see and set: the file for collectors, letters, steps by date; and what the auditor finds."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest

from telco.billing.collection import register as register_module
from telco.billing.collection.audit import audit
from telco.billing.collection.errors import (
    CollectionTermError,
    CollectionValueError,
    DebtUnknownError,
    SmsWindowError,
    StepError,
)
from telco.billing.collection.lists import HANDOVER_COLUMNS
from telco.billing.collection.model import Action, Channel, DayUnit, Step, Terms
from telco.billing.collection.rules import LARGEST
from telco.db.pool import Connection
from telco.kernel.money import tenge
from telco.ledger import model as ledger_model
from telco.subscribers.model import Ground, by_system
from tests.billing.collection.conftest import Office


def read(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content), delimiter=";"))


@pytest.mark.clause("PSC-3.1.4", "PSC-1.1.21")
async def test_a_debt_is_handed_over_once_and_given_back_when_it_is_paid(office: Office) -> None:
    """Handed over on 1 July, 60 days late: 8990 and 60 * 8.99 of penalty."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 7, 1))
    register = office.collection.register
    assert (await register.handover(date(2026, 6, 30), actor="staff:a", ground="collector")).rows == 0
    file = await register.handover(date(2026, 7, 1), actor="staff:a", ground="collector")
    assert file.file_name == "handover-2026-07-01.csv"
    [row] = read(file.content)
    assert tuple(row) == HANDOVER_COLUMNS
    debt = (await register.of_account(subscriber.account))[-1]
    assert row == {
        "case": str(debt.case_id),
        "debt": str(debt.debt_id),
        "contract": str(subscriber.contract_id),
        "debtor_kind": "person",
        "iin_bin": row["iin_bin"],
        "name": "Айгүл Серікқызы",
        "postal_address": "Алматы, Абай 1",
        "contact_phone": "77011112233",
        "email": "aigul@example.kz",
        "number": subscriber.msisdn,
        "debt_number": debt.number,
        "due_on": "2026-05-02",
        "sum": "8990.00",
        "penalty": "539.40",
        "acknowledged_on": "2026-05-16",
    }
    trail = await office.world.database.fetch(
        "select actor, ground, details from kernel.audit_trail where action = 'collection.handover_read' order by 1"
    )
    assert [(row["actor"], row["ground"], row["details"]["rows"]) for row in trail] == [
        ("staff:a", "collector", 0),
        ("staff:a", "collector", 1),
    ]
    await office.to(date(2026, 7, 3))
    await office.pay(subscriber, "10000")
    [back] = read((await register.withdrawals(date(2026, 7, 3), actor="staff:a", ground="collector")).content)
    assert (back["debt"], back["debt_number"], back["withdrawn_on"]) == (str(debt.debt_id), debt.number, "2026-07-03")
    [day] = await register.handover_days(date(2026, 1, 1), 10)
    assert (day.day, day.debts, day.withdrawn) == (date(2026, 7, 1), 1, 1)


@pytest.mark.clause("PSC-3.1.4")
async def test_a_debt_unpaid_again_is_handed_over_again_in_the_same_case(office: Office) -> None:
    """Handed over on 1 July and paid on 3 July; another debt keeps the case open when the payment is taken back."""
    subscriber = await office.debtor()
    await office.to(date(2026, 4, 10))
    await office.charge(subscriber.account, "3000", "late")  # due on 1 June, handed over on 31 July
    await office.daily(date(2026, 7, 3))
    await office.pay(subscriber, "8990")
    await office.daily(date(2026, 7, 6))

    async def take_back(connection: Connection) -> None:
        op = ledger_model.reverse(subscriber.account, "back:1", target="pay:1", forced=True)
        await office.world.ledger.apply(connection, [op])
        await office.world.invoicing.deallocate(connection, subscriber.account, "pay:1")

    await office.world.database.transact("test.take_back", take_back)
    await office.daily(date(2026, 7, 16))
    register, (last, first) = (
        office.collection.register,
        await office.collection.register.of_account(subscriber.account),
    )
    assert (first.round, first.case_id) == (2, last.case_id)
    [again] = (await register.handover_days(date(2026, 7, 2), 10))[:1]
    assert (again.debts, again.withdrawn) == (1, 0)
    [row] = read((await register.handover(date(2026, 7, 1), actor="staff:a", ground="x")).content)
    assert row["debt"] == str(first.debt_id)  # what was handed over then stays as it was


@pytest.mark.clause("PSC-3.1.4")
async def test_two_steps_hand_a_debt_over_once(office: Office) -> None:
    """An operator may set a second day for collectors; the one who has the debt keeps it."""
    second = Step("hand_over_again", Action.HAND_OVER, 61, DayUnit.CALENDAR, Channel.NONE)
    await office.collection.register.set_step(second, date(2026, 3, 3), enabled=True, actor="staff:admin")
    await office.debtor()
    await office.daily(date(2026, 7, 3))
    assert [(d.day, d.debts) for d in await office.collection.register.handover_days(date(2026, 1, 1), 10)] == [
        (date(2026, 7, 1), 1)
    ]


async def test_a_name_is_no_formula(office: Office) -> None:
    subscriber = await office.debtor()
    await office.world.database.fetch("update subscribers.party set full_name = '=HYPERLINK(1) a'")
    await office.daily(date(2026, 7, 1))
    del subscriber
    file = await office.collection.register.handover(date(2026, 7, 1), actor="staff:a", ground="x")
    assert read(file.content)[0]["name"] == "'=HYPERLINK(1) a"


@pytest.mark.clause("PSC-3.1.4")
async def test_steps_change_for_debts_due_from_a_day_on(office: Office) -> None:
    """From 1 June on there is no reminder before the due date, and services stop a day earlier."""
    register = office.collection.register
    before = Step("remind_before", Action.REMIND, -3, DayUnit.CALENDAR, Channel.SMS)
    await register.set_step(before, date(2026, 6, 1), enabled=False, actor="staff:admin")
    earlier = Step("suspend", Action.SUSPEND, 4, DayUnit.WORKING, Channel.NONE)
    await register.set_step(earlier, date(2026, 6, 1), enabled=True, actor="staff:admin")
    subscriber = await office.debtor()
    await office.to(date(2026, 4, 10))
    await office.charge(subscriber.account, "3000", "late")  # due on 1 June
    done = await office.daily(date(2026, 6, 5))
    assert done[date(2026, 4, 29)]["remind"] == 1  # the invoice due on 2 May keeps its steps
    assert done[date(2026, 5, 12)]["suspend"] == 1
    assert done[date(2026, 5, 29)] == {"begun": 1}
    assert done[date(2026, 6, 5)]["suspend"] == 1  # 4 wd after Monday, 1 June


@pytest.mark.parametrize(
    ("step", "valid_from"),
    [
        (Step("x", Action.REMIND, 1, DayUnit.CALENDAR, Channel.SMS), date(2026, 3, 2)),  # today
        (Step("x", Action.REMIND, 1, DayUnit.CALENDAR, Channel.NONE), date(2026, 3, 3)),
        (Step("x", Action.SUSPEND, 1, DayUnit.CALENDAR, Channel.SMS), date(2026, 3, 3)),
        (Step("x", Action.SUSPEND, 0, DayUnit.CALENDAR, Channel.NONE), date(2026, 3, 3)),
        (Step("x", Action.NOTICE, -1, DayUnit.CALENDAR, Channel.SMS), date(2026, 3, 3)),
        (Step("x", Action.REMIND, -61, DayUnit.CALENDAR, Channel.SMS), date(2026, 3, 3)),
        (Step("x", Action.REMIND, 1096, DayUnit.CALENDAR, Channel.SMS), date(2026, 3, 3)),
    ],
)
async def test_steps_that_cannot_be(office: Office, step: Step, valid_from: date) -> None:
    with pytest.raises(StepError):
        await office.collection.register.set_step(step, valid_from, enabled=True, actor="staff:admin")


@pytest.mark.clause("PSC-5.4")
async def test_figures_change_for_debts_due_from_a_day_on(office: Office) -> None:
    """0.05 % a day for what is due from 2 May on: 10 days of 8990 are 44.95."""
    register = office.collection.register
    await register.set_term("penalty_ppm_per_day", date(2026, 5, 2), 500, actor="staff:admin")
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 12))
    await office.pay(subscriber, "8990")
    assert (await office.debt(subscriber)).penalty == tenge("44.95")
    assert (await register.terms_today()).penalty_ppm_per_day == 500
    with pytest.raises(CollectionTermError):
        await register.set_term("penalty_ppm_per_day", date(2026, 5, 12), 500, actor="staff:admin")
    with pytest.raises(CollectionTermError):
        await register.set_term("no_such_figure", date(2027, 1, 1), 1, actor="staff:admin")


@pytest.mark.parametrize("name", Terms._fields)
async def test_a_figure_has_a_most(office: Office, name: str) -> None:
    """Beyond it a run would count working days for ever, or leave what a date can be, for every debt of the batch."""
    register, day, most = office.collection.register, date(2026, 4, 1), getattr(LARGEST, name)
    with pytest.raises(CollectionValueError):
        await register.set_term(name, day, most + 1, actor="staff:admin")
    if name == "sms_from_minute":
        with pytest.raises(SmsWindowError):
            await register.set_term(name, day, most, actor="staff:admin")
    else:
        await register.set_term(name, day, most, actor="staff:admin")
    await office.debtor()
    await office.on(date(2026, 5, 20))
    await office.on(date(2026, 7, 20))


async def test_a_long_list_comes_in_parts_and_loses_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two letters of one debt on one day, where a part ends."""
    monkeypatch.setattr(register_module, "MAX_ROWS", 1)
    await office.collection.register.set_step(
        Step("notice", Action.NOTICE, 1, DayUnit.CALENDAR, Channel.LETTER), date(2026, 3, 3), enabled=True, actor="a"
    )
    await office.collection.register.set_step(
        Step("again", Action.NOTICE, 1, DayUnit.CALENDAR, Channel.LETTER), date(2026, 3, 3), enabled=True, actor="a"
    )
    await office.debtor()
    await office.debtor()
    await office.daily(date(2026, 5, 3))
    found, after = [], 0
    while True:
        part = await office.collection.register.letters(date(2026, 5, 3), after, actor="staff:post", ground="post")
        found += [(row["debt"], row["step"]) for row in read(part.content)]
        if part.next_after is None:
            break
        after = part.next_after
    first, second = sorted({debt for debt, _ in found}, key=int)
    assert found == [(first, "again"), (first, "notice"), (second, "again"), (second, "notice")]
    trail = await office.world.database.fetch(
        "select details from kernel.audit_trail where action = 'collection.letters_read' order by audit_id"
    )
    assert [row["details"]["after"] for row in trail] == [0, int(first), int(second)]


async def test_there_is_no_such_debt(office: Office) -> None:
    with pytest.raises(DebtUnknownError):
        await office.collection.register.details(1)


@pytest.mark.clause("PSC-3.1.5.1")
async def test_the_auditor_finds_a_suspension_without_ground_and_a_missed_day(office: Office) -> None:
    world = office.world
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 12))

    async def checks() -> set[str]:
        return {finding.check for finding in await audit(world.database, world.clock.now(), world.calendar)}

    assert await checks() == set()
    origin = by_system("collection", "test")
    await world.subscribers.suspend(
        subscriber.subscriber_id, Ground.MONEY, origin, reason="no reason", reference="KC-2026-9999999"
    )
    assert await checks() == {"collection.suspended_without_ground"}
    await world.subscribers.suspensions.resume_ground(
        subscriber.subscriber_id, Ground.MONEY, origin, reason="test", reference="KC-2026-9999999"
    )
    await office.credit(subscriber, "9079.90")  # paid with its penalty, and nobody has heard
    assert await checks() == {"collection.suspended_without_ground"}
    await world.outbox.drain()
    assert await checks() == set()

    other = await office.debtor()  # joined on 12 May: due on 12 July
    await office.on(date(2026, 6, 12))
    await office.to(date(2026, 7, 10))
    assert await checks() == set()
    await office.to(date(2026, 7, 20))
    assert await checks() == {"collection.not_followed"}
    await office.collection.run()
    assert await checks() == set()
    await office.to(date(2026, 7, 31))
    assert "collection.step_missed" in await checks()
    await office.collection.run()
    del other


@pytest.mark.clause("PSC-5.4")
async def test_the_auditor_finds_a_penalty_beyond_the_tenth(office: Office) -> None:
    """8990 bear 899 at most; a tiyn more was posted and noted alike."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 12))
    await office.pay(subscriber, "8990")
    world = office.world

    async def post(amount: int) -> set[str]:
        async with world.database.acquire() as connection:
            await connection.execute("update collection.debt set penalty_tiyn = $1", amount)
            await connection.execute("update collection.penalty_posting set amount_tiyn = $1", amount)
        return {finding.check for finding in await audit(world.database, world.clock.now(), world.calendar)}

    assert await post(89900) == set()
    assert await post(89901) == {"collection.penalty_too_high"}
    assert await post(8990) == set()


@pytest.mark.clause("PSC-6.3.3")
async def test_the_auditor_finds_a_contract_that_should_have_ended(office: Office) -> None:
    await office.debtor()
    await office.daily(date(2026, 7, 12))
    await office.to(date(2026, 7, 15))
    findings = await audit(office.world.database, office.world.clock.now(), office.world.calendar)
    assert "collection.end_missed" in {finding.check for finding in findings}
