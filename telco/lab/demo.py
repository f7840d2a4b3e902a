"""``telco demo``: the whole of telco on one machine, with a story on the terminal and three phones on a page."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Final

import asyncpg
import uvloop

from telco import settings as configuration
from telco.db.migrations import MigrationError
from telco.kernel import log
from telco.kernel.errors import DomainError
from telco.kernel.log import LogFormat
from telco.lab import people, story
from telco.lab.home import Home, HomeInUseError
from telco.lab.terminal import Terminal
from telco.lab.web import PortInUseError
from telco.lab.world import home_of, page_port_of, running

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

play = story.play


def run(*, fresh: bool = False, once: bool = False) -> int:
    """Run the demo until Ctrl-C and return the exit status of the process.

    Args:
        fresh: forget what earlier runs left.
        once: play the story and stop.
    """
    terminal = Terminal(sys.stdout)
    # The demo's own variables: the service's settings refuse names that they do not know.
    home = home_of(os.environ.pop("TELCO_HOME", ""))
    port = os.environ.pop("TELCO_LAB_PORT", "8081")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the loop takes over
    try:
        page_port = page_port_of(port)
        configuration.load()
        with home.locked():
            if fresh:
                home.clear()
            with home.log.open("a", encoding="utf-8") as journal:
                log.configure(LogFormat.JSON, "info", journal)
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    return runner.run(_run(home, terminal, page_port, once=once))
    except MigrationError as error:
        terminal.error(f"telco demo: {error} Data of another version? telco demo --fresh starts over.")
        return EXIT_USAGE
    except asyncpg.InsufficientResourcesError as error:  # no space on the disk, most of all
        terminal.error(f"telco demo: PostgreSQL cannot go on: {error}")
        return EXIT_USAGE
    except (HomeInUseError, PortInUseError, DomainError, OSError) as error:
        terminal.error(f"telco demo: {error}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_OK


async def _run(home: Home, terminal: Terminal, page_port: int, *, once: bool) -> int:
    """Start, play, stay. A signal at any moment leads to an orderly stop; further ones change nothing."""
    main = asyncio.current_task()
    assert main is not None
    interrupted = asyncio.Event()

    def interrupt() -> None:
        if not interrupted.is_set():
            interrupted.set()
            main.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    terminal.title("telco: a mobile operator's first day")
    try:
        async with running(home, people.load(), terminal, page_port) as world:
            told = await story.play(world, terminal)
            _addresses(terminal, world.page_url, world.service_url, home)
            if once:
                return EXIT_OK if told else EXIT_FAILED
            terminal.line()
            terminal.note("Everything stays up. Ctrl-C stops it; the data are kept for the next run.")
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not interrupted.is_set():
            raise
    return EXIT_OK


def _addresses(terminal: Terminal, page_url: str, service_url: str, home: Home) -> None:
    terminal.title("Look around")
    terminal.link("Three phones", page_url)
    terminal.link("API documentation", f"{service_url}/docs")
    terminal.link("Metrics", f"{service_url}/metrics")
    terminal.link("Health", f"{service_url}/ready")
    terminal.link("API keys", str(home.file))
    terminal.link("Log", str(home.log))
