"""The hot statements find their rows by primary key, and by nothing else, however many accounts there are."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from telco.db import queries
from telco.db.pool import Connection, Database

ACCOUNTS = 20_000
FILL = """
insert into ledger.operator_account (code) values ('x');
insert into ledger.terms (unit, allowances, rating_unit, price_micro, money) values (1, '{data.any}', 1, 1, '{main}');
insert into ledger.bucket (shard, account_id, bucket_no, unit, priority, balance, initial, valid_from, valid_until,
                           others, last_bucket_no, code, origin)
select a % 4, a, n, n, 100, 1000, 1000, now(), case n when 1 then now() end, case n when 0 then 1 end,
       case n when 0 then 1 end, case n when 0 then 'main' else 'data.any' end, 'plan'
from generate_series(1, 20000) a, generate_series(0, 1) n;
insert into ledger.operation (shard, account_id, op_id, at, kind, status, flags, request_hash, contra, main_after)
select a % 4, a, 'op' || n, now(), 1, 0, 0, 0, 1, 0 from generate_series(1, 20000) a, generate_series(1, 2) n;
analyze ledger.bucket, ledger.operation, ledger.terms;
"""
APPLY_PARAMETERS = {
    "p_shard": "smallint",
    "p_now": "timestamptz",
    "v_numbers": "bigint[]",
    "v_ops": "text[]",
    "v_holds": "text[]",
    "v_details": "text[]",
    "v_rest": "int[]",
    "p_care": "int",
}
SETTLE_PARAMETERS = {
    "p_shard": "smallint",
    "p_now": "timestamptz",
    "p_numbers": "bigint[]",
    "p_ops": "text[]",
    "p_holds": "text[]",
    "p_details": "text[]",
    "p_rest": "int[]",
    "p_extras": "text[]",
}
TAKE_BACK_PARAMETERS = {name: kind for name, kind in SETTLE_PARAMETERS.items() if name != "p_holds"}
HOT = {"bucket": "bucket_pkey", "operation": "operation_pkey", "terms": "terms_pkey"}


@pytest.fixture
async def connection(fresh_database: Database) -> AsyncIterator[Connection]:
    async with fresh_database.acquire() as connection:
        await connection.execute(FILL)
        yield connection


async def source(connection: Connection, function: str, start: str, end: str) -> str:
    """A statement of a function, and its settings in force."""
    rows = await connection.fetch(
        "select proname, prosrc, proconfig from pg_proc where proname in ('apply_v1', $1)", function
    )
    found = {row["proname"]: row for row in rows}
    for name in ("apply_v1", function):
        for setting in found[name]["proconfig"] or ():
            await connection.execute("set {} = {}".format(*setting.split("=")))
    text: str = found[function]["prosrc"]
    begin = text.index(start)
    return text[begin : text.index(end, begin)]


async def scans(connection: Connection, statement: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
    """Plan a statement as the function does, before it knows its arguments, and return its scans of tables."""
    for number, name in enumerate(parameters, 1):
        statement = re.sub(rf"\b{name}\b", f"${number}", statement)
    await connection.execute(f"prepare hot ({', '.join(parameters.values())}) as {statement}")
    nulls = ", ".join(["null"] * len(parameters))
    [plan] = json.loads(await connection.fetchval(f"explain (format json) execute hot ({nulls})"))
    await connection.execute("deallocate hot")
    return [node for node in nodes(plan["Plan"]) if "Relation Name" in node and "Scan" in node["Node Type"]]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def check(found: list[dict[str, Any]], tables: set[str]) -> None:
    """Rows are found by the primary key down to the account, and written by the place where they were found."""
    assert {scan["Relation Name"] for scan in found} == tables
    for scan in found:
        if scan["Node Type"] == "Tid Scan":
            continue
        assert scan["Node Type"] in ("Index Scan", "Index Only Scan"), scan
        assert scan["Index Name"] == HOT[scan["Relation Name"]]
        assert ("terms_no" if scan["Relation Name"] == "terms" else "account_id") in scan["Index Cond"]


async def test_the_plain_statement(connection: Connection) -> None:
    statement = await source(connection, "apply_v1", "with changed as", "into done, mains")
    check(await scans(connection, f"{statement} from changed c", APPLY_PARAMETERS), {"bucket", "operation"})


async def test_the_lock_and_the_look_for_repeated_ids(connection: Connection) -> None:
    lock = await source(connection, "apply_v1", "perform from ledger.bucket b", ";")
    check(await scans(connection, lock.replace("perform from", "select from"), APPLY_PARAMETERS), {"bucket"})
    again = await source(connection, "apply_v1", "select p from ledger.operation p", ") prior (o)")
    statement = f"select from unnest(v_rest) n cross join lateral ({again}) prior (o)"
    check(await scans(connection, statement, APPLY_PARAMETERS), {"operation"})


async def test_the_full_statement(connection: Connection) -> None:
    statement = await source(connection, "settle_v1", "with decision as", "into v_outcomes")
    check(await scans(connection, statement, SETTLE_PARAMETERS), {"bucket", "terms"})


async def test_taking_back_what_ended(connection: Connection) -> None:
    statement = await source(connection, "take_back_v2", "with stock as", "select i, 0::smallint")
    check(await scans(connection, f"{statement} select from taken", TAKE_BACK_PARAMETERS), {"bucket"})


async def test_reads_of_an_account(connection: Connection) -> None:
    named = queries.load("telco.ledger")
    for statement, parameters, tables in (
        (named.buckets, ["smallint[]", "bigint[]", "timestamptz"], {"bucket"}),
        (named.statement, ["smallint", "bigint", "smallint[]", "int", "int"], {"bucket", "operation"}),
    ):
        await connection.execute(f"prepare read ({', '.join(parameters)}) as {statement}")
        await connection.execute("set plan_cache_mode = force_generic_plan")
        nulls = ", ".join(["null"] * len(parameters))
        [plan] = json.loads(await connection.fetchval(f"explain (format json) execute read ({nulls})"))
        found = [
            node for node in nodes(plan["Plan"]) if node.get("Relation Name") in HOT and "Scan" in node["Node Type"]
        ]
        check(found, tables)
        await connection.execute("deallocate read")


async def test_due_buckets_are_found_by_their_end(connection: Connection) -> None:
    await connection.execute("update ledger.bucket set valid_until = now() + interval '1 year' where account_id > 20")
    await connection.execute("analyze ledger.bucket")
    statement = queries.load("telco.ledger").due_accounts
    await connection.execute(f"prepare due (timestamptz, int) as {statement}")
    [plan] = json.loads(await connection.fetchval("explain (format json) execute due (now(), 10)"))
    indexes = {node.get("Index Name") for node in nodes(plan["Plan"])}
    assert "bucket_expiry" in indexes
