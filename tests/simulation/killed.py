"""A run in a process of its own that is killed by SIGKILL at its n-th look at the clock, whatever it is doing.

``python -m tests.simulation.killed DATABASE_URL REDIS_URL SUBSCRIBERS SEED DAYS LOOKS``
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import datetime

from telco.app import App
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.simulation.engine import Simulation, end_others
from telco.simulation.home import settings_for
from telco.simulation.model import START, Scenario


class Fuse(ManualClock):
    """A clock that kills who looks at it once too often."""

    def __init__(self, start: datetime, looks: int) -> None:
        super().__init__(start)
        self._looks = looks

    def now(self) -> datetime:
        self._looks -= 1
        if self._looks == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().now()


async def main(database_url: str, redis_url: str, subscribers: int, seed: int, days: int, looks: int) -> None:
    await end_others(database_url)
    clock = Fuse(Calendar().start_of_day(START), looks)
    app = App(settings_for(database_url, redis_url), clock)
    await app.open()
    simulation = Simulation(app, clock, Scenario(subscribers, seed))
    await simulation.prepare()
    await simulation.run(days)
    await app.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
