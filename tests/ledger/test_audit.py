"""The auditor finds what is wrong: each kind of damage, planted by hand."""

from __future__ import annotations

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.units import Unit
from telco.ledger.audit import audit
from telco.ledger.model import Charge, credit, debit, grant, reserve, sum_charge
from telco.ledger.service import Ledger
from tests.ledger.conftest import data

DAMAGE = [
    ("buckets", "update ledger.bucket set balance = balance + 1 where bucket_no = 0"),
    ("buckets", "update ledger.bucket set held = held + 1 where bucket_no = 1"),
    ("buckets", "delete from ledger.bucket where bucket_no = 1"),
    ("holds", "update ledger.bucket set holds = null where bucket_no = 0"),
    ("held", "update ledger.bucket set holds = jsonb_set(holds, '{h,2}', '7') where bucket_no = 0"),
    ("chain", "update ledger.operation set main_after = main_after + 1 where op_id = 'd'"),
    ("chain", "update ledger.operation set previous = null where op_id = 'd'"),
    ("chain", "update ledger.bucket set last_op = 'c' where bucket_no = 0"),
    ("chain", "delete from ledger.operation where op_id = 'd'"),
    ("buckets", "update ledger.operation set moved = moved - 1 where op_id = 'd'"),
    ("prices", "update ledger.operation set cost = cost - 1 where op_id = 'd'"),
    ("prices", "update ledger.operation set lines = '{{1,1,-500,0}}' where op_id = 'd'"),
    ("entries", "delete from ledger.operator_account where code = 'revenue.data'"),
    ("refusals", "update ledger.operation set status = 1 where op_id = 'd'"),
    ("limits", "update ledger.bucket set held = balance + 1 where bucket_no = 0"),
    ("rows", "update ledger.bucket set credit_limit = 5 where bucket_no = 1"),
    ("rows", "update ledger.bucket set code = 'main' where bucket_no = 1"),
    ("counters", "update ledger.bucket set others = 0 where bucket_no = 0"),
]


async def books(database: Database, clock: ManualClock) -> None:
    """One account with a bit of everything."""
    traffic = Charge(Unit.BYTES, 700, ("data.any",), 100, 100_000_000)
    async with Ledger(database, clock) as ledger:
        account = await database.transact("test.open", ledger.open_account)
        await ledger.submit(credit(account, "c", 1000, contra="cash.card"))
        await ledger.submit(grant(account, "g", (data(600, clock.now()),), contra="gifts"))
        await ledger.submit(debit(account, "d", traffic, contra="revenue.data"))
        await ledger.submit(debit(account, "refused", sum_charge(5000), contra="revenue.sms"))
        await ledger.submit(
            reserve(account, "r", sum_charge(300), hold_id="h", hold_deadline=clock.now(), contra="revenue.voice")
        )


@pytest.mark.parametrize(("check", "damage"), DAMAGE)
async def test_damage_is_found(fresh_database: Database, clock: ManualClock, check: str, damage: str) -> None:
    await books(fresh_database, clock)
    assert await audit(fresh_database) == []
    async with fresh_database.acquire() as connection:
        await connection.execute("alter table ledger.operation disable trigger user")
        await connection.execute(damage)
    findings = await audit(fresh_database)
    assert check in {finding.check for finding in findings}
    assert str(findings[0])
