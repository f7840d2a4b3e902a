"""Transactions: committed once, run again after a conflict, never half done."""

from __future__ import annotations

import asyncio

import pytest

from telco.db.pool import Connection, Database


async def test_a_body_that_fails_leaves_nothing(database: Database) -> None:
    async def body(connection: Connection) -> None:
        await connection.execute("insert into kernel.outbox (topic, key, payload) values ('t', 'k', '{}')")
        raise LookupError

    with pytest.raises(LookupError):
        await database.transact("test", body)
    assert await database.fetchval("select count(*) from kernel.outbox") == 0


async def test_serialization_conflicts_are_run_again(database: Database) -> None:
    await database.fetch("create table tally (n int)")
    await database.fetch("insert into tally values (0)")

    async def add_one(connection: Connection) -> None:
        await connection.execute("set transaction isolation level serializable")
        n = await connection.fetchval("select n from tally")
        await connection.execute("update tally set n = $1", n + 1)

    await asyncio.gather(*(database.transact("test.tally", add_one) for _ in range(3)))
    assert await database.fetchval("select n from tally") == 3


async def test_json_and_times_arrive_as_python_values(database: Database) -> None:
    row = await database.fetchrow("select '{\"a\": [1]}'::jsonb as j, now() as at")
    assert row is not None
    assert row["j"] == {"a": [1]}
    assert row["at"].tzinfo is not None
