"""What the simulation reads of the world before people decide."""

from __future__ import annotations

from datetime import timedelta

from telco.app import App
from telco.kernel.clock import ManualClock
from telco.simulation import store
from telco.simulation.engine import Simulation


async def test_a_number_that_stops_at_this_moment_is_nobodys(
    simulation: Simulation, service: tuple[App, ManualClock]
) -> None:
    """The service takes nothing for it any more: a company that named it in a register would be refused."""
    app, clock = service
    await simulation.run(4)
    now = clock.now()
    await app.database.fetch("update subscribers.subscription set stop_at = $1 where state = 'active'", now)
    at, before = await store.seats(app.database, now), await store.seats(app.database, now - timedelta(seconds=1))
    assert {seat.live for seats in at.values() for seat in seats} == {False}
    assert {seat.live for seats in before.values() for seat in seats} == {True}
