"""The end of a contract does not cancel its debt: it can be paid by every way in, by number or personal account."""

from __future__ import annotations

import pytest

from telco.billing.payments.errors import PayeeEndedError
from telco.billing.payments.model import Reason, TerminalRequest
from telco.kernel.money import tenge
from telco.ledger import model as ledger_model
from telco.subscribers.model import EndGround, Subscriber
from tests.billing.payments.bank import bank_file, document
from tests.billing.payments.conftest import Desk
from tests.world import CLERK


async def ended(desk: Desk, debt: str, ground: EndGround = EndGround.REFUSAL) -> Subscriber:
    """Return a subscriber whose contract ended and whose account owes `debt` tenge (roaming found later)."""
    subscriber = await desk.world.subscriber()
    await desk.world.subscribers.contracts.end(subscriber.subscriber_id, ground, CLERK)
    if tenge(debt):
        charge = ledger_model.sum_charge(tenge(debt), money=("main",))
        op = ledger_model.debit(subscriber.account, "roaming", charge, contra="revenue.roaming", forced=True)
        await desk.world.ledger.submit(op)
    return subscriber


async def pay(desk: Desk, named: str, amount: str, txn_id: str = "1") -> Reason:
    asked = TerminalRequest(txn_id, named, tenge(amount), desk.world.clock.now())
    return (await desk.terminals.pay(desk.provider, asked)).reason


@pytest.mark.clause("PSC-6.3.5", "PSC-7.6")
@pytest.mark.parametrize(
    ("ground", "refusal"),
    [(EndGround.REFUSAL, Reason.NUMBER_ENDED), (EndGround.PORTED_OUT, Reason.NUMBER_PORTED)],
)
async def test_the_debt_of_an_ended_contract_is_paid_by_its_number(
    desk: Desk, ground: EndGround, refusal: Reason
) -> None:
    """The debt is 300: 100 + 200 pay it; then there is nothing more to pay for."""
    subscriber = await ended(desk, "300", ground)
    assert await pay(desk, subscriber.msisdn, "100") is Reason.OK
    assert await desk.world.main(subscriber) == tenge(-200)
    assert await pay(desk, subscriber.msisdn, "200", "2") is Reason.OK
    assert await desk.world.main(subscriber) == 0
    assert await pay(desk, subscriber.msisdn, "1", "3") is refusal


@pytest.mark.clause("PSC-6.3.5")
async def test_the_debt_of_an_ended_contract_is_paid_by_its_account(desk: Desk) -> None:
    subscriber = await ended(desk, "300")
    assert await pay(desk, str(subscriber.account), "300") is Reason.OK
    assert await desk.world.main(subscriber) == 0
    assert await pay(desk, str(subscriber.account), "300", "2") is Reason.NUMBER_ENDED


@pytest.mark.clause("PSC-6.3.5", "PSC-3.1.7")
async def test_what_is_paid_above_the_debt_stays_to_be_returned(desk: Desk) -> None:
    subscriber = await ended(desk, "299.90")
    assert await pay(desk, subscriber.msisdn, "300") is Reason.OK
    assert await desk.world.main(subscriber) == tenge("0.10")


@pytest.mark.clause("PSC-6.3.5")
async def test_without_a_debt_nothing_can_be_paid(desk: Desk) -> None:
    subscriber = await ended(desk, "0")
    assert await pay(desk, subscriber.msisdn, "300") is Reason.NUMBER_ENDED
    with pytest.raises(PayeeEndedError):
        await desk.payments.target(subscriber.msisdn)


@pytest.mark.clause("PSC-6.3.5", "PSC-2.11")
async def test_a_number_with_a_new_user_is_the_new_users(desk: Desk) -> None:
    """The old debt is then paid by personal account; the number's money goes to who has it now."""
    old = await ended(desk, "300")
    await desk.world.database.fetch(
        "update subscribers.number set state = 'free', quarantined_until = null where msisdn = $1", old.msisdn
    )
    new = await desk.world.subscriber(number=old.msisdn)
    assert await pay(desk, old.msisdn, "100") is Reason.OK
    assert (await desk.world.main(new), await desk.world.main(old)) == (tenge(100), tenge(-300))
    assert await pay(desk, str(old.account), "300", "2") is Reason.OK
    assert await desk.world.main(old) == 0


@pytest.mark.clause("PSC-6.3.5", "PSC-3.1.5.9")
async def test_the_debt_of_a_former_holder_is_paid_by_his_account(desk: Desk) -> None:
    """The number is somebody else's since a re-registration: what is paid by it goes to him."""
    former = await desk.world.subscriber()
    heir = await desk.world.pass_on(former)
    before = await desk.world.main(heir)
    charge = ledger_model.sum_charge(tenge(300), money=("main",))
    await desk.world.ledger.submit(
        ledger_model.debit(former.account, "roaming", charge, contra="revenue.roaming", forced=True)
    )
    assert await pay(desk, former.msisdn, "100") is Reason.OK
    assert (await desk.world.main(former), await desk.world.main(heir)) == (tenge(-300), before + tenge(100))
    assert await pay(desk, str(former.account), "300", "2") is Reason.OK
    assert await desk.world.main(former) == 0
    assert await pay(desk, str(former.account), "1", "3") is Reason.NUMBER_ENDED


@pytest.mark.clause("PSC-1.1.12", "PSC-4.1")
async def test_the_debt_of_an_account_whose_number_spends_from_another_one_is_paid_by_account(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    charge = ledger_model.sum_charge(tenge(300), money=("main",))
    await desk.world.ledger.submit(
        ledger_model.debit(subscriber.account, "roaming", charge, contra="revenue.roaming", forced=True)
    )
    contracts = desk.world.subscribers.contracts
    second = await contracts.open_account(subscriber.subscriber_id, "second", CLERK)
    await contracts.use_account(subscriber.subscriber_id, second.account, CLERK)
    assert await pay(desk, str(subscriber.account), "300") is Reason.OK
    assert await desk.world.main(subscriber) == 0


@pytest.mark.clause("PSC-6.3.5", "PSC-4.1")
async def test_a_bank_transfer_pays_it_too(desk: Desk) -> None:
    subscriber = await ended(desk, "300")
    taken = await desk.transfers.take(bank_file(document(subscriber.msisdn, "300.00")), "f", actor="staff:a")
    assert (taken.credited, await desk.world.main(subscriber)) == (1, 0)


async def test_nobody_is_told_of_money_on_an_ended_account(desk: Desk) -> None:
    """The number may be somebody else's by now."""
    subscriber = await ended(desk, "300")
    await pay(desk, subscriber.msisdn, "300")
    assert await desk.world.subscribers.find_by_ids([subscriber.subscriber_id]) == {}
