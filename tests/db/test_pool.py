"""Transactions: committed once, run again after a conflict, never half done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import LOST_CONNECTION, Connection, Database, StatementArgumentError


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


async def test_an_argument_of_the_wrong_type_is_told_as_a_defect_not_as_a_lost_database(database: Database) -> None:
    with pytest.raises(StatementArgumentError, match="'twelve'") as raised:
        await database.fetchval("select $1::int", "twelve")
    assert not isinstance(raised.value, LOST_CONNECTION)


async def test_a_silent_server_is_told_after_the_time_out_and_found_again_when_it_speaks(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", {"shared_buffers": "16MB"})
    database = await Database.connect(await asyncio.to_thread(server.start), max_size=2, timeout_s=0.5)
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    try:
        await database.fetchval("select 1")
        for process in processes:
            process.suspend()
        async with asyncio.timeout(10):
            with pytest.raises(LOST_CONNECTION):
                await database.transact("test", lambda connection: connection.execute("select 2"))
        for process in processes:
            process.resume()
        assert await database.fetchval("select 3") == 3
    finally:
        database.terminate()
        await asyncio.to_thread(server.stop)


async def test_a_session_leaves_nothing_to_who_comes_next(database_url: str) -> None:
    """A lock of the session and what it listens to end with it; they would outlive a connection that is only lent."""
    database = await Database.connect(database_url, max_size=1)
    other = await Database.connect(database_url, max_size=1)
    try:
        async with database.session() as connection:
            assert await connection.fetchval("select pg_try_advisory_lock(1, 1)")
            await connection.execute("listen somewhere")
            assert not await other.fetchval("select pg_try_advisory_lock(1, 1)")
        assert await database.fetch("select pg_listening_channels()") == []
        assert await other.fetchval("select pg_try_advisory_lock(1, 1)")
    finally:
        await database.close()
        await other.close()


async def test_a_session_that_is_cut_off_is_cleared_too(database_url: str) -> None:
    database = await Database.connect(database_url, max_size=1)
    locked = asyncio.Event()

    async def hold() -> None:
        async with database.session() as connection:
            await connection.fetchval("select pg_advisory_lock(1, 1)")
            locked.set()
            await asyncio.Event().wait()

    try:
        holding = asyncio.create_task(hold())
        await locked.wait()
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        ours = "locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
        assert await database.fetchval(f"select count(*) from pg_locks where {ours}") == 0
    finally:
        await database.close()


async def test_a_transaction_that_is_cut_off_is_rolled_back(database_url: str) -> None:
    database = await Database.connect(database_url, max_size=1)
    begun = asyncio.Event()

    async def body(connection: Connection) -> None:
        await connection.execute("insert into kernel.outbox (topic, key, payload) values ('t', 'k', '{}')")
        begun.set()
        await asyncio.Event().wait()

    try:
        working = asyncio.create_task(database.transact("test", body))
        await begun.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert await database.fetchval("select count(*) from kernel.outbox") == 0
    finally:
        await database.close()
