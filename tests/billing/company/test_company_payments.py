"""A company's payment goes where its purpose, register or letter says, to the tiyn; the rest waits, with a proposal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date

import asyncpg
import pytest

from telco.billing.company.errors import (
    NothingToProposeError,
    PayeesRefusedError,
    ProposalChangedError,
    SheetEndedError,
    SheetExistsError,
    SheetFileError,
    SumsDifferError,
)
from telco.billing.company.model import Named, Order, SheetKind, SheetState, Wait
from telco.billing.invoicing.model import Invoice
from telco.billing.payments.audit import MoneyIn
from telco.billing.payments.errors import WorkItemDecidedError, WorkItemNotCompanyError
from telco.billing.payments.model import CorrectionKind, ItemState, PaymentState, WorkItem
from telco.kernel.money import Tiyn, tenge
from telco.ledger import model as ledger_model
from telco.subscribers.model import EndGround, Subscriber
from tests.billing.company.conftest import ACCOUNTANT, COMPANY, ORDER, Books
from tests.billing.invoicing.conftest import charge, invoices, to
from tests.billing.payments.bank import bank_file, document
from tests.billing.payments.test_mt940 import statement
from tests.world import CLERK

OTHER = Order(COMPANY, "2", date(2026, 3, 1))
OTHER_COMPANY = "990240000000"


async def owe(books: Books, subscriber: Subscriber, amount: str, op_id: str = "used") -> None:
    charge = ledger_model.sum_charge(tenge(amount), money=("main",))
    op = ledger_model.debit(subscriber.account, op_id, charge, contra="revenue.roaming", forced=True)
    await books.world.ledger.submit(op)


async def mains(books: Books, *subscribers: Subscriber) -> list[Tiyn]:
    return [await books.world.main(subscriber) for subscriber in subscribers]


async def cash(books: Books) -> Tiyn:
    query = "select coalesce(sum(-amount), 0)::bigint from ledger.operator_total where operator_account = 'cash.bank'"
    return Tiyn(await books.world.database.fetchval(query))


@pytest.mark.clause("PSC-3.2.4-1", "PSC-3.2.4-4")
async def test_a_purpose_with_two_numbers_is_one_payment_in_two_parts(books: Books) -> None:
    """8,000.50 = 5,000.00 + 3,000.50"""
    one, two = await books.number_of(), await books.number_of()
    purpose = f"За услуги связи {one.msisdn} - 5 000,00 тг, л/с {two.account} сумма 3000-50, в т.ч. НДС 16%"
    await books.came(purpose, "8000.50", "417")
    assert await mains(books, one, two) == [tenge(5000), tenge("3000.50")]
    assert await books.waiting() == []
    [payment] = await books.payments.search("417")
    assert (payment.amount, payment.part_count, payment.payer_id) == (tenge("8000.50"), 2, COMPANY)
    parts = await books.payments.parts(payment.payment_id)
    assert [(part.named, part.amount) for part in parts] == [
        (one.msisdn, tenge(5000)),
        (str(two.account), tenge("3000.50")),
    ]
    assert await books.payments.search(two.msisdn) == [payment]
    assert await cash(books) == tenge("8000.50")
    [row] = await books.world.database.fetch("select manner, reason from company_payments.allocation")
    assert (row["manner"], row["reason"]) == ("purpose", "as the purpose says")


@pytest.mark.clause("PSC-3.2.4-4")
@pytest.mark.parametrize(
    ("purpose", "reason"),
    [
        ("за {one} - 5000, {two} - 3000", "sums_differ"),
        ("за {one} и {two}", "sum_missing"),
        ("за {one} - 4000, {two} - 3000, {three} - 3000", "too_many_named"),
        ("за {one} - 5000, {one} - 5000", "named_twice"),
        ("за связь", "nothing_named"),
        ("по реестру № 7", "sheet_missing"),
        ("согласно сопроводительному письму", "sheet_missing"),
        ("илеспе хатка сайкес", "sheet_missing"),
        ("за 77770000000", "payee_refused"),
        ("по счету KC-2026-0000009", "payee_refused"),
        ("за {one} 5000 и 5000", "sums_differ"),
        ("за {one} 5000 тг и 5000 тг", "ambiguous"),
    ],
)
async def test_what_is_not_clear_is_not_guessed(books: Books, purpose: str, reason: str) -> None:
    one, two, three = [await books.number_of() for _ in range(3)]
    text = purpose.format(one=one.msisdn, two=two.msisdn, three=three.msisdn)
    await books.came(text, "10000.00")
    [item] = await books.waiting()
    assert (item.reason, item.proposal, item.amount) == (reason, "oldest_debt_first", tenge(10_000))
    assert await mains(books, one, two, three) == [0, 0, 0]


@pytest.mark.clause("PSC-3.2.4-2", "PSC-3.2.4-4")
@pytest.mark.parametrize("register_first", [True, False])
async def test_a_register_and_its_payment_meet_whichever_comes_first(books: Books, register_first: bool) -> None:
    """3 lines: 1,000 + 2,000 + 0.01 = 3,000.01"""
    numbers = [await books.number_of() for _ in range(3)]
    amounts = ("1000", "2 000,00", "0.01")
    lines = [(number.msisdn, amount) for number, amount in zip(numbers, amounts, strict=True)]
    if register_first:
        assert (await books.send(lines)).state is SheetState.WAITING
        await books.came("Оплата по реестру", "3000.01")
    else:
        await books.came("Оплата по реестру", "3000.01")
        assert [item.reason for item in await books.waiting()] == ["sheet_missing"]
        assert (await books.send(lines)).state is SheetState.USED
    assert await mains(books, *numbers) == [tenge(1000), tenge(2000), Tiyn(1)]
    assert await books.waiting() == []
    again = await books.send(lines)
    assert (again.state, again.replayed) == (SheetState.USED, True)
    with pytest.raises(SheetEndedError):
        await books.send(lines[:1])
    assert await cash(books) == tenge("3000.01")


@pytest.mark.clause("PSC-3.2.4-3", "PSC-3.2.4-4")
async def test_a_letter_names_more_than_two(books: Books) -> None:
    numbers = [await books.number_of() for _ in range(3)]
    lines = [(str(number.account), "100") for number in numbers]
    await books.send(lines, kind=SheetKind.LETTER)
    await books.came("Оплата согласно сопроводительному письму № 12", "300.00")
    assert await mains(books, *numbers) == [tenge(100)] * 3


@pytest.mark.clause("PSC-3.2.4-4")
async def test_a_register_that_does_not_add_up_is_not_followed(books: Books) -> None:
    """2,000.00 came, the register says 1,999.99."""
    one = await books.number_of()
    await books.send([(one.msisdn, "1999.99")])
    await books.came("по реестру", "2000.00")
    [item] = await books.waiting()
    assert (item.reason, await books.world.main(one)) == ("sheet_differs", 0)
    assert item.facts["detail"] == "register 1: 1999.99"
    [sheet] = await books.companies.sheets.of_company(COMPANY, None, 10)
    assert sheet.wait == Wait("sheet_differs", "register 1: 1999.99", tenge(2000))
    await books.companies.sheets.withdraw(sheet.sheet_id, actor=ACCOUNTANT, reason="wrong")
    await books.send([(one.msisdn, "2000.00")])  # the corrected one finds the payment
    assert await books.world.main(one) == tenge(2000)


@pytest.mark.clause("PSC-3.2.4-4")
async def test_a_register_against_what_the_purpose_says_is_for_people(books: Books) -> None:
    one, two = await books.number_of(), await books.number_of()
    await books.send([(one.msisdn, "1000")])
    await books.came(f"за {two.msisdn}", "1000.00")
    assert [item.reason for item in await books.waiting()] == ["contradiction"]
    assert await mains(books, one, two) == [0, 0]
    [sheet] = await books.companies.sheets.of_company(COMPANY, None, 10)
    assert sheet.wait == Wait("contradiction", f"за {two.msisdn}", tenge(1000))


async def test_registers_that_wait_say_for_what_each(books: Books) -> None:
    """The third is of a payment order with the number and day of the first, and another payer."""
    one = await books.number_of()
    await books.came("по реестру", "1000.00")
    first = await books.send([(one.msisdn, "999.99")])
    second = await books.send([(one.msisdn, "1000")], order=OTHER)
    third = await books.send([(one.msisdn, "1000")], order=replace(ORDER, bin=OTHER_COMPANY))
    assert first.wait is not None
    assert (first.wait.reason, second.wait, third.wait) == ("sheet_differs", Wait("payment_missing"), second.wait)
    withdrawn = await books.companies.sheets.withdraw(first.sheet_id, actor=ACCOUNTANT, reason="wrong")
    assert withdrawn.wait is None
    assert (await books.send([(one.msisdn, "1000.00")])).wait is None  # followed at once
    told = [sheet.wait for sheet in await books.companies.sheets.of_company(COMPANY, None, 10)]
    assert told == [None, Wait("payment_missing"), None]


async def test_a_second_register_of_an_order_needs_the_first_withdrawn(books: Books) -> None:
    one = await books.number_of()
    first = await books.send([(one.msisdn, "1000")])
    with pytest.raises(SheetExistsError):
        await books.send([(one.msisdn, "2000")])
    assert (await books.send([(one.msisdn, "1000")])).sheet_id == first.sheet_id
    assert (await books.send([(one.msisdn, "1000")], order=OTHER)).sheet_id != first.sheet_id
    with pytest.raises(SheetFileError) as refused:
        await books.send([(one.msisdn, "1"), ("77770000000", "1")], order=Order(COMPANY, "3", date(2026, 3, 1)))
    assert (refused.value.row, refused.value.why.params["why"]) == (3, "unknown")


async def the_item(books: Books) -> WorkItem:
    [item] = await books.waiting()
    return item


@pytest.mark.clause("PSC-3.2.4-4", "PSC-6.3.5")
async def test_the_proposal_is_the_oldest_debt_over_all_accounts_of_the_company(books: Books) -> None:
    """1,000 for debts of 300 (of an ended contract) and 200; the remaining 500 are an advance on the first account."""
    first, second, ended = [await books.number_of() for _ in range(3)]
    stranger = await books.world.subscriber()
    await owe(books, second, "200")
    await owe(books, ended, "300")
    await owe(books, stranger, "900")
    await books.world.subscribers.contracts.end(ended.subscriber_id, EndGround.REFUSAL, CLERK)
    await books.came("за связь", "1000.00")
    item = await the_item(books)
    proposal = await books.companies.proposals.of(item)
    assert proposal.unclear == "nothing_named"
    assert {(str(line.account), line.amount, line.why) for line in proposal.lines} == {
        (str(second.account), tenge(200), "debt on no invoice"),
        (str(ended.account), tenge(300), "debt on no invoice"),
        (str(first.account), tenge(500), "advance"),
    }
    done = await books.companies.payments.accept(
        books.companies.proposals, item.item_id, proposal.mark, actor=ACCOUNTANT, reason="the payer agreed"
    )
    assert (done.state, done.decision, done.decided_by) == (ItemState.ALLOCATED, "the payer agreed", ACCOUNTANT)
    assert await mains(books, first, second, ended, stranger) == [tenge(500), 0, 0, tenge(-900)]
    manner = await books.world.database.fetchval("select manner from company_payments.allocation")
    assert manner == "oldest_debt"


async def invoiced(books: Books) -> tuple[Subscriber, Subscriber, Invoice, Invoice]:
    """Two numbers of a company in credit settlement with an invoice each, and 50.00 used by the first since."""
    one, two = [await books.number_of(plan="kcell-business") for _ in range(2)]
    await to(books.world, date(2026, 3, 20))
    await charge(books.world, one.account, "1000")
    await charge(books.world, two.account, "500")
    await to(books.world, date(2026, 4, 3))
    await books.world.invoicing.run()
    await charge(books.world, one.account, "50")
    [first], [second] = await invoices(books.world, one), await invoices(books.world, two)
    assert first.open_amount - second.open_amount == tenge(500)  # the plan's fee is the same on both
    return one, two, first, second


def written(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"


@pytest.mark.clause("PSC-3.2.4-1", "PSC-3.2.4-4")
async def test_invoices_that_a_purpose_names_are_paid_as_it_says(books: Books) -> None:
    """100.00 of the first invoice and all of the second."""
    _, _, first, second = await invoiced(books)
    purpose = f"Счет {first.number} - 100.00 тг, счет {second.number} - {written(second.open_amount)} тг"
    await books.came(purpose, written(tenge(100) + second.open_amount))
    assert await books.waiting() == []
    after = [await books.world.invoicing.invoice(invoice.invoice_id) for invoice in (first, second)]
    assert [invoice.open_amount for invoice in after] == [first.open_amount - tenge(100), 0]


@pytest.mark.clause("PSC-3.2.4-4")
async def test_a_proposal_pays_invoices_then_what_is_on_none_then_an_advance(books: Books) -> None:
    """Both invoices, 50.00 that are on none, and 300.00 more than is owed."""
    one, two, first, second = await invoiced(books)
    owed = -sum(await mains(books, one, two))
    assert owed == first.open_amount + second.open_amount + tenge(50)
    await books.came("за связь", written(owed + tenge(300)))
    item = await the_item(books)
    proposal = await books.companies.proposals.of(item)
    by_invoice = {line.invoice_number: line.amount for line in proposal.lines if line.invoice_number}
    assert by_invoice == {first.number: first.open_amount, second.number: second.open_amount}
    rest = [(line.amount, line.why) for line in proposal.lines if not line.invoice_number]
    assert sorted(rest) == [(tenge(50), "debt on no invoice"), (tenge(300), "advance")]
    await books.companies.payments.accept(
        books.companies.proposals, item.item_id, proposal.mark, actor=ACCOUNTANT, reason="the payer agreed"
    )
    after = [await books.world.invoicing.invoice(invoice.invoice_id) for invoice in (first, second)]
    assert [invoice.open_amount for invoice in after] == [0, 0]
    assert await mains(books, one, two) == [tenge(300), 0]


@pytest.mark.clause("PSC-3.2.4-4")
async def test_what_is_accepted_is_what_was_seen(books: Books) -> None:
    first, second = await books.number_of(), await books.number_of()
    await owe(books, second, "200")
    await books.came("за связь", "1000.00")
    item = await the_item(books)
    seen = await books.companies.proposals.of(item)
    await owe(books, first, "50")  # between the look and the acceptance
    with pytest.raises(ProposalChangedError):
        await books.companies.payments.accept(
            books.companies.proposals, item.item_id, seen.mark, actor=ACCOUNTANT, reason="r"
        )
    assert await mains(books, first, second) == [tenge(-50), tenge(-200)]


@pytest.mark.clause("PSC-3.2.4-4")
async def test_an_accountant_allocates_otherwise(books: Books) -> None:
    one, two = await books.number_of(), await books.number_of()
    await books.came("за связь", "1000.00")
    item = await the_item(books)

    async def allocate(*named: tuple[str, str]) -> WorkItem:
        lines = [Named(name, tenge(amount)) for name, amount in named]
        return await books.companies.payments.allocate(item.item_id, lines, actor=ACCOUNTANT, reason="they called")

    with pytest.raises(SumsDifferError):
        await allocate((one.msisdn, "999.99"))
    with pytest.raises(PayeesRefusedError):
        await allocate((one.msisdn, "500"), ("77770000000", "500"))
    await allocate((one.msisdn, "999.99"), (str(two.account), "0.01"))
    assert await mains(books, one, two) == [tenge("999.99"), Tiyn(1)]
    with pytest.raises(WorkItemDecidedError):
        await allocate((one.msisdn, "1000"))


async def test_a_payer_without_accounts_gets_no_proposal(books: Books) -> None:
    await books.came("за связь", "1000.00")
    item = await the_item(books)
    with pytest.raises(NothingToProposeError):
        await books.companies.proposals.of(item)


async def test_a_persons_item_is_not_a_companys(books: Books) -> None:
    await books.transfers.take(bank_file(document("за связь")), "f", actor=ACCOUNTANT)
    item = await the_item(books)
    with pytest.raises(WorkItemNotCompanyError):
        await books.companies.payments.allocate(item.item_id, [], actor=ACCOUNTANT, reason="r")


@pytest.mark.clause("PSC-3.1.8", "PSC-3.2.4-4")
async def test_a_part_of_a_companys_payment_is_corrected_on_its_own(books: Books) -> None:
    one, two, right = [await books.number_of() for _ in range(3)]
    await books.came(f"за {one.msisdn} - 600 тг, {two.msisdn} - 400 тг", "1000.00", "9")
    [payment] = await books.payments.search("9")
    correction = await books.corrections.request(
        payment.payment_id,
        CorrectionKind.MOVE,
        target=right.msisdn,
        reason="a wrong digit",
        actor="staff:anna",
        request_id="c1",
        part_no=2,
        amount=tenge(150),
    )
    await books.corrections.approve(correction.correction_id, actor="staff:bolat", decision="checked")
    assert await mains(books, one, two, right) == [tenge(600), tenge(250), tenge(150)]
    now = await books.payments.get(payment.payment_id)
    assert (now.state, now.part_count, now.amount) == (PaymentState.CORRECTED, 3, tenge(1000))


async def test_a_payment_that_nobody_understands_holds_no_other_up(books: Books) -> None:
    one, two = await books.number_of(), await books.number_of()
    raw = bank_file(
        document(f"за {one.msisdn}", "300.00", "1", ПлательщикИНН=COMPANY),
        document(f"за {two.msisdn}", "200.00", "2", ПлательщикИНН=COMPANY),
    )
    await books.transfers.take(raw, "f", actor=ACCOUNTANT)
    await books.world.database.fetch("update payments.work_item set facts = '{}' where external_id = '1'")
    processed = await books.companies.payments.process()
    assert (processed.allocated, processed.waiting) == (1, 1)
    assert await mains(books, one, two) == [0, tenge(200)]


@pytest.mark.clause("PSC-3.2.4-4")
async def test_many_machines_allocate_a_payment_once(books: Books) -> None:
    numbers = [await books.number_of() for _ in range(3)]
    await books.send([(number.msisdn, "100") for number in numbers])
    raw = bank_file(document("по реестру", "300.00", ПлательщикИНН=COMPANY))
    await books.transfers.take(raw, "f", actor=ACCOUNTANT)
    await asyncio.gather(*(books.companies.payments.process() for _ in range(6)))
    assert await mains(books, *numbers) == [tenge(100)] * 3
    assert (await books.waiting(), await cash(books)) == ([], tenge(300))


@pytest.mark.clause("PSC-3.2.4-4")
async def test_a_crash_in_the_middle_of_a_split_leaves_all_of_it_on_the_list(books: Books) -> None:
    """The connection dies at the second of three parts: nothing is credited, and the job does it whole later."""
    numbers = [await books.number_of() for _ in range(3)]
    database = books.world.database
    await database.fetch(
        f"""
        create function payments.die() returns trigger language plpgsql as $$ begin
            if new.msisdn = '{numbers[1].msisdn}' then perform pg_terminate_backend(pg_backend_pid()); end if;
            return null;
        end $$
        """
    )
    await database.fetch(
        "create trigger die after insert on payments.part for each row execute function payments.die()"
    )
    await books.send([(number.msisdn, "100") for number in numbers])
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await books.came("по реестру", "300.00")
    assert await mains(books, *numbers) == [0, 0, 0]
    assert [item.reason for item in await books.waiting()] == ["company"]
    await database.fetch("drop trigger die on payments.part")
    assert (await books.companies.payments.process()).allocated == 1
    assert await mains(books, *numbers) == [tenge(100)] * 3


@pytest.mark.clause("PSC-3.2.4-4")
async def test_all_money_in_is_allocated_on_the_list_or_closed(books: Books) -> None:
    """8,000 allocated + 500 on the list + 70 closed by an accountant = 8,570 received; 9 more are only announced."""
    one, two = await books.number_of(), await books.number_of()
    await books.came(f"за {one.msisdn} - 5000 тг, {two.msisdn} - 3000 тг", "8000.00", "1")
    await books.came("за связь", "500.00", "2")
    await books.came("ошибочно", "70.00", "3")
    item = (await books.waiting())[-1]
    await books.work_list.close(item.item_id, actor=ACCOUNTANT, reason="paid back by order 17")
    announced = document("за связь", "9.00", "4", ПлательщикИНН=COMPANY, ДатаПоступило=None)
    await books.transfers.take(bank_file(announced), "4", actor=ACCOUNTANT)
    totals, findings = await books.companies.money_in()
    assert totals == MoneyIn(tenge(8570), tenge(8000), tenge(0), tenge(500), tenge(70))
    assert findings == []


@pytest.mark.parametrize(
    ("harm", "check"),
    [
        ("delete from payments.work_item", "unseen_documents"),
        ("update payments.part set amount_tiyn = amount_tiyn - 1 where part_no = 1", "parts_differ"),
        ("update payments.work_item set state = 'allocated', decided_at = now()", "decided_without_payment"),
        ("update payments.part set op_id = 'nothing' where part_no = 2", "books_differ"),
    ],
)
async def test_the_auditor_sees_what_is_lost(books: Books, harm: str, check: str) -> None:
    one, two = await books.number_of(), await books.number_of()
    await books.came(f"за {one.msisdn} - 5 тг, {two.msisdn} - 3 тг", "8.00", "1")
    await books.came("за связь", "500.00", "2")
    await books.world.database.fetch(harm)
    assert check in {finding.check for finding in (await books.companies.money_in())[1]}


@pytest.mark.clause("PSC-4.1", "PSC-3.2.4-4")
async def test_what_may_be_a_second_telling_is_for_people_and_can_be_shared_out(books: Books) -> None:
    """The other form names the bank's own reference: neither purpose nor register allocates it by itself."""
    one, other = await books.number_of(), await books.number_of()
    await books.came(f"за {one.msisdn}", "900.00", "417")
    entry = f":61:260301C900,NTRFNONREF//B-1\r\n:86:БИН {COMPANY} за {one.msisdn}"
    await books.transfers.take(statement(entry, closing="C900,").encode(), "mt940", actor=ACCOUNTANT)
    await books.companies.payments.process()
    [item] = await books.waiting()
    assert item.reason == "looks_like"
    lines = [Named(one.msisdn, tenge(400)), Named(other.msisdn, tenge(500))]
    await books.companies.payments.allocate(item.item_id, lines, actor=ACCOUNTANT, reason="two transfers")
    assert [await books.world.main(number) for number in (one, other)] == [tenge(1300), tenge(500)]
    assert await books.waiting() == []
