"""A short run: nothing is found wrong, a run that is killed comes to the same end, and another scenario is refused."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from telco.app import App
from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.simulation import report
from telco.simulation.engine import OtherRunError, Simulation
from telco.simulation.home import opened
from telco.simulation.main import EXIT_USAGE
from telco.simulation.model import Scenario
from tests.acceptance.operator import environment, spawn
from tests.simulation.conftest import SMALL

DAYS = 45
ROOT = Path(__file__).parents[2]


async def test_forty_five_days_without_a_finding(simulation: Simulation, service: tuple[App, ManualClock]) -> None:
    app, _ = service
    assert await simulation.run(DAYS) == []
    year = await report.read(app.database, SMALL, [])
    last = year.nights[-1].figures
    # Everybody has joined, paid and used; and what came in is what was spent and what is left, to the tiyn:
    # sum of everything moved into subscribers' money = advances - debts
    assert len(year.nights) == DAYS
    assert last["numbers"] >= 10
    assert {"join", "pay: terminal ok", "use: voice granted", "use: data granted"} <= year.tallies.keys()
    assert sum(year.moved().values()) == last["money"] - last["debt"]


@pytest.mark.timeout(240)
async def test_a_run_killed_again_and_again_ends_the_same(
    simulation: Simulation, service: tuple[App, ManualClock], other_database_url: str, redis_url: str
) -> None:
    """SIGKILL at odd moments of two weeks: each day of both runs ends with the same balances."""
    days = 14
    await simulation.run(days)
    for looks in (83, 167, 251):
        assert await _killed(other_database_url, redis_url, days, looks) == -9
    async with opened(other_database_url, redis_url) as (app, clock):
        killed = Simulation(app, clock, SMALL)
        progress = await killed.prepare()
        assert 1 < progress.day < days
        assert await killed.run(days) == []
        assert await _digests(app.database) == await _digests(service[0].database)


async def test_sigterm_stops_a_run_at_work_and_its_servers(tmp_path: Path) -> None:
    scenario = ("--subscribers", "12", "--days", "3000", "--home", str(tmp_path))
    process = await spawn("simulate", *scenario, env=environment())
    assert process.stdout is not None
    async with asyncio.timeout(100):
        while b"2026-01-31" not in await process.stdout.readline():
            continue
        process.terminate()
        output = await process.stdout.read()
    assert (await process.wait(), output.decode().split("\n")[-2:]) == (
        EXIT_USAGE,
        ["stopped; the same command goes on from here", ""],
    )
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


async def _killed(database_url: str, redis_url: str, days: int, looks: int) -> int:
    scenario = (SMALL.subscribers, SMALL.seed, days, looks)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.simulation.killed",
        database_url,
        redis_url,
        *map(str, scenario),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def _digests(database: Database) -> list[str]:
    return [row["digest"] for row in await database.fetch("select digest from simulation.day order by day")]


async def test_another_scenario_does_not_go_on_with_this_one(
    simulation: Simulation, service: tuple[App, ManualClock]
) -> None:
    other = Simulation(*service, Scenario(SMALL.subscribers, SMALL.seed + 1))
    with pytest.raises(OtherRunError, match=r"--subscribers 12 --seed 7"):
        await other.prepare()


async def test_a_run_that_is_over_can_be_prolonged(simulation: Simulation, service: tuple[App, ManualClock]) -> None:
    await simulation.run(1)
    again = Simulation(*service, SMALL)
    assert (await again.prepare()).day == 1
    await again.run(2)
    assert len(await _digests(service[0].database)) == 2
