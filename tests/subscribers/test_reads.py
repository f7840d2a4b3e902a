"""The hot read: one indexed statement, whatever stands in the tables; and jobs that are named once."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.subscribers import jobs
from telco.subscribers.model import Ground, PlanState, Scope, SubscriptionState
from telco.subscribers.rules import GROUNDS
from tests.subscribers.conftest import CLERK, SELF, Office, number, person

Q = queries.load("telco.subscribers")


async def test_a_subscriber_is_read_as_he_is(office: Office) -> None:
    accession = await office.paid("10000", plan_code="kcell-start")
    who = accession.subscriber_id
    await office.subscribers.switch_service_on(who, "data-1gb", SELF, "r1")
    await office.subscribers.switch_service_on(who, "data-1gb", SELF, "r2")
    await office.subscribers.suspend(who, Ground.NETWORK_HARM, CLERK, reason="x")
    await office.subscribers.suspend(who, Ground.BREACH, CLERK, reason="x")

    found = await office.subscribers.find(accession.msisdn)
    assert found is not None
    assert (found.state, found.plan_state) == (SubscriptionState.ACTIVE, PlanState.ACTIVE)
    assert found.services == {"data-1gb"}
    assert found.barred == {Scope.OUTGOING, Scope.DATA}
    assert await office.subscribers.find_by_ids([who]) == {who: found}
    assert await office.subscribers.find_by_account(accession.account) == [found]
    assert (
        await office.subscribers.acceded_at(who)
        == (await office.subscribers.people.card(found.msisdn, CLERK)).acceded_at
    )


async def test_many_are_read_in_one_statement(office: Office) -> None:
    accessions = [await office.accede(person(n)) for n in range(1, 6)]
    wanted = [accession.msisdn for accession in accessions] + [number(9_999_999)]
    found = await office.subscribers.find_many(wanted)
    assert {msisdn: subscriber.subscriber_id for msisdn, subscriber in found.items()} == {
        accession.msisdn: accession.subscriber_id for accession in accessions
    }
    assert await office.subscribers.find_many([]) == {}
    assert await office.subscribers.find(number(9_999_999)) is None


HOT = [
    ("find_many", ["subscription_msisdn_key", "service_on", "suspension_open_key"]),
    ("find_by_accounts", ["subscription_account"]),
    ("due_plan_fees", ["subscription_fee_due"]),
    ("due_service_fees", ["service_fee_due"]),
    ("lock_stopping", ["subscription_stop"]),
    ("lock_lapsed_plans", ["subscription_plan_until"]),
    ("pick_number", ["number_choice"]),
    ("free_numbers", ["number_choice"]),
    ("count_numbers", ["subscription_party"]),
    ("msisdn_of_imsi", ["sim_imsi_key", "sim_history_sim_key"]),
    ("end_lapsed_services", ["service_until"]),
    ("end_lapsed_suspensions", ["suspension_ends"]),
]


@pytest.mark.parametrize(("name", "indexes"), HOT)
async def test_hot_statements_use_their_indexes(
    database: Database, clock: ManualClock, name: str, indexes: list[str]
) -> None:
    """With sequential scans made unattractive, a missing index would show as a scan all the same."""
    values: dict[str, list[object]] = {
        "find_many": [["77010000001"], clock.now()],
        "find_by_accounts": [[0], [1], clock.now()],
        "due_plan_fees": [clock.now(), 10, ["lost_device"]],
        "due_service_fees": [clock.now(), 10, ["lost_device"]],
        "lock_stopping": [clock.now(), 10],
        "lock_lapsed_plans": [clock.now(), 10],
        "pick_number": ["ordinary"],
        "free_numbers": ["ordinary", "7", 10],
        "count_numbers": [1],
        "msisdn_of_imsi": ["401020000000001"],
        "end_lapsed_services": [clock.now(), 10],
        "end_lapsed_suspensions": [clock.now(), 10],
    }
    async with database.acquire() as conn, conn.transaction():
        await conn.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
        rows = await conn.fetch("explain " + getattr(Q, name), *values[name])
    plan = "\n".join(row[0] for row in rows)
    scanned = set(re.findall(r"Seq Scan on (\w+)", plan)) - {"number_category"}
    assert not scanned, plan
    for index in indexes:
        assert index in plan, plan


def test_every_statement_is_used() -> None:
    code = "".join(path.read_text("utf-8") for path in Path(jobs.__file__).parent.glob("*.py"))
    unused = [name for name in Q.names() if not re.search(rf"\bQ\.{name}\b", code)]
    assert unused == []


async def test_jobs_do_their_rounds(office: Office, clock: ManualClock) -> None:
    accession = await office.accede()
    await office.subscribers.suspend(
        accession.subscriber_id,
        Ground.BREACH,
        CLERK,
        reason="x",
        ends_at=clock.now().replace(hour=7),
    )
    clock.advance(timedelta(days=1))
    names = {}
    for job in jobs.jobs(office.subscribers):
        names[job.name] = await job.body(clock.now())
    assert names == {
        "subscribers.lapse_plans": {"done": 0},
        "subscribers.end_stopped": {"done": 0},
        "subscribers.end_services": {"done": 0},
        "subscribers.end_suspensions": {"done": 1},
        "subscribers.free_numbers": {"done": 0},
        "subscribers.count_silence": {"done": 0},
        "subscribers.silent_numbers": {"counted": 1, "warned": 0, "ended": 0, "forgotten": 0},
    }


@pytest.mark.clause("PSC-3.1.5")
def test_grounds_name_scopes_that_exist() -> None:
    assert all(rule.scopes <= set(Scope) and rule.scopes for rule in GROUNDS.values())
