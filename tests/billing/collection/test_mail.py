"""What debtors are told by e-mail where the operator has set it up."""

from __future__ import annotations

from datetime import date

import pytest

from telco.billing.collection.mail import DebtMail
from telco.billing.collection.model import Action, Channel, DayUnit, Step
from telco.billing.collection.service import Collection
from telco.email.model import StoredEmail
from telco.email.service import Email
from telco.email.settings import EmailSettings
from telco.kernel.i18n import Translator
from telco.subscribers.model import EndGround
from tests.billing.collection.conftest import Office
from tests.world import CLERK


@pytest.fixture
def email(office: Office, translator: Translator) -> Email:
    """The office with e-mail."""
    world = office.world
    email = Email(world.database, world.clock, EmailSettings(host="127.0.0.1", sender="no-reply@kcell.example"))
    office.collection = Collection(
        world.database, world.clock, world.calendar, world.ledger, world.subscribers, world.invoicing, email=True
    )
    DebtMail(world.database, translator, email).subscribe_to(world.outbox)
    return email


async def stored(email: Email, key: str) -> StoredEmail:
    found = await email.find(key)
    assert found is not None
    return found


@pytest.mark.clause("PSC-7.6", "PSC-6.3.5")
async def test_a_debt_found_after_porting_out_is_told_with_the_day_to_pay_by(office: Office, email: Email) -> None:
    subscriber = await office.world.subscriber("kcell-free")
    await office.world.subscribers.contracts.end(subscriber.subscriber_id, EndGround.PORTED_OUT, CLERK)
    await office.world.outbox.drain()
    await office.charge(subscriber.account, "5000", "tap:1")
    await office.on(date(2026, 3, 6))
    debt = await office.debt(subscriber)
    message = await stored(email, f"collection.notice:{debt.debt_id}:1:found:2026-03-06")
    assert message.email.recipient == "aigul@example.kz"
    assert message.email.subject == f"Счёт {debt.number}"
    assert message.email.body == f"Счёт {debt.number}: оплатите 5 000 ₸ до 26.03.2026."


@pytest.mark.clause("PSC-3.1.4-1")
async def test_a_notice_by_email_begins_the_term(office: Office, email: Email) -> None:
    by_email = Step("notice", Action.NOTICE, 3, DayUnit.WORKING, Channel.EMAIL)
    await office.collection.register.set_step(by_email, date(2026, 4, 1), enabled=True, actor="staff:admin")
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 6))
    debt = await office.debt(subscriber)
    assert (debt.noticed_on, debt.answer_until) == (date(2026, 5, 6), date(2026, 5, 15))
    message = await stored(email, f"collection.notice:{debt.debt_id}:1:notice:2026-05-06")
    assert "до 15.05.2026" in message.email.body


async def test_without_email_it_is_a_letter_which_begins_no_term(office: Office) -> None:
    by_email = Step("notice", Action.NOTICE, 3, DayUnit.WORKING, Channel.EMAIL)
    await office.collection.register.set_step(by_email, date(2026, 4, 1), enabled=True, actor="staff:admin")
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 6))
    assert (await office.debt(subscriber)).answer_until is None
    assert (await office.collection.register.letters(date(2026, 5, 6), actor="staff:a", ground="post")).rows == 1
