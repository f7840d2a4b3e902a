"""``telco simulate``: run a scenario, show how far it is, and report."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Final, TextIO

import uvloop

from telco.kernel import log, memory
from telco.simulation import report
from telco.simulation.engine import DayDone, OtherRunError, Simulation, day_of
from telco.simulation.home import Home, HomeInUseError, opened
from telco.simulation.model import Scenario

EXIT_OK: Final = 0
EXIT_FINDINGS: Final = 1
EXIT_USAGE: Final = 2
_BAR: Final = 30


def run(*, scenario: Scenario, days: int, directory: Path, fresh: bool) -> int:
    """Run a scenario up to its day number `days`, going on with a run that was stopped, and return the exit status."""
    log.configure(log.LogFormat.CONSOLE, "error")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Home(directory)
    try:
        with home.locked():
            if fresh:
                home.clear()
            with (
                home.servers() as (database_url, redis_url),
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop,
            ):
                return loop.run(_run(scenario, days, database_url, redis_url, home.directory))
    except OtherRunError as other:
        print(f"telco simulate: {directory} holds a run with {other}; add --fresh to throw it away", file=sys.stderr)
    except HomeInUseError as error:
        print(f"telco simulate: {error}", file=sys.stderr)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nstopped; the same command goes on from here", file=sys.stderr)
    return EXIT_USAGE


async def _run(scenario: Scenario, days: int, database_url: str, redis_url: str, directory: Path) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # an exception could end any other task
    async with opened(database_url, redis_url) as (app, clock):
        memory.settle()
        progress = ProgressBar(days, sys.stdout)
        simulation = Simulation(app, clock, scenario, progress.tell)
        begun = await simulation.prepare()
        progress.begin(begun.day)
        findings = await simulation.run(days)
        progress.end()
        year = await report.read(app.database, scenario, findings)
        report.write(year, directory, sys.stdout)
        return EXIT_FINDINGS if findings else EXIT_OK


class ProgressBar:
    """One line that is written over, on a terminal; a line a month elsewhere."""

    def __init__(self, days: int, stream: TextIO) -> None:
        self._days = days
        self._stream = stream
        self._inline = stream.isatty()
        self._began = time.monotonic()
        self._first = 0

    def begin(self, day: int) -> None:
        """Start the watch at a day."""
        self._began, self._first = time.monotonic(), day
        if day:
            print(f"going on from {day_of(day)}", file=self._stream)

    def tell(self, done: DayDone) -> None:
        """Show a day that is done."""
        for finding in done.findings:
            print(f"\n{finding}", file=self._stream)
        over = done.number + 1
        if not self._inline and day_of(over).day != 1 and over != self._days:
            return
        spent = time.monotonic() - self._began
        left = spent / (over - self._first) * (self._days - over)
        bar = "█" * (_BAR * over // self._days)
        line = (
            f"{day_of(done.number)} [{bar:░<{_BAR}}] {over}/{self._days} days, {done.figures['numbers']} numbers, "
            f"{spent:.0f} s, {left:.0f} s left"
        )
        print(f"\r{line}" if self._inline else line, end="" if self._inline else "\n", file=self._stream, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._inline:
            print(file=self._stream)
