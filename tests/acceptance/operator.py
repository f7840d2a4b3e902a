"""An operator for acceptance tests: `telco serve` as a process of its own, and a simulated network in front of it.

Only public faces are used: the command line, HTTP with API keys, SMPP from the lab's message centre.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from telco.kernel.clock import SystemClock
from telco.kernel.i18n import Language
from telco.kernel.iin_bin import check_digit
from telco.kernel.money import format_money, tenge
from telco.kernel.msisdn import Msisdn
from telco.lab.cards import DemoCard
from telco.lab.feed import Feed
from telco.lab.network import Network
from telco.lab.people import CATALOGUE, load
from telco.lab.service import Key, ServiceClient
from telco.lab.smsc import Smsc
from telco.lab.user import User
from telco.sms.smpp.link import LinkSettings

ROOT = Path(__file__).parents[2]
PEPPER = "a pepper that only tests know, 32+"
START_S = 60
STOP_S = 30
STAFF_ROLES = ("clerk", "cashier", "accountant", "supervisor", "auditor", "admin")


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without any setting of telco, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TELCO_")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


async def telco(*arguments: str, env: dict[str, str], timeout_s: float = START_S) -> tuple[int, str]:
    """Run a command to its end; return its status and everything that it wrote."""
    process = await spawn(*arguments, env=env)
    async with asyncio.timeout(timeout_s):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def spawn(
    *arguments: str, env: dict[str, str], output: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    """Start the command line in a process of its own; its error stream joins its output."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "telco.cli",
        *arguments,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=asyncio.subprocess.STDOUT,
    )


class Serving:
    """A running `telco serve`."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self.log: list[str] = []

    async def start(self) -> None:
        """Start it and wait until it says that it serves."""
        self._started.clear()
        self._process = await spawn("serve", env=self._env)
        self._reader = asyncio.create_task(self._read(self._process))
        async with asyncio.timeout(START_S):
            await self._started.wait()
        assert self._process.returncode is None, "\n".join(self.log[-20:])

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.log.append(line.decode().rstrip())
            if '"service_started"' in self.log[-1]:
                self._started.set()
        await process.wait()
        self._started.set()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.returncode is None:
            process.send_signal(number)
        async with asyncio.timeout(STOP_S):
            status = await process.wait()
        assert self._reader is not None
        await self._reader
        return status

    def errors(self) -> list[dict[str, Any]]:
        """Return the log's error lines."""
        lines = (json.loads(line) for line in self.log if line.startswith("{"))
        return [line for line in lines if line["level"] in ("error", "critical")]


