"""Migrations: plain SQL, numbered, forward only.

Each file runs in its own transaction together with its row in `kernel.migration`, under an advisory lock, so that two
services that start at once migrate once. A file that was applied and then edited is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from telco.db.pool import Connection
from telco.kernel.errors import DomainError

DIRECTORY = Path(__file__).parents[2] / "migrations"
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 600_000
_ADVISORY_LOCK = 0x7E1C0
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

log = structlog.get_logger(__name__)


class MigrationError(DomainError):
    """Migration {version} cannot be applied: {why}."""

    code = "migration"
    status = 500
    version: str
    why: str


class SchemaBehindError(DomainError):
    """The database is at migration {found}, and this version needs {needed}. Run telco migrate first."""

    code = "schema_behind"
    status = 500
    found: int
    needed: int


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


def read(directory: Path = DIRECTORY) -> list[Migration]:
    """Read the migrations in order.

    Raises:
        MigrationError: a file with a wrong name, or a number used twice or left out.
    """
    migrations: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or int(match[1]) != len(migrations) + 1:
            raise MigrationError(version=path.name, why=f"expected a file {len(migrations) + 1:04d}_name.sql")
        migrations.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    return migrations


async def migrate(url: str, migrations: list[Migration] | None = None) -> list[Migration]:
    """Bring the database at `url` to the newest version and return what was applied."""
    migrations = read() if migrations is None else migrations
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("select pg_advisory_lock($1)", _ADVISORY_LOCK)
        await connection.execute(f"set lock_timeout = {LOCK_TIMEOUT_MS}")
        await connection.execute(f"set statement_timeout = {STATEMENT_TIMEOUT_MS}")
        return await _apply_missing(connection, migrations)
    finally:
        await connection.close()


async def require_current(connection: Connection) -> None:
    """Make sure that the database was migrated before this version was started.

    Raises:
        SchemaBehindError: it lacks migrations of this version.
    """
    found, needed = await connection.fetchval("select max(version) from kernel.migration"), len(read())
    if found < needed:
        raise SchemaBehindError(found=found, needed=needed)


async def _apply_missing(
    connection: asyncpg.Connection[asyncpg.Record], migrations: list[Migration]
) -> list[Migration]:
    await connection.execute(
        """create schema if not exists kernel;
           create table if not exists kernel.migration (
               version int primary key, name text not null, sha256 bytea not null,
               applied_at timestamptz not null default now())"""
    )
    applied = {row["version"]: row["sha256"] for row in await connection.fetch("select * from kernel.migration")}
    if applied and max(applied) > len(migrations):
        raise MigrationError(version=f"{max(applied):04d}", why="the database is newer than this telco; upgrade telco")
    done: list[Migration] = []
    for migration in migrations:
        known = applied.get(migration.version)
        if known is not None and known != migration.sha256:
            raise MigrationError(version=f"{migration.version:04d}", why="the file was edited after it was applied")
        if known is None:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into kernel.migration (version, name, sha256) values ($1, $2, $3)",
                    migration.version,
                    migration.name,
                    migration.sha256,
                )
            log.info("migration_applied", version=migration.version, name=migration.name)
            done.append(migration)
    return done
