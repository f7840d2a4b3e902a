"""What a subscriber sees of his account."""

from __future__ import annotations

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.units import Unit
from telco.ledger.model import Charge, Kind, credit, debit, purchase, release, reserve, reverse, sum_charge
from telco.ledger.service import Ledger
from telco.ledger.views import StatementLine
from tests.ledger.conftest import Open, bonus, data


async def test_a_statement_lists_what_moved_newest_first(
    ledger: Ledger, open_account: Open, clock: ManualClock
) -> None:
    account = await open_account(1000)
    pack = (data(500, clock.now()),)
    await ledger.submit(purchase(account, "pack", sum_charge(300), grants=pack, contra="revenue.pack"))
    traffic = Charge(Unit.BYTES, 600, ("data.any",), 100, 100_000_000)
    details = {"label": "data", "to": "internet", "text": "ә'\"\\; drop table ledger.bucket --"}
    await ledger.submit(debit(account, "traffic", traffic, contra="revenue.data", details=details))
    await ledger.submit(debit(account, "refused", sum_charge(9_999), contra="revenue.sms"))
    call = sum_charge(1)
    await ledger.submit(reserve(account, "r", call, hold_id="h", hold_deadline=clock.now(), contra="revenue.voice"))
    await ledger.submit(release(account, "rel", hold_id="h"))
    entries = await ledger.statement(account, 10)
    assert [entry.op_id for entry in entries] == ["traffic", "pack", "opening"]
    newest, bought, opened = entries
    assert newest.lines == (
        StatementLine(0, "main", Unit.MONEY, -100),  # 100 bytes over
        StatementLine(1, "data.any", Unit.BYTES, -500),
    )
    assert (newest.details, newest.contra, newest.cost_tiyn, newest.main_after) == (details, "revenue.data", 100, 600)
    assert bought.lines == (StatementLine(0, "main", Unit.MONEY, -300), StatementLine(1, "data.any", Unit.BYTES, 500))
    assert (opened.kind, opened.contra) == (Kind.CREDIT, "cash.card")


async def test_a_statement_can_be_limited_and_narrowed(ledger: Ledger, open_account: Open) -> None:
    account = await open_account(1000)
    for number in range(5):
        await ledger.submit(debit(account, f"sms {number}", sum_charge(10), contra="revenue.sms"))
        await ledger.submit(credit(account, f"card {number}", 5, contra="cash.card"))
    last = await ledger.statement(account, 3, kinds=[Kind.DEBIT])
    assert [entry.op_id for entry in last] == ["sms 4", "sms 3", "sms 2"]
    assert len(await ledger.statement(account, 2)) == 2
    assert await ledger.statement(account, 5, kinds=[Kind.REVERSE]) == []


async def test_lines_of_closed_buckets_keep_their_name(ledger: Ledger, open_account: Open, database: Database) -> None:
    account = await open_account(0, bonus(100, ledger._clock.now(), None))
    async with database.acquire() as connection:
        await ledger.drain(connection, account, "end", origin="bonus", contra="bonus.cost")
    [entry] = await ledger.statement(account, 1)
    assert entry.lines == (StatementLine(1, "bonus", Unit.MONEY, -100),)


async def test_a_reversal_shows_both_sides(ledger: Ledger, open_account: Open) -> None:
    account = await open_account(1000)
    await ledger.submit(debit(account, "d", sum_charge(10), contra="revenue.sms"))
    await ledger.submit(reverse(account, "r", target="d", details={"ground": "mistake"}))
    back, taken, _ = await ledger.statement(account, 10)
    assert (back.lines[0].amount, taken.lines[0].amount) == (10, -10)
    assert back.contra == taken.contra == "revenue.sms"


async def test_balances_tell_what_could_be_taken(ledger: Ledger, open_account: Open, clock: ManualClock) -> None:
    account = await open_account(1000, bonus(200, clock.now()), data(500, clock.now()), credit_limit=50)
    call = sum_charge(300, money=("main",))
    await ledger.submit(reserve(account, "r", call, hold_id="h", hold_deadline=clock.now(), contra="revenue.voice"))
    view = await ledger.balances(account)
    main, extra, traffic = view.buckets
    assert (main.balance, main.held, main.available) == (1000, 300, 750)
    assert (extra.code, extra.available, traffic.code, traffic.available) == ("bonus", 200, "data.any", 500)
    assert (view.main, view.available_money, view.credit_limit) == (1000, 950, 50)
    both = await ledger.balances_many([account, AccountRef(0, AccountId(10**9))])
    assert both == {account: view}


async def test_an_unknown_account_has_no_balances(ledger: Ledger) -> None:
    with pytest.raises(KeyError):
        await ledger.balances(AccountRef(0, AccountId(10**9)))