class Operator:
    """A service with a network, and everything that a test needs to make subscribers of it."""

    def __init__(self, serving: Serving, smsc: Smsc, network: Network, service: ServiceClient, redis_url: str) -> None:
        self.serving = serving
        self.smsc = smsc
        self.network = network
        self.service = service
        self.redis_url = redis_url
        self._serials = itertools.count(1)

    async def new_user(
        self, plan: str = "activ-simple", language: Language = Language.RU, *, balance: str | None = None
    ) -> User:
        """Accede somebody by registration sheet, and top up by payment card when a balance is asked for."""
        serial = next(self._serials)
        brand = plan.partition("-")[0]
        number = Msisdn(f"{7701 if brand == 'kcell' else 7775}{serial:07d}")
        await self.service.command("/v1/numbers", {"msisdns": [number]})
        await self.service.command("/v1/sims", {"iccid": _iccid(serial), "imsi": f"40102{serial:010d}", "kind": "sim"})
        await self.service.command("/v1/accessions", sheet(serial, number, plan, language))
        self.network.attach(number, owner=f"user {serial}", brand=brand, language=language)
        user = User(self.network, number)
        await user.receive(containing=f"+{number}")  # the welcome
        if balance is not None:
            page = await user.dial(f"*111*4*{await self.new_card(balance)}#")
            assert page.reason is None
            user.put_away()
            await user.receive(containing=format_money(tenge(balance), language))  # the notice of the card
        return user

    async def new_card(self, value: str) -> str:
        """Have a payment card printed and return its secret code."""
        return (await self.print_card(value)).code

    async def print_card(self, value: str) -> DemoCard:
        """Have a payment card printed."""
        batch = await self.service.command(
            "/v1/card-batches",
            {
                "reference": f"test-{next(self._serials)}",
                "face_value": value,
                "count": 1,
                "expires_on": f"{SystemClock().now().year + 2}-12-31",
            },
        )
        card = batch["cards"][0]
        return DemoCard(card["serial"], card["code"], value)

    async def ready(self) -> dict[str, Any]:
        """Return what /ready says."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.service.base_url}/ready") as response:
            answer: dict[str, Any] = await response.json()
            return {"http_status": response.status, **answer}


def sheet(serial: int, number: str, plan: str, language: Language) -> dict[str, Any]:
    """Return the registration sheet of the person with this serial."""
    return {
        "sheet_number": f"test-{serial}",
        "party": {
            "kind": "person",
            "iin_bin": _iin(serial),
            "full_name": f"Сынақ Абонент {serial}",
            "postal_address": "Алматы, Абай даңғылы 1",
            "email": f"user{serial}@example.kz",
            "contact_phone": f"+{number}",
        },
        "plan": plan,
        "language": language,
        "msisdn": number,
        "iccid": _iccid(serial),
        "identity_document": f"ID {serial:09d}",
    }


def _iin(serial: int) -> str:
    """Return a valid IIN; people of different serials have different ones."""
    for eleven in (
        f"90{serial // 28 % 12 + 1:02d}{serial % 28 + 1:02d}3{serial % 1000:03d}{last}" for last in range(10)
    ):
        twelfth = check_digit(eleven)
        if twelfth is not None:
            return f"{eleven}{twelfth}"
    raise AssertionError(serial)


def _iccid(serial: int) -> str:
    payload = f"8999702{serial:011d}"
    doubled = (int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(payload)))
    return f"{payload}{-sum(value // 10 + value % 10 for value in doubled) % 10}"


def serve_environment(database_url: str, redis_url: str, smsc_port: int, http_port: int) -> dict[str, str]:
    """Return the settings of a production service, as an operator would give them."""
    link = LinkSettings(name="smsc-1", port=smsc_port, backoff_max_s=1.0).model_dump(mode="json")
    return environment(
        TELCO_DATABASE_URL=database_url,
        TELCO_REDIS_URL=redis_url,
        TELCO_STAFF_PEPPER=PEPPER,
        TELCO_CARDS_PEPPER=PEPPER,
        TELCO_HTTP_PORT=str(http_port),
        TELCO_SMS_LINKS=json.dumps([{**link, "password": SecretStr("telco").get_secret_value()}]),
    )


async def _make_keys(env: dict[str, str]) -> dict[Key, str]:
    """Make callers of the API by the command line."""

    async def add(name: str, roles: Sequence[str]) -> str:
        status, output = await telco(
            "staff", "add", name, *(part for role in roles for part in ("--role", role)), env=env
        )
        assert status == 0, output
        return output.strip().splitlines()[-1]

    network, staff = await asyncio.gather(add("network", ["network"]), add("staff", STAFF_ROLES))
    return {Key.NETWORK: network, Key.STAFF: staff}


@asynccontextmanager
async def operating(database_url: str, redis_url: str, http_port: int) -> AsyncIterator[Operator]:
    """Publish the demo operator's catalogue, start the service and the network, and stop both in the end."""
    smsc = Smsc(SystemClock(), {"telco": "telco"})
    await smsc.start()
    env = serve_environment(database_url, redis_url, smsc.port, http_port)
    (status, output), keys = await asyncio.gather(telco("catalog", "publish", str(CATALOGUE), env=env), _make_keys(env))
    assert status == 0, output
    serving = Serving(env)
    async with ServiceClient(f"http://127.0.0.1:{http_port}", keys) as service:
        network = Network(smsc, service, SystemClock(), Feed(), instant=True)
        smsc.attach(network)
        try:
            await serving.start()
            await smsc.bound()
            await service.command("/v1/editions", load().edition)
            yield Operator(serving, smsc, network, service, redis_url)
            assert serving.errors() == []
        finally:
            await network.stop()
            await serving.stop()
            await smsc.stop()
