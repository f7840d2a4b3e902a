"""The oracle sees what is wrong: each test breaks one thing in the books of a few days and reads what is said of it."""

from __future__ import annotations

from telco.app import App
from telco.billing.collection.dunning import ORIGIN
from telco.kernel.clock import ManualClock
from telco.simulation.engine import Simulation, day_of
from telco.simulation.oracle import auditor
from tests.simulation.conftest import checks_that_speak

DAYS = 4
TODAY = day_of(DAYS - 1)

SOMEBODY = "(select min(subscription_id) from subscribers.subscription where settlement = 'prepaid' and {})"
RICH = SOMEBODY.format(
    "plan_state = 'active' and plan_code in ('activ-week', 'kcell-start') and exists (select from ledger.bucket b "
    "where (b.shard, b.account_id, b.bucket_no) = (subscription.shard, subscription.account_id, 0) and b.balance >= 0)"
)

BREAKS = {
    "books": f"""update ledger.bucket b set balance = balance + 1 from subscribers.subscription s
        where s.subscription_id = {RICH} and (b.shard, b.account_id, b.bucket_no) = (s.shard, s.account_id, 0)""",
    "plan_skipped": f"delete from simulation.period where kind = 'plan' and owner_id = {RICH}",
    "billed_twice": f"""insert into simulation.period (kind, owner_id, op_id, name, starts, ends, change_id, cost)
        select kind, owner_id, op_id || '~', name, starts + 1, ends, '', cost from simulation.period
        where kind = 'plan' and owner_id = {RICH};
        update simulation.period set starts = {{today}} where op_id like '%~'""",
    "fee_late": f"update subscribers.subscription set next_fee_at = acceded_at where subscription_id = {RICH}",
    "waits_with_money": f"""update ledger.bucket b set balance = 99999999 from subscribers.subscription s
        where s.subscription_id = {RICH} and (b.shard, b.account_id, b.bucket_no) = (s.shard, s.account_id, 0);
        update subscribers.subscription set plan_state = 'awaiting_payment' where subscription_id = {RICH}""",
    "suspended_without_ground": f"""insert into subscribers.suspension
        (subscription_id, ground, scopes, reference, reason, author, started_at)
        select subscription_id, 'money', '{{{{outgoing}}}}', 'x', 'x', 'x', acceded_at from subscribers.subscription
        where subscription_id = {RICH}""",
    "end_missed": f"update subscribers.subscription set stop_at = acceded_at where subscription_id = {RICH}",
    "outbox": "insert into kernel.outbox (topic, key, payload, created_at) values ('t', 'k', '{{}}', now())",
}


async def test_every_break_is_seen(simulation: Simulation, service: tuple[App, ManualClock]) -> None:
    """Each on the same four days, in a transaction that is rolled back."""
    app, clock = service
    assert await simulation.run(DAYS) == []
    assert await checks_that_speak(app, clock, TODAY, "select") == set()
    seen = {name: await checks_that_speak(app, clock, TODAY, statements) for name, statements in BREAKS.items()}
    assert {name: name in checks for name, checks in seen.items()} == dict.fromkeys(BREAKS, True)


PENALTY = f"""
    insert into ledger.operator_account (code) values ('revenue.penalty') on conflict do nothing;
    insert into collection.debt (shard, account_id, kind, number, subscriber_id, due_on, total_tiyn, opened_at)
    select shard, account_id, 'found', 'ND-1', subscription_id, {{today}}, 1000, acceded_at
    from subscribers.subscription where subscription_id = {RICH};
    insert into ledger.operation (shard, account_id, op_id, at, kind, status, flags, request_hash, contra, moved,
                                  main_after)
    select shard, account_id, 'penalty:1', t.now + interval '1 millisecond', 1, 0, 0, 0,
           (select operator_no from ledger.operator_account where code = 'revenue.penalty'), {{moved}}, 0
    from subscribers.subscription cross join simulation.today t where subscription_id = {RICH}"""
"""A prepaid subscriber left and owed 10.00; a penalty was posted."""


async def test_a_penalty_may_be_a_tenth_of_a_debt_that_was_found_later(
    simulation: Simulation, service: tuple[App, ManualClock]
) -> None:
    app, clock = service
    await simulation.run(DAYS)
    for moved, speaks in ((-100, False), (-101, True)):
        statements = PENALTY.replace("{moved}", str(moved))
        assert ("penalty_cap" in await checks_that_speak(app, clock, TODAY, statements)) is speaks, moved


async def test_the_whole_ledger_is_audited_at_the_end(simulation: Simulation, service: tuple[App, ManualClock]) -> None:
    """What the day's questions cannot see, because it was noted so the night before, the last audit finds."""
    app, _ = service
    await simulation.run(DAYS)
    for schema in ("ledger", "simulation"):
        await app.database.fetch(f"update {schema}.bucket set balance = balance + 5 where bucket_no = 0")
    findings = await simulation.run(DAYS + 1)
    assert "ledger.buckets" in {finding.check for finding in findings}


async def test_what_telco_audit_looks_at_is_looked_at(simulation: Simulation, service: tuple[App, ManualClock]) -> None:
    """A day that was not read for bonuses, and a suspension by collection for a debt that nobody knows."""
    app, clock = service
    await simulation.run(DAYS)
    await app.database.fetch("delete from bonus.day where day = $1", day_of(1))
    await app.database.fetch(
        f"""insert into subscribers.suspension
        (subscription_id, ground, scopes, reference, reason, author, started_at)
        select subscription_id, 'money', '{{outgoing}}', 'x', 'x', $1, acceded_at from subscribers.subscription
        where subscription_id = {RICH}""",
        ORIGIN.author,
    )
    today, catalogue = day_of(DAYS - 1), app.catalog.current()
    findings = await auditor.audit_everything(app.database, today, clock.now(), app.calendar, catalogue)
    assert {finding.check for finding in findings} == {"bonus.bonus_day", "collection.suspended_without_ground"}
