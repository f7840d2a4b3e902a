"""Migrations: in order, once, never edited, and to the same schema from wherever a database stands."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from telco.db.embedded import EmbeddedPostgres, postgres_binary
from telco.db.migrations import Migration, MigrationError, SchemaBehindError, migrate, read, require_current

RELEASED = read()


@asynccontextmanager
async def empty_database(server: EmbeddedPostgres, name: str) -> AsyncIterator[str]:
    """The URL of a database that no migration has touched."""
    connection = await asyncpg.connect(server.url())
    await connection.execute(f"create database {name}")
    try:
        yield server.url(name)
    finally:
        await connection.execute(f"drop database {name} with (force)")
        await connection.close()


@pytest.fixture
async def url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    async with empty_database(postgres, "migrated") as url:
        yield url


async def versions(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select version from kernel.migration order by version")
    finally:
        await connection.close()
    return [row["version"] for row in rows]


def schema(url: str) -> str:
    """What the database is made of, as pg_dump writes it; its random restrict keys left out."""
    command = [str(postgres_binary("pg_dump")), "--schema-only", "--no-owner", "--dbname", url]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write migration files by name and return their directory."""

    def write(**files: str) -> Path:
        for name, sql in files.items():
            (tmp_path / f"{name.removeprefix('_')}.sql").write_text(sql)
        return tmp_path

    return write


def test_files_are_read_in_order(write: Callable[..., Path]) -> None:
    directory = write(_0002_second="select 2", _0001_first="select 1")
    assert [(found.version, found.name, found.sql) for found in read(directory)] == [
        (1, "first", "select 1"),
        (2, "second", "select 2"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("_0002_first",),
        ("_0001_first", "_0003_third"),  # one left out
        ("_0001_first", "_0001_other"),  # one number twice, as two branches make it
        ("_1_first",),
        ("_0001_First",),
        ("_0001",),
    ],
)
def test_a_gap_a_double_and_a_wrong_name_are_refused(write: Callable[..., Path], names: tuple[str, ...]) -> None:
    with pytest.raises(MigrationError, match="expected a file"):
        read(write(**dict.fromkeys(names, "select 1")))


async def test_a_second_run_finds_nothing_to_do(url: str) -> None:
    assert await migrate(url, RELEASED) == RELEASED
    assert await migrate(url, RELEASED) == []


async def test_services_that_start_at_once_migrate_once(url: str) -> None:
    applied = await asyncio.gather(*(migrate(url, RELEASED) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(RELEASED)]
    assert await versions(url) == [migration.version for migration in RELEASED]


async def test_a_file_edited_after_it_was_applied_is_refused(url: str) -> None:
    first = Migration(1, "first", "create table a (n int)")
    await migrate(url, [first])
    edited = replace(first, sql=first.sql + " -- and a thought")
    with pytest.raises(MigrationError, match="edited"):
        await migrate(url, [edited, Migration(2, "second", "create table b (n int)")])
    assert await versions(url) == [1]


async def test_a_failing_file_leaves_nothing_of_itself_and_keeps_the_ones_before(url: str) -> None:
    first = Migration(1, "first", "create table a (n int)")
    broken = Migration(2, "second", "create table b (n int); select 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(url, [first, broken])
    assert await versions(url) == [1]
    mended = replace(broken, sql="create table b (n int)")
    assert await migrate(url, [first, mended]) == [mended]


async def test_an_older_telco_refuses_a_newer_database(url: str) -> None:
    files = [Migration(1, "first", "select 1"), Migration(2, "second", "select 2")]
    await migrate(url, files)
    with pytest.raises(MigrationError, match="upgrade telco"):
        await migrate(url, files[:1])


async def test_a_migration_does_not_wait_for_ever_for_a_lock(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telco.db.migrations.LOCK_TIMEOUT_MS", 100)
    first = Migration(1, "first", "create table a (n int)")
    await migrate(url, [first])
    reader = await asyncpg.connect(url)
    try:
        async with reader.transaction():
            await reader.execute("select * from a")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await migrate(url, [first, Migration(2, "second", "alter table a add m int")])
    finally:
        await reader.close()


async def test_every_version_of_a_database_migrates_to_the_same_schema(postgres: EmbeddedPostgres) -> None:
    async with AsyncExitStack() as stack:
        fresh = await stack.enter_async_context(empty_database(postgres, "fresh"))
        await migrate(fresh, RELEASED)
        expected = schema(fresh)
        for version in range(1, len(RELEASED)):
            url = await stack.enter_async_context(empty_database(postgres, f"from_{version}"))
            await migrate(url, RELEASED[:version])
            await migrate(url, RELEASED)
            assert schema(url) == expected, f"from version {version}"


async def test_a_version_is_not_started_on_a_database_that_lacks_its_migrations(url: str) -> None:
    await migrate(url, RELEASED[:-1])
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(SchemaBehindError, match="Run telco migrate first"):
            await require_current(connection)
        await migrate(url)
        await require_current(connection)
    finally:
        await connection.close()
