"""The end of personal accounts: what is zeroed, what stays, when the credit limit goes."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.billing.refunds.errors import ApplicantMismatchError, RefundTooEarlyError
from telco.billing.refunds.model import RefundKind, RefundState
from telco.db.pool import Connection
from telco.kernel.ids import AccountRef
from telco.kernel.money import tenge
from telco.kernel.units import Unit
from telco.ledger import model as ledger_model
from telco.ledger.model import BucketSpec, Op
from telco.subscribers import rules
from telco.subscribers.errors import ObligationsOpenError
from telco.subscribers.model import (
    Channel,
    ConsentKind,
    EndGround,
    PartyData,
    PartyKind,
    RegistrationSheet,
    Scope,
    SimKind,
    Subscriber,
    by_subscriber,
)
from tests.billing.refunds.conftest import BOLAT, Office
from tests.world import CLERK, iin

PAPER = by_subscriber(Channel.OFFICE)


async def apply(office: Office, *ops: Op) -> None:
    async def body(connection: Connection) -> None:
        await office.world.ledger.apply(connection, ops)

    await office.world.database.transact("test.apply", body)


async def give(office: Office, account: AccountRef, code: str, unit: Unit, amount: int, origin: str) -> None:
    now = office.world.clock.now()
    spec = BucketSpec(code, unit, amount, 50, now, now + timedelta(days=300), origin)
    await apply(office, ledger_model.grant(account, f"give:{origin}:{code}", (spec,), contra="bonus.cost"))


async def volumes(office: Office, account: AccountRef) -> dict[str, int]:
    """What is on an account beside the main balance."""
    view = await office.world.ledger.balances(account)
    return {bucket.code: bucket.balance for bucket in view.buckets[1:] if bucket.balance}


async def sibling(office: Office, first: Subscriber, plan: str) -> Subscriber:
    """One more number of the same contract that spends from the same personal account."""
    world = office.world
    await world.subscribers.numbers.add(["77019990001"], "ordinary", CLERK)  # type: ignore[list-item]
    iccid = "897010999999000001"
    iccid += rules.luhn_digit(iccid)
    await world.subscribers.sims.add(iccid, "401019990000001", SimKind.SIM, CLERK)
    await world.subscribers.accede(
        RegistrationSheet(
            request_id="sibling",
            party=PartyData(
                PartyKind.PERSON, iin(1), "Айгүл Серікқызы", "Алматы, Абай 1", "a@example.kz", "77011112233"
            ),
            plan_code=plan,
            language=first.language,
            origin=CLERK,
            msisdn="77019990001",  # type: ignore[arg-type]
            iccid=iccid,
            contract_id=first.contract_id,
            account=first.account,
        )
    )
    return await world.subscribers.get("77019990001")  # type: ignore[arg-type]


@pytest.mark.clause("PSC-6.5", "PSC-3.1.9")
@pytest.mark.parametrize(
    "ground", [EndGround.REFUSAL, EndGround.PORTED_OUT, EndGround.UNPAID, EndGround.UNUSED, EndGround.BREACH]
)
async def test_on_every_ground_only_money_is_left(office: Office, ground: EndGround) -> None:
    one = await office.world.subscriber("kcell-start", money="5000")
    await give(office, one.account, "bonus", Unit.MONEY, tenge(300), "bonus:test")
    before = await office.world.main(one)
    assert before == tenge(5000) - tenge(2990)  # the plan's fee
    assert set(await volumes(office, one.account)) > {"bonus"}
    await office.end(one, ground)
    assert await volumes(office, one.account) == {}
    # fees and the paid plan give nothing back, bonuses are not paid out
    assert await office.world.main(one) == before
    refund = await office.ordered(one)
    assert (refund.kind, refund.amount) == (RefundKind.ENDED, before)


async def test_the_same_event_twice_changes_nothing(office: Office) -> None:
    one = await office.world.subscriber("kcell-start", money="5000")
    await office.end(one)
    count = "select count(*) from ledger.operation"
    before = await office.world.database.fetchval(count)
    again = "update kernel.outbox set dispatched_at = null where topic = 'subscribers.ended'"
    await office.world.database.fetch(again)
    assert await office.world.outbox.drain() == 1
    office.pass_days(1)
    assert await office.closing.finish() == 0
    assert await office.world.database.fetchval(count) == before


@pytest.mark.clause("PSC-6.5", "PSC-2.12")
async def test_what_a_session_holds_is_taken_when_the_session_has_ended(office: Office) -> None:
    one = await office.world.subscriber(money="100")
    await give(office, one.account, "bonus", Unit.MONEY, tenge(300), "bonus:test")
    hold = ledger_model.reserve(
        one.account,
        "r",
        ledger_model.sum_charge(tenge(200), money=("bonus",)),
        hold_id="h",
        hold_deadline=office.world.clock.now() + timedelta(minutes=10),
        contra="revenue.data",
    )
    await apply(office, hold)
    await office.end(one)
    assert await volumes(office, one.account) == {"bonus": tenge(200)}  # 300 - 100 that were free
    await office.closing.finish()
    assert await volumes(office, one.account) == {"bonus": tenge(200)}
    office.pass_days(1)
    await office.world.ledger.sweep_holds(office.world.clock.now())
    assert await office.closing.finish() == 1
    assert await volumes(office, one.account) == {}
    assert await office.closing.finish() == 0


@pytest.mark.clause("PSC-3.1.6", "PSC-6.3.5", "PSC-6.4")
async def test_an_open_trust_payment_is_settled_from_what_is_left(office: Office) -> None:
    one = await office.world.subscriber(money="100", days_ago=31)
    await office.world.trust.give(one, "t")
    await office.spend(one.account, "150")  # main pays 100, the trust payment 50
    await office.world.pay(one.account, "200", "late")  # not by the way of top-ups: nothing is repaid yet
    await office.end(one)
    # 200 - 50 consumed - 75 for the service
    assert await office.world.main(one) == tenge(75)
    assert (await office.ordered(one)).amount == tenge(75)


@pytest.mark.clause("PSC-6.4", "PSC-1.1.12")
async def test_an_account_of_several_numbers_ends_with_the_last(office: Office) -> None:
    one = await office.world.subscriber("kcell-start", money="9000")
    other = await sibling(office, one, "kcell-free")
    await give(office, one.account, "bonus", Unit.MONEY, tenge(300), "bonus:test")
    left = await office.world.main(one)
    assert left == tenge(9000) - tenge(2990)
    await office.end(one)
    # the ended number's plan is over, the account's bonus stays for the other number
    assert await volumes(office, one.account) == {"bonus": tenge(300)}
    assert await office.closing.left() == []
    free = await office.ordered(other, amount=tenge(10))
    assert (free.kind, free.amount) == (RefundKind.OVERPAID, tenge(10))
    await office.payouts.give_back(free.refund_id, reason="changed his mind", actor=BOLAT)
    await office.end(other)
    assert await volumes(office, one.account) == {}
    assert [(ended.account, ended.balance) for ended in await office.closing.left()] == [(one.account, left)]
    assert (await office.ordered(one)).kind is RefundKind.ENDED


@pytest.mark.clause("PSC-1.1.12", "PSC-6.3.5")
async def test_debts_of_the_contracts_other_accounts_come_first(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    extra = await office.world.subscribers.contracts.open_account(one.subscriber_id, "data", CLERK)
    await office.spend(extra.account, "400", forced=True)
    refund = await office.ordered(one)
    assert refund.amount == tenge(600)  # 1000 - 400 that the other account owes


# Credit


@pytest.mark.clause("PSC-6.4", "PSC-1.1.26")
async def test_credit_waits_for_fifteen_days_after_its_period(office: Office) -> None:
    world = office.world
    one = await world.subscriber("kcell-status", money="0")  # joins on 2 March: the period ends with 1 April
    await world.invoicing.run()
    await world.pay(one.account, "10000", "advance")  # the fee of 8,990 is owed from the first day
    world.clock.advance(timedelta(days=8))  # 10 March
    assert (await world.ledger.balances(one.account)).credit_limit > 0
    await office.end(one)
    refund = await office.approve(await office.apply(one))
    # 1 April + 15 = 16 April is the last day of waiting; 10 March + 30 = 9 April would be before it
    assert (refund.not_before, refund.pay_by) == (date(2026, 4, 17), date(2026, 4, 17))
    office.pass_days(37)  # 16 April
    await world.invoicing.run()
    with pytest.raises(RefundTooEarlyError):
        await office.payouts.order(refund.refund_id, actor=BOLAT)
    assert await office.payouts.order_due() == 0
    office.pass_days(1)
    assert await office.payouts.order_due() == 1
    assert (await office.refunds.get(refund.refund_id)).amount == tenge("1010")  # 10,000 - 8,990


@pytest.mark.clause("PSC-6.4")
async def test_money_of_credit_that_is_free_on_a_day_of_rest_is_due_when_banks_pay(office: Office) -> None:
    """Joined on 3 March: 2 April and 15 days make 18 April, a Saturday; on Monday the 20th it is paid in time."""
    office.pass_days(1)
    one = await office.world.subscriber("kcell-status", money="0")
    await office.world.invoicing.run()
    await office.world.pay(one.account, "10000", "advance")
    await office.end(one)
    refund = await office.approve(await office.apply(one))
    assert (refund.not_before, refund.pay_by) == (date(2026, 4, 18), date(2026, 4, 20))


@pytest.mark.clause("PSC-6.5", "PSC-3.2.6")
async def test_the_credit_limit_goes_after_the_last_invoice(office: Office) -> None:
    world = office.world
    one = await world.subscriber("kcell-status", money="0")
    await world.invoicing.run()
    world.clock.advance(timedelta(days=8))
    await office.end(one)

    async def limit() -> int:
        await office.closing.finish()
        return (await world.ledger.balances(one.account)).credit_limit

    assert await limit() == tenge(20_000)
    office.pass_days(23)  # 2 April: the period is over, its invoice not yet made
    assert await limit() == tenge(20_000)
    await world.invoicing.run()
    assert await limit() == 0
    assert await world.main(one) == -tenge(8990)  # the debt stays


@pytest.mark.clause("PSC-6.4")
async def test_a_contract_of_credit_that_ends_after_the_application_waits_too(office: Office) -> None:
    world = office.world
    one = await world.subscriber("kcell-status", money="0")
    await world.invoicing.run()
    await world.pay(one.account, "10000", "advance")
    refund = await office.approve(await office.apply(one))  # overpaid: at once
    assert (refund.kind, refund.not_before) == (RefundKind.OVERPAID, date(2026, 3, 2))
    await office.end(one)
    assert await office.payouts.order_due() == 0
    waiting = await office.refunds.get(refund.refund_id)
    assert (waiting.state, waiting.not_before, waiting.pay_by) == (
        RefundState.APPROVED,
        date(2026, 4, 17),
        date(2026, 4, 17),
    )


# Withdrawn consent


@pytest.mark.clause("PSC-3.2.11", "PSC-6.7", "PSC-6.4")
async def test_consent_is_withdrawn_only_when_nothing_is_owed(office: Office) -> None:
    one = await office.world.subscriber(money="100")
    await office.spend(one.account, "100.01", forced=True)
    withdraw = office.world.subscribers.consents.withdraw
    with pytest.raises(ObligationsOpenError, match=r"debt .* 0\.01 KZT"):
        await withdraw(one.subscriber_id, ConsentKind.PERSONAL_DATA, PAPER)
    assert await office.world.subscribers.find(one.msisdn) is not None
    await office.world.pay(one.account, "50.01", "paid")
    assert await withdraw(one.subscriber_id, ConsentKind.PERSONAL_DATA, PAPER) == [one.msisdn]
    await office.world.outbox.drain()
    assert (await office.ordered(one)).amount == tenge(50)  # what is left is still his


@pytest.mark.clause("PSC-6.3.1", "PSC-6.4")
async def test_the_end_by_application_comes_on_its_date(office: Office) -> None:
    one = await office.world.subscriber(money="100")
    stop_at = office.world.clock.now() + timedelta(days=10)
    await office.world.subscribers.contracts.refuse(one.subscriber_id, PAPER, stop_at=stop_at)
    await office.world.outbox.drain()
    assert (await office.world.again(one)).allows(Scope.OUTGOING)
    office.pass_days(10)
    assert await office.world.subscribers.contracts.end_stopped() == 1
    await office.world.outbox.drain()
    [left] = await office.closing.left()
    assert (left.balance, left.ground) == (tenge(100), EndGround.REFUSAL)


@pytest.mark.clause("PSC-6.4", "PSC-6.5", "PSC-1.1.12")
async def test_a_number_that_passes_to_another_person_leaves_the_money_behind(office: Office) -> None:
    world = office.world
    one = await world.subscriber("kcell-start", money="5000")
    await give(office, one.account, "bonus", Unit.MONEY, tenge(300), "bonus:test")
    mine = await office.iin_bin(one)
    sheet = RegistrationSheet(
        request_id="passes",
        party=PartyData(PartyKind.PERSON, iin(77), "Бауыржан Омаров", "Алматы, Абай 2", "b@example.kz", "77011112244"),
        plan_code="kcell-free",
        language=one.language,
        origin=CLERK,
    )
    await world.subscribers.accession.re_register(one.subscriber_id, sheet)
    await world.outbox.drain()
    assert await volumes(office, one.account) == {}
    with pytest.raises(ApplicantMismatchError):  # the new user has no claim on it
        await office.apply(one, named=str(one.account), iin_bin=iin(77))
    refund = await office.ordered(one, named=str(one.account), iin_bin=mine)
    assert (refund.kind, refund.amount) == (RefundKind.ENDED, tenge(5000) - tenge(2990))


# Two machines, and a crash


async def test_jobs_on_two_machines_do_everything_once(office: Office) -> None:
    world = office.world
    refunds = []
    for number in range(5):
        one = await world.subscriber("kcell-start", money="5000")
        if number % 2:
            await office.end(one)
        refunds.append(await office.approve(await office.apply(one)))
    there = Office(world)
    done = await asyncio.gather(
        office.payouts.order_due(), there.payouts.order_due(), office.closing.finish(), there.closing.finish()
    )
    assert done[0] + done[1] == 5
    assert await office.books("payable.refund") == 5 * (tenge(5000) - tenge(2990))
    assert {await office.state(refund) for refund in refunds} == {RefundState.ORDERED}


async def test_an_order_is_whole_or_not_at_all(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the ledger's operation and before the commit: the money is where it was."""
    one = await office.world.subscriber(money="100")
    refund = await office.approve(await office.apply(one))

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(office.refunds), "tell", die)
    with pytest.raises(KeyboardInterrupt):
        await office.payouts.order(refund.refund_id, actor=BOLAT)
    monkeypatch.undo()
    assert (await office.world.main(one), await office.state(refund)) == (tenge(100), RefundState.APPROVED)
    assert await office.payouts.order_due() == 1
    assert await office.world.main(one) == 0
