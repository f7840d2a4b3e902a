"""The published catalogue in the database: takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from telco.catalog import loader
from telco.catalog.items import STORED, Item
from telco.db import queries
from telco.db.pool import Connection, Record

_Q = queries.load("telco.catalog")


class Withdrawal(NamedTuple):
    """From when something is no longer offered, and when it was closed for good."""

    kind: str
    code: str
    withdrawn_from: datetime
    closed_at: datetime | None


class StoredItem(NamedTuple):
    """A published declaration, with the digest that it was published under."""

    item: Item
    digest: bytes


async def lock(connection: Connection) -> None:
    """Wait until no other publication is under way; held to the end of the transaction."""
    await connection.execute(_Q.lock_catalogue)


async def newest_edition(connection: Connection) -> int:
    edition: int = await connection.fetchval(_Q.newest_edition)
    return edition


async def items(connection: Connection) -> list[StoredItem]:
    """Return every published declaration.

    Raises:
        CatalogueError: one is no longer in the form that this version of telco reads.
    """
    rows = await connection.fetch(_Q.items)
    found = loader.sifted(
        declared
        for index, row in enumerate(rows, 1)
        for declared in loader.parse_declaration(f"{STORED} ({row['file']})", row["kind"], index, _raw(row))
    )
    return [StoredItem(item, row["digest"]) for item, row in zip(found, rows, strict=True)]


def _raw(row: Record) -> dict[str, Any]:
    content: dict[str, Any] = row["content"]
    return content


async def withdrawals(connection: Connection) -> list[Withdrawal]:
    return [Withdrawal(*row) for row in await connection.fetch(_Q.withdrawals)]


async def add_edition(connection: Connection, at: datetime, author: str, summary: dict[str, object]) -> int:
    edition: int = await connection.fetchval(_Q.add_edition, at, author, summary)
    return edition


async def add_items(connection: Connection, new: Iterable[Item], edition: int) -> None:
    await connection.executemany(
        _Q.add_item,
        [(item.kind, item.code, item.version, item.content(), item.digest(), item.file, edition) for item in new],
    )


async def withdraw(connection: Connection, kind: str, code: str, withdrawn_from: datetime, edition: int) -> bool:
    """Record that something is no longer offered from a moment on; False when it is already closed."""
    return await connection.fetchval(_Q.withdraw, kind, code, withdrawn_from, edition) is not None


async def close(connection: Connection, kind: str, code: str, at: datetime, edition: int) -> bool:
    """Record that a withdrawn thing is closed for good; False when it already is, or never was withdrawn."""
    return await connection.fetchval(_Q.close, kind, code, at, edition) is not None
