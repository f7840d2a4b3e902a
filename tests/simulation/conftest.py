"""Short runs of the simulation, on a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from telco.app import App
from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Connection
from telco.kernel.clock import ManualClock
from telco.simulation.engine import Simulation
from telco.simulation.home import opened
from telco.simulation.model import Finding, Scenario
from telco.simulation.oracle import auditor
from tests.databases import cloned

SMALL = Scenario(subscribers=12, seed=7)


@pytest.fixture
async def service(database_url: str, redis_url: str) -> AsyncIterator[tuple[App, ManualClock]]:
    """The service as the simulation opens it, with the clock at the first day."""
    async with opened(database_url, redis_url) as service:
        yield service


@pytest.fixture
async def simulation(service: tuple[App, ManualClock]) -> Simulation:
    """The small scenario, ready to run."""
    simulation = Simulation(*service, SMALL)
    await simulation.prepare()
    return simulation


@pytest.fixture
async def other_database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a second database, for a run to compare with."""
    async with cloned(postgres) as url:
        yield url


class _RolledBackError(Exception):
    """Ends a transaction whose work is not wanted."""


async def checks_that_speak(app: App, clock: ManualClock, day: date, statements: str) -> set[str]:
    """Break something in a transaction that is rolled back, and return which of the oracle's checks find anything."""
    findings: list[Finding] = []

    async def body(connection: Connection) -> None:
        await connection.execute(statements.format(today=f"date '{day}'"))
        await auditor.begin_day(connection, day, clock.now() + timedelta(seconds=1), app.catalog.current())
        findings.extend((await auditor.audit_operations(connection, day)).findings)
        state, _ = await auditor.audit_state(connection, day)
        findings.extend(state.findings)
        raise _RolledBackError

    with pytest.raises(_RolledBackError):
        await app.database.transact("test.break", body)
    return {finding.check for finding in findings}
