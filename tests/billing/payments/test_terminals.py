"""Payments from terminals: one credit for one txn_id, whatever the network does, and a clear answer to the rest."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from telco.billing.payments.errors import ProviderExistsError, ProviderKeyError, ProviderTermsError
from telco.billing.payments.model import Channel, Reason, Result, TerminalAnswer, TerminalRequest
from telco.kernel.money import tenge
from telco.subscribers.model import EndGround, Subscriber
from tests.billing.payments.conftest import Desk
from tests.world import CLERK


def request(desk: Desk, account: str, amount: str = "500", txn_id: str = "1001") -> TerminalRequest:
    return TerminalRequest(txn_id, account, tenge(amount), desk.world.clock.now())


async def pay(desk: Desk, account: str, amount: str = "500", txn_id: str = "1001") -> TerminalAnswer:
    return await desk.terminals.pay(desk.provider, request(desk, account, amount, txn_id))


async def end(desk: Desk, subscriber: Subscriber, ground: EndGround) -> None:
    await desk.world.subscribers.contracts.end(subscriber.subscriber_id, ground, CLERK)


@pytest.mark.clause("PSC-4.1")
async def test_a_payment_is_credited_and_a_check_changes_nothing(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(money="100")
    checked = await desk.terminals.check(desk.provider, request(desk, subscriber.msisdn))
    assert (checked.result, await desk.world.main(subscriber)) == (Result.OK, tenge(100))
    paid = await pay(desk, subscriber.msisdn)
    assert (paid.result, paid.replayed) == (Result.OK, False)
    assert await desk.world.main(subscriber) == tenge(600)
    assert paid.payment_id is not None
    payment = await desk.payments.get(paid.payment_id)
    assert (payment.channel, payment.source, payment.external_id) == (Channel.TERMINAL, "kiosk", "1001")
    assert (payment.amount, payment.balance) == (tenge(500), tenge(600))


async def test_a_number_is_the_same_number_however_it_is_written(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(number="77012223344")
    first = await pay(desk, "+7 (701) 222-33-44")
    again = await pay(desk, "87012223344")
    assert (again.payment_id, again.replayed) == (first.payment_id, True)
    by_account = await pay(desk, str(subscriber.account), txn_id="1002")
    assert by_account.result is Result.OK
    assert await desk.world.main(subscriber) == tenge(1000)


async def test_a_repeated_txn_id_gets_the_first_answer_and_credits_nothing(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    first = await pay(desk, subscriber.msisdn)
    again = await pay(desk, subscriber.msisdn)
    assert (again.result, again.payment_id, again.replayed) == (Result.OK, first.payment_id, True)
    assert await desk.world.main(subscriber) == tenge(500)


@pytest.mark.clause("PSC-4.1")
async def test_twenty_at_once_with_one_txn_id_credit_once(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    answers = await asyncio.gather(*(pay(desk, subscriber.msisdn) for _ in range(20)))
    assert {answer.result for answer in answers} == {Result.OK}
    assert len({answer.payment_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert await desk.world.main(subscriber) == tenge(500)


async def test_what_comes_together_is_written_together_and_answered_one_by_one(desk: Desk) -> None:
    """30 payments in a few transactions: three of each of ten accounts, repetitions and refusals among them."""
    people = [await desk.world.subscriber(money="10") for _ in range(10)]
    trusted = await desk.world.subscriber(days_ago=31)
    await desk.world.trust.give(trusted, "t1")
    payments = [pay(desk, people[n % 10].msisdn, "100", f"p{n}") for n in range(30)]
    odd = [
        pay(desk, people[0].msisdn, "100", "p0"),  # again
        pay(desk, people[0].msisdn, "101", "p0"),
        pay(desk, people[1].msisdn, "100", "p0"),
        pay(desk, "77019999999", "100", "nobody"),
        pay(desk, trusted.msisdn, "1000", "trusted"),
    ]
    answers = await asyncio.gather(*payments, *odd)
    assert [answer.reason for answer in answers[30:]] == [
        Reason.OK, Reason.TXN_ID_REUSED, Reason.TXN_ID_REUSED, Reason.ACCOUNT_UNKNOWN, Reason.OK,
    ]  # fmt: skip
    assert (answers[30].payment_id, answers[30].replayed) == (answers[0].payment_id, True)
    assert len({answer.payment_id for answer in answers[:30]}) == 30
    # 10 + 3 * 100 each; 1,000 - 75 for the trust payment, of which nothing was used
    assert [await desk.world.main(person) for person in people] == [tenge(310)] * 10
    assert await desk.world.main(trusted) == tenge(925)
    written = "select count(*), count(distinct xmin::text) from payments.terminal_answer"
    [row] = await desk.world.database.fetch(written)
    assert row[0] == 32
    assert row[1] < 10
    balances = await desk.world.database.fetch(
        "select distinct balance_tiyn from payments.part where amount_tiyn = 10000"
    )
    assert sorted(row[0] for row in balances) == [tenge(110), tenge(210), tenge(310)]


async def test_one_that_cannot_be_written_holds_no_other_up(desk: Desk) -> None:
    people = [await desk.world.subscriber() for _ in range(8)]
    database = desk.world.database
    await database.fetch(
        """
        create function payments.refuse() returns trigger language plpgsql as
        $$ begin if new.txn_id = 'p3' then raise exception 'no'; end if; return new; end $$
        """
    )
    await database.fetch(
        "create trigger refuse before insert on payments.terminal_answer "
        "for each row execute function payments.refuse()"
    )
    payments = (pay(desk, person.msisdn, "100", f"p{n}") for n, person in enumerate(people))
    answers = await asyncio.gather(*payments, return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)] == [3]
    assert [await desk.world.main(person) for person in people] == [tenge(0 if n == 3 else 100) for n in range(8)]
    await database.fetch("drop trigger refuse on payments.terminal_answer")
    assert (await pay(desk, people[3].msisdn, "100", "p3")).replayed is False


async def test_a_txn_id_with_another_sum_or_account_is_refused_and_changes_nothing(desk: Desk) -> None:
    first, other = await desk.world.subscriber(), await desk.world.subscriber()
    await pay(desk, first.msisdn)
    for account, amount in ((first.msisdn, "501"), (other.msisdn, "500")):
        refused = await pay(desk, account, amount)
        assert (refused.result, refused.reason) == (Result.OTHER, Reason.TXN_ID_REUSED)
    assert (await desk.world.main(first), await desk.world.main(other)) == (tenge(500), 0)
    assert (await pay(desk, first.msisdn)).result is Result.OK  # the right one is still answered as the first time


async def test_the_same_txn_id_of_another_provider_is_another_payment(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    bank, _ = await desk.providers.add("bank", "Bank", least=tenge(1), most=tenge(1000), actor="staff:admin")
    await pay(desk, subscriber.msisdn)
    answer = await desk.terminals.pay(bank, request(desk, subscriber.msisdn))
    assert (answer.result, answer.replayed) == (Result.OK, False)
    assert await desk.world.main(subscriber) == tenge(1000)


@pytest.mark.parametrize(
    ("account", "amount", "result", "reason"),
    [
        ("77019999999", "500", Result.UNKNOWN_ACCOUNT, Reason.ACCOUNT_UNKNOWN),
        ("not a number", "500", Result.WRONG_FORMAT, Reason.ACCOUNT_FORMAT),
        ("7701\0\ud800", "500", Result.WRONG_FORMAT, Reason.ACCOUNT_FORMAT),  # what no database can keep
        ("3:999999", "500", Result.UNKNOWN_ACCOUNT, Reason.ACCOUNT_UNKNOWN),
        ("77010000001", "0.99", Result.OTHER, Reason.SUM_LIMITS),
        ("77010000001", "500000.01", Result.OTHER, Reason.SUM_LIMITS),
    ],
)
async def test_what_cannot_be_credited_is_answered_with_its_code(
    desk: Desk, account: str, amount: str, result: Result, reason: Reason
) -> None:
    await desk.world.subscriber()
    checked = await desk.terminals.check(desk.provider, request(desk, account, amount))
    paid = await pay(desk, account, amount)
    assert [(answer.result, answer.reason) for answer in (checked, paid)] == [(result, reason)] * 2


async def test_a_refusal_is_remembered_because_the_payer_got_his_money_back(desk: Desk) -> None:
    refused = await pay(desk, "77013334455")
    subscriber = await desk.world.subscriber(number="77013334455")
    again = await pay(desk, "77013334455")
    assert (again.result, again.replayed) == (refused.result, True)
    assert await desk.world.main(subscriber) == 0
    assert (await pay(desk, "77013334455", txn_id="1002")).result is Result.OK


@pytest.mark.parametrize("amount", ["1", "500000"])
async def test_the_limits_themselves_are_taken(desk: Desk, amount: str) -> None:
    subscriber = await desk.world.subscriber()
    assert (await pay(desk, subscriber.msisdn, amount)).result is Result.OK


async def test_an_ended_number_is_not_allowed_and_a_ported_one_unknown(desk: Desk) -> None:
    ended, ported = await desk.world.subscriber(), await desk.world.subscriber()
    await end(desk, ended, EndGround.REFUSAL)
    await end(desk, ported, EndGround.PORTED_OUT)
    assert (await pay(desk, ended.msisdn, txn_id="1")).reason is Reason.NUMBER_ENDED
    assert (await pay(desk, ported.msisdn, txn_id="2")).reason is Reason.NUMBER_PORTED
    assert [(await pay(desk, s.msisdn, txn_id=f"1{s.msisdn}")).result for s in (ended, ported)] == [7, 5]


@pytest.mark.parametrize(
    ("shift", "reason"),
    [
        (timedelta(hours=24), Reason.OK),
        (timedelta(hours=24, seconds=1), Reason.TXN_DATE),
        (-timedelta(days=31), Reason.OK),
        (-timedelta(days=31, seconds=1), Reason.TXN_DATE),
    ],
)
async def test_the_time_of_a_payment_has_to_be_possible(desk: Desk, shift: timedelta, reason: Reason) -> None:
    subscriber = await desk.world.subscriber()
    asked = TerminalRequest("1", subscriber.msisdn, tenge(5), desk.world.clock.now() + shift)
    assert (await desk.terminals.pay(desk.provider, asked)).reason is reason


@pytest.mark.clause("PSC-3.1.6", "PSC-3.1.7")
async def test_a_trust_payment_is_repaid_and_the_rest_stays_as_an_advance(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(days_ago=31)
    await desk.world.trust.give(subscriber, "t1")
    await pay(desk, subscriber.msisdn, "1000")
    # 1,000 - 75 for the trust payment, of which nothing was used = 925, kept as an advance
    assert await desk.world.main(subscriber) == tenge(925)
    [payment] = await desk.payments.search("1001")
    assert (payment.trust_repaid, payment.balance) == (tenge(75), tenge(925))


async def test_the_rest_of_the_service_hears_of_it(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    answer = await pay(desk, subscriber.msisdn)
    rows = await desk.world.database.fetch("select payload from kernel.outbox where topic = 'billing.credited'")
    [payload] = [row["payload"] for row in rows]
    assert (payload["amount"], payload["channel"]) == (tenge(500), "terminal")
    assert payload["reference"] == str(answer.payment_id)


async def test_a_connection_that_dies_before_the_commit_leaves_nothing(desk: Desk) -> None:
    """Everything of a payment is one transaction: killed anywhere in it, the repetition credits once."""
    subscriber = await desk.world.subscriber()
    database = desk.world.database
    await database.fetch(
        """
        create function payments.die() returns trigger language plpgsql as
        $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$
        """
    )
    await database.fetch(
        "create trigger die after insert on payments.terminal_answer for each row execute function payments.die()"
    )
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await pay(desk, subscriber.msisdn)
    assert await database.fetchval("select count(*) from payments.payment") == 0
    assert await desk.world.main(subscriber) == 0
    await database.fetch("drop trigger die on payments.terminal_answer")
    assert (await pay(desk, subscriber.msisdn)).replayed is False
    assert await desk.world.main(subscriber) == tenge(500)


async def test_a_payment_is_found_by_any_of_its_ids(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    answer = await pay(desk, subscriber.msisdn, txn_id="A-77")
    for text in ("A-77", str(answer.payment_id), subscriber.msisdn, str(subscriber.account)):
        assert [payment.payment_id for payment in await desk.payments.search(text)] == [answer.payment_id], text
    assert await desk.payments.search("A-78") == []


async def test_only_a_provider_with_its_key_is_let_in(desk: Desk) -> None:
    assert await desk.providers.authenticate("kiosk", desk.key) == desk.provider
    for code, key in (("kiosk", "x"), ("kiosk", ""), ("other", desk.key), ("\x00", desk.key), ("kiosk", "\ud800")):
        with pytest.raises(ProviderKeyError):
            await desk.providers.authenticate(code, key)
    new = await desk.providers.new_key("kiosk", actor="staff:admin")
    with pytest.raises(ProviderKeyError):
        await desk.providers.authenticate("kiosk", desk.key)
    await desk.providers.change("kiosk", least=tenge(1), most=tenge(2), enabled=False, actor="staff:admin")
    with pytest.raises(ProviderKeyError):
        await desk.providers.authenticate("kiosk", new)


async def test_a_provider_has_one_code_and_limits_with_sense(desk: Desk) -> None:
    with pytest.raises(ProviderExistsError):
        await desk.providers.add("kiosk", "Again", least=tenge(1), most=tenge(2), actor="staff:admin")
    for least, most in ((tenge(2), tenge(1)), (tenge(0), tenge(1)), (tenge(-5), tenge(1))):
        with pytest.raises(ProviderTermsError):
            await desk.providers.add("new", "New", least=least, most=most, actor="staff:admin")


async def test_the_database_holds_no_provider_key(desk: Desk) -> None:
    rows = await desk.world.database.fetch("select provider::text as row from payments.provider")
    assert all(desk.key not in row["row"] for row in rows)
