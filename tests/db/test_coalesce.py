"""Reads that come together become one query, and see nothing older than their asking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from telco.db.coalesce import MAX_KEYS, QUERIES_AT_ONCE, Coalescer


class Table:
    """Something to read from, slowly, that counts its queries."""

    def __init__(self) -> None:
        self.rows = {number: f"row {number}" for number in range(2_000)}
        self.queries: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def read(self, keys: Sequence[int]) -> Mapping[int, str]:
        self.queries.append(list(keys))
        await self.gate.wait()
        if self.broken:
            raise ConnectionError("gone")
        return {key: self.rows[key] for key in keys if key in self.rows}


async def test_reads_of_one_moment_are_one_query() -> None:
    table = Table()
    reads = Coalescer(table.read)
    rows = await asyncio.gather(*(reads.get(number % 50) for number in range(100)))
    assert rows == [f"row {number % 50}" for number in range(100)]
    assert table.queries == [list(range(50))]


async def test_what_is_not_there_is_none() -> None:
    assert await Coalescer(Table().read).get(-1) is None


async def test_a_read_does_not_join_a_query_that_has_begun() -> None:
    table = Table()
    reads = Coalescer(table.read)
    table.gate.clear()
    first = [asyncio.create_task(reads.get(1)) for _ in range(QUERIES_AT_ONCE)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = asyncio.create_task(reads.get(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    table.rows[1] = "changed"
    table.gate.set()
    await asyncio.gather(*first)
    assert await later == "changed"
    assert table.queries == [[1], [1]]


async def test_what_is_asked_when_the_last_readers_end_is_read() -> None:
    """All readers end in one turn of the loop; who was woken first asks again before anything else happens."""
    table = Table()
    reads = Coalescer(table.read)
    table.gate.clear()

    async def twice() -> str | None:
        await reads.get(0)
        return await reads.get(1_000)

    asked = [asyncio.create_task(twice())]
    for number in range(1, QUERIES_AT_ONCE):
        while len(table.queries) < number:
            await asyncio.sleep(0)
        asked.append(asyncio.create_task(reads.get(number)))
    while len(table.queries) < QUERIES_AT_ONCE:
        await asyncio.sleep(0)
    table.gate.set()
    async with asyncio.timeout(5):
        assert await asked[0] == "row 1000"
    await asyncio.gather(*asked)


async def test_a_query_is_bounded() -> None:
    table = Table()
    reads = Coalescer(table.read)
    await asyncio.gather(*(reads.get(number) for number in range(MAX_KEYS + 7)))
    assert [len(keys) for keys in table.queries] == [MAX_KEYS, 7]


async def test_an_error_reaches_everybody_who_asked_and_nobody_after() -> None:
    table = Table()
    reads = Coalescer(table.read)
    table.broken = True
    results = await asyncio.gather(*(reads.get(number) for number in range(3)), return_exceptions=True)
    assert all(isinstance(result, ConnectionError) for result in results)
    table.broken = False
    assert await reads.get(1) == "row 1"


async def test_who_gives_up_takes_nobody_along() -> None:
    table = Table()
    reads = Coalescer(table.read)
    table.gate.clear()
    impatient, patient = asyncio.create_task(reads.get(1)), asyncio.create_task(reads.get(1))
    await asyncio.sleep(0)
    impatient.cancel()
    table.gate.set()
    assert await patient == "row 1"
    with pytest.raises(asyncio.CancelledError):
        await impatient
