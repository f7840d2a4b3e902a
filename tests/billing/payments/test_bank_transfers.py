"""Bank transfers: a person's money goes to the number he names, the rest waits for people; nothing comes twice."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from telco.billing.payments.errors import (
    BankAccountUnknownError,
    BankFileError,
    BankFileUnknownError,
    PayeeUnknownError,
    WorkItemDecidedError,
    WorkItemNoMoneyError,
    WorkItemUnknownError,
)
from telco.billing.payments.model import BankDocument, BankFileId, ItemState, TakenFile, WorkItem, WorkItemId
from telco.db.pool import Connection
from telco.kernel.money import tenge
from telco.subscribers.model import EndGround
from tests.billing.payments.bank import COMPANY, bank_file, document
from tests.billing.payments.conftest import OTHER_ACCOUNT, OUR_ACCOUNT, Desk
from tests.world import CLERK


async def take(desk: Desk, *documents: dict[str, str], name: str = "kl.txt") -> TakenFile:
    return await desk.transfers.take(bank_file(*documents), name, actor="staff:accountant")


async def waiting(desk: Desk) -> list[WorkItem]:
    return await desk.work_list.items(ItemState.OPEN, None, 0, 100)


@pytest.mark.clause("PSC-4.1")
async def test_a_persons_transfer_is_credited_to_the_number_in_its_purpose(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    taken = await take(desk, document(f"Пополнение баланса {subscriber.msisdn}", "1500.50", "417"))
    assert (taken.documents, taken.credited, taken.work_list, taken.pending) == (1, 1, 0, 0)
    assert await desk.world.main(subscriber) == tenge("1500.50")
    [payment] = await desk.payments.search("417")  # by the document's number
    assert (payment.source, payment.payer_id, payment.amount) == (OUR_ACCOUNT, "900101300017", tenge("1500.50"))


async def test_an_account_may_stand_for_the_number(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await take(desk, document(f"лицевой счет {subscriber.account}"))
    assert await desk.world.main(subscriber) == tenge(1000)


@pytest.mark.clause("PSC-4.1")
async def test_the_same_file_twice_credits_once(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    first = await take(desk, document(subscriber.msisdn))
    again = await take(desk, document(subscriber.msisdn), name="copy.txt")
    assert (again.file_id, again.replayed, again.file_name) == (first.file_id, True, "kl.txt")
    assert await desk.world.main(subscriber) == tenge(1000)


async def test_the_same_file_from_many_people_at_once_credits_once(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    taken = await asyncio.gather(*(take(desk, document(subscriber.msisdn)) for _ in range(6)))
    assert len({file.file_id for file in taken}) == 1
    assert await desk.world.main(subscriber) == tenge(1000)


async def test_the_same_document_in_two_files_or_twice_in_one_credits_once(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    one, two = document(subscriber.msisdn, number="1"), document(subscriber.msisdn, number="2")
    first = await take(desk, one, one)
    second = await take(desk, one, two)
    assert (first.credited, first.repeated, second.credited, second.repeated) == (1, 1, 1, 1)
    assert await desk.world.main(subscriber) == tenge(2000)


async def test_the_same_document_with_another_sum_is_for_people(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await take(desk, document(subscriber.msisdn, "1000.00"))
    await take(desk, document(subscriber.msisdn, "9000.00"))
    await take(desk, document(subscriber.msisdn, "9000.00"), document("x", number="7"))  # told again: listed once
    assert await desk.world.main(subscriber) == tenge(1000)
    assert [item.reason for item in await waiting(desk)] == ["differs", "no_number"]
    [item, _] = await waiting(desk)
    await desk.work_list.allocate(item.item_id, subscriber.msisdn, actor="staff:a", reason="the bank confirmed both")
    assert await desk.world.main(subscriber) == tenge(10_000)


@pytest.mark.parametrize(
    ("purpose", "changes", "reason"),
    [
        ("за 77010000001", {"ПлательщикИНН": COMPANY}, "company"),
        ("за 77010000001 и 77010000002", {"ПлательщикИНН": COMPANY}, "company"),
        ("за 77010000001", {"ПлательщикИНН": "123"}, "payer_unknown"),
        ("за 77010000001", {"ПлательщикИНН": "900101300018"}, "payer_unknown"),
        ("за связь", {}, "no_number"),
        ("за 77010000001 и 77010000002", {}, "several_numbers"),
        ("за 77019999999", {}, "number_unknown"),
        ("за 77010000001", {"ДатаПоступило": None}, "not_received"),
        ("за 77010000001", {"ПолучательСчет": "KZ11111KZT1111111111"}, "not_our_account"),
    ],
)
async def test_what_is_not_clear_is_on_the_work_list_with_its_reason(
    desk: Desk, purpose: str, changes: dict[str, str | None], reason: str
) -> None:
    subscriber = await desk.world.subscriber(number="77010000001")
    taken = await take(desk, document(purpose, "777.00", "9", **changes))
    assert (taken.credited, taken.work_list) == (0, 1)
    [item] = await waiting(desk)
    assert (item.reason, item.amount, item.external_id, item.proposal) == (reason, tenge(777), "9", "none")
    assert item.facts["purpose"] == purpose
    assert await desk.work_list.search("9") == [item]
    assert await desk.world.main(subscriber) == 0


async def test_a_transfer_for_an_ended_or_ported_number_waits_for_people(desk: Desk) -> None:
    ended, ported = await desk.world.subscriber(), await desk.world.subscriber()
    await desk.world.subscribers.contracts.end(ended.subscriber_id, EndGround.REFUSAL, CLERK)
    await desk.world.subscribers.contracts.end(ported.subscriber_id, EndGround.PORTED_OUT, CLERK)
    await take(desk, document(ended.msisdn, number="1"), document(ported.msisdn, number="2"))
    assert [item.reason for item in await waiting(desk)] == ["number_ended", "number_ported"]


async def test_our_own_orders_bring_nothing(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    order = document(subscriber.msisdn, **{"ПлательщикСчет": OUR_ACCOUNT, "ПолучательСчет": OTHER_ACCOUNT})
    taken = await take(desk, order)
    assert (taken.outgoing, taken.credited, taken.work_list) == (1, 0, 0)


async def test_a_document_is_credited_when_the_bank_has_it_at_last(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await take(desk, document(subscriber.msisdn, ДатаПоступило=None))
    [item] = await waiting(desk)
    with pytest.raises(WorkItemNoMoneyError):
        await desk.work_list.allocate(item.item_id, subscriber.msisdn, actor="staff:a", reason="r")
    await take(desk, document(subscriber.msisdn))
    await desk.transfers.process_pending()
    assert await desk.world.main(subscriber) == tenge(1000)
    assert await waiting(desk) == []


async def test_a_document_of_the_work_list_is_allocated_once_by_people(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await take(desk, document("за связь", number="55"))
    [item] = await waiting(desk)
    with pytest.raises(PayeeUnknownError):
        await desk.work_list.allocate(item.item_id, "77019999999", actor="staff:a", reason="r")
    done = await desk.work_list.allocate(item.item_id, subscriber.msisdn, actor="staff:a", reason="the payer called")
    assert (done.state, done.decided_by, done.decision) == (ItemState.ALLOCATED, "staff:a", "the payer called")
    assert await desk.world.main(subscriber) == tenge(1000)
    with pytest.raises(WorkItemDecidedError):
        await desk.work_list.allocate(item.item_id, subscriber.msisdn, actor="staff:a", reason="again")
    [payment] = await desk.payments.search("55")
    assert payment.payment_id == done.payment_id
    with pytest.raises(WorkItemUnknownError):
        await desk.work_list.close(WorkItemId(999), actor="staff:a", reason="r")


async def test_an_item_is_closed_with_what_was_found_out(desk: Desk) -> None:
    await take(desk, document("за связь"))
    [item] = await waiting(desk)
    await desk.work_list.close(item.item_id, actor="staff:a", reason="paid back by order 17")
    assert await waiting(desk) == []
    [trail] = await desk.world.database.fetch(
        "select ground from kernel.audit_trail where action = 'payments.item_closed'"
    )
    assert trail["ground"] == "paid back by order 17"


async def test_a_file_of_another_account_or_of_no_sense_takes_nothing(desk: Desk) -> None:
    with pytest.raises(BankAccountUnknownError):
        await desk.transfers.take(bank_file(document("x"), account=OTHER_ACCOUNT), "f", actor="staff:a")
    with pytest.raises(BankFileError):
        await take(desk, document("x"), document("x", "-1.00", "2"))  # the second refuses the first too
    assert await desk.world.database.fetchval("select count(*) from payments.bank_document") == 0
    with pytest.raises(BankFileUnknownError):
        await desk.transfers.file(BankFileId(1))


async def test_a_crash_between_taking_a_file_and_crediting_it_loses_and_doubles_nothing(desk: Desk) -> None:
    """The connection dies while the second of three documents is credited; the job, or the file again, goes on."""
    subscribers = [await desk.world.subscriber() for _ in range(3)]
    database = desk.world.database
    await database.fetch(
        f"""
        create function payments.die() returns trigger language plpgsql as $$ begin
            if new.msisdn = '{subscribers[1].msisdn}' then perform pg_terminate_backend(pg_backend_pid()); end if;
            return null;
        end $$
        """
    )
    await database.fetch(
        "create trigger die after insert on payments.part for each row execute function payments.die()"
    )
    documents = [document(s.msisdn, number=str(n)) for n, s in enumerate(subscribers)]
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await take(desk, *documents)
    assert [await desk.world.main(subscriber) for subscriber in subscribers] == [tenge(1000), 0, 0]
    await database.fetch("drop trigger die on payments.part")
    assert await desk.transfers.process_pending() == 2
    again = await take(desk, *documents)
    assert (again.replayed, again.credited, again.pending) == (True, 3, 0)
    assert [await desk.world.main(subscriber) for subscriber in subscribers] == [tenge(1000)] * 3


async def test_a_document_that_fails_without_words_holds_no_other_up(desk: Desk) -> None:
    subscribers = [await desk.world.subscriber() for _ in range(3)]

    async def explain(_connection: Connection, _document_id: int, document: BankDocument) -> str | None:
        if document.number == "1":
            raise ValueError("a defect of who explains")
        return None

    desk.transfers.explained_by(explain)
    taken = await take(desk, *[document(s.msisdn, number=str(n)) for n, s in enumerate(subscribers)])
    assert (taken.credited, taken.pending) == (2, 1)
    assert [await desk.world.main(subscriber) for subscriber in subscribers] == [tenge(1000), 0, tenge(1000)]


async def test_two_machines_finish_the_same_documents_once(desk: Desk) -> None:
    subscribers = [await desk.world.subscriber() for _ in range(4)]
    await take(desk, *[document(s.msisdn, number=str(n)) for n, s in enumerate(subscribers)])
    await desk.world.database.fetch("update payments.bank_document set state = 'pending', payment_id = null")
    assert await desk.transfers.process_pending() == 0  # even a state that was lost cannot credit a document again
    assert [await desk.world.main(subscriber) for subscriber in subscribers] == [tenge(1000)] * 4
