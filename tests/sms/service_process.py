"""A service in a process of its own, for the tests that kill it: ``python -m tests.sms.service_process URL PORT``."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import uvloop

from telco.db.pool import Database
from telco.kernel.clock import SystemClock
from telco.kernel.log import configure
from tests.sms.transport import service_on, settings


async def main(url: str, port: int) -> None:
    """Serve until SIGTERM."""
    configure()  # logs go to standard error: the test reads the output
    database = await Database.connect(url)
    service = service_on(database, SystemClock(), settings(port, max_batch=20))
    await service.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await service.bound()
    print(json.dumps("bound"), flush=True)  # noqa: T201  (the test waits for this line)
    await stopping.wait()
    await service.stop()
    await database.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
