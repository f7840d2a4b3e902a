"""A number passes to somebody else: what its former holder owes stays his, and nobody else's debts wait for it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from telco.billing.collection.model import DebtKind
from telco.catalog.model import Service
from telco.charging.model import Result, UsageRequest
from telco.kernel.money import tenge
from telco.subscribers.model import Subscriber
from tests.billing.collection.conftest import DUE, PLAN, Office
from tests.world import CLERK

FORMER, HEIR = "Айгүл Серікқызы", "Бауыржан Омаров"


async def used_before(office: Office, plan: str) -> tuple[Subscriber, Subscriber]:
    """A holder and his heir of 3 March; 3 messages of the day before at 39.00 are reported only then."""
    former = await office.world.subscriber(plan)
    await office.world.invoicing.run()
    used_at = office.world.clock.now()
    await office.to(date(2026, 3, 3))
    heir = await office.world.pass_on(former)
    await office.world.outbox.drain()
    await report(office, former, used_at)
    return former, heir


async def report(office: Office, former: Subscriber, used_at: datetime, request_id: str = "tap-1") -> None:
    request = UsageRequest(request_id, former.msisdn, Service.SMS, other="77051234567", visited="43601", requested=3)
    assert (await office.world.charging.event(request, used_at)).result is Result.GRANTED


async def letters(office: Office, day: date) -> str:
    return (await office.collection.register.letters(day, actor="staff:post", ground="post")).content


@pytest.mark.clause("PSC-6.3.5", "PSC-3.1.5.9", "PSC-3.2.5")
async def test_what_is_found_after_a_re_registration_is_claimed_from_the_former_holder(office: Office) -> None:
    former, heir = await used_before(office, "kcell-free")
    assert (await office.on(date(2026, 3, 4))).counts == {"found": 1}
    debt = await office.debt(former)
    assert (debt.kind, debt.total) == (DebtKind.FOUND, tenge(117))
    assert await office.collection.register.of_account(heir.account) == []
    text = await letters(office, date(2026, 3, 4))
    assert (FORMER in text, HEIR in text) == (True, False)
    await office.daily(date(2026, 6, 30))
    assert not await office.barred(heir)
    [data] = await office.world.database.fetch("select data from collection.handover")
    assert (data["data"]["name"], data["data"]["number"]) == (FORMER, former.msisdn)


@pytest.mark.clause("PSC-6.3.5")
async def test_the_run_goes_on_for_others_after_a_re_registration(office: Office) -> None:
    """Two on credit; the number of one of them passes to somebody else while its invoice is unpaid."""
    former = await office.debtor()
    other = await office.debtor()
    await office.daily(date(2026, 4, 10))
    heir = await office.world.pass_on(former)
    await office.daily(DUE + timedelta(days=10))
    assert ("suspend", "done") in await office.steps(other)
    text = await letters(office, date(2026, 5, 6))  # 3 wd after 2 May: 4, 5 and 6 May
    assert (FORMER in text, HEIR in text) == (True, False)
    assert await office.barred(other)
    assert not await office.barred(heir)


@pytest.mark.clause("PSC-4.4", "PSC-6.3.5")
async def test_invoices_of_what_was_charged_to_the_former_holder_are_his(office: Office) -> None:
    """The fee of 8990.00 and 117.00 by 2 April; 117.00 more are reported in May and on the invoice of 2 June."""
    used_at = office.world.clock.now()
    former, heir = await used_before(office, PLAN)
    await office.daily(date(2026, 5, 10))
    await report(office, former, used_at, "tap-2")
    await office.daily(date(2026, 6, 2))
    invoices = await office.world.invoicing.of_account(former.account, 10)
    assert [(invoice.period_end, invoice.total) for invoice in invoices] == [
        (date(2026, 6, 2), tenge(117)),
        (date(2026, 4, 2), tenge(9107)),
    ]
    assert {(invoice.contract_id, invoice.party_id) for invoice in invoices} == {(former.contract_id, former.party_id)}
    assert not await office.barred(heir)


@pytest.mark.clause("PSC-1.1.12")
async def test_the_run_goes_on_after_a_number_went_to_another_account_of_its_contract(office: Office) -> None:
    debtor, other = await office.debtor(), await office.debtor()
    contracts = office.world.subscribers.contracts
    await office.daily(date(2026, 4, 10))
    account = await contracts.open_account(debtor.subscriber_id, "second", CLERK)
    await contracts.use_account(debtor.subscriber_id, account.account, CLERK)
    await office.daily(DUE + timedelta(days=10))
    assert await office.barred(other)
    assert FORMER in await letters(office, DUE + timedelta(days=4))
