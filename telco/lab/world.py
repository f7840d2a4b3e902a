"""The demo's world: embedded servers, the service, the simulated network and the page, started and stopped in order.

Service and lab run in one process: one Ctrl-C reaches both, nothing is left behind when it is killed, and the lab still
talks to the service over sockets only. What a production start does is `telco serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import structlog
from pydantic import SecretStr

from telco import settings as configuration
from telco.app import App
from telco.billing.documents.requisites import Requisites
from telco.catalog.service import CatalogService
from telco.db.migrations import migrate
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import SystemClock
from telco.lab import people
from telco.lab.cards import CardTray
from telco.lab.einvoice import EInvoiceLab
from telco.lab.feed import Feed
from telco.lab.home import Home
from telco.lab.network import Network
from telco.lab.people import CATALOGUE, Beginning
from telco.lab.service import Key, ServiceClient
from telco.lab.smsc import Smsc
from telco.lab.terminal import Terminal
from telco.lab.web import LabServer, create_app
from telco.settings import Mode, Settings
from telco.sms.smpp.link import LinkSettings
from telco.web.staff import PrincipalExistsError, Role, create_key, create_principal

SYSTEM_ID: Final = "telco"
SMPP_PASSWORD: Final = "telco"  # noqa: S105  (between two ends of one process)
EINVOICE_LOGIN: Final = "demo"
EINVOICE_PASSWORD: Final = "demo"  # noqa: S105  (of the lab's own system)
DATABASE: Final = "telco"
BIND_TIMEOUT_S: Final = 15.0
STOP_TIMEOUTS_S: Final = {"network": 1.0, "page": 0.5, "service": 2.0, "message centre": 0.5, "e-invoice system": 0.2}
"""For each part in turn; what has not stopped by then ends with the process. With the servers, below 5 s."""
_ROLES: Final = {
    Key.NETWORK: (Role.NETWORK,),
    Key.STAFF: (Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN),
}
_CALLERS: Final = {Key.NETWORK: "lab network", Key.STAFF: "lab staff"}

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs, for the story."""

    network: Network
    service: ServiceClient
    cards: CardTray
    home: Home
    beginning: Beginning
    page_url: str
    service_url: str
    first_time: bool


def settings_for(home: Home, database_url: str, redis_url: str, smsc_port: int, einvoice_url: str) -> Settings:
    """Return the demo's settings: what the environment says, on the demo's own servers and secrets."""
    link = LinkSettings(
        name="lab", port=smsc_port, system_id=SYSTEM_ID, password=SecretStr(SMPP_PASSWORD), backoff_max_s=2.0
    )
    return configuration.load(
        mode=Mode.DEMO,
        database={"url": database_url},
        redis={"url": redis_url},
        staff={"pepper": home.secret("staff_pepper")},
        cards={"pepper": home.secret("cards_pepper")},
        sms={"links": (link,)},
        einvoice={
            "url": f"{einvoice_url}ws",
            "signer_url": f"{einvoice_url}sign",
            "tin": people.requisites().bin,
            "login": EINVOICE_LOGIN,
            "password": EINVOICE_PASSWORD,
        },
    )


@contextlib.asynccontextmanager
async def running(home: Home, beginning: Beginning, terminal: Terminal, page_port: int) -> AsyncIterator[World]:
    """Start everything, say so step by step, and stop it all in the end, in the opposite order.

    Raises:
        DomainError, PortInUseError: something cannot start; the message says what to do.
    """
    first_time = home.fresh
    async with contextlib.AsyncExitStack() as stack:
        home.recall()
        with terminal.progress("PostgreSQL"):
            await _started(stack, home.postgres.start, home.postgres.stop)
        with terminal.progress("Redis"):
            redis_url = await _started(stack, home.redis.start, home.redis.stop)
        with terminal.progress("Database schema") as detail:
            await _create_database(home)
            database_url = home.postgres.url(DATABASE)
            detail.text = f"{len(await migrate(database_url))} migrations applied"
        smsc = Smsc(SystemClock(), {SYSTEM_ID: SMPP_PASSWORD})
        await smsc.start()
        stack.push_async_callback(_patiently, "message centre", smsc.stop)
        with terminal.progress("The state's e-invoice system") as detail:
            einvoice_url = detail.text = await _einvoice_system(stack, home)
        settings = settings_for(home, database_url, redis_url, smsc.port, einvoice_url)
        with terminal.progress("Catalogue of the demo operator") as detail:
            detail.text = await _prepare(home, settings)
        with terminal.progress("Service") as detail:
            service_url = await _serve(stack, settings)
            detail.text = service_url
        service = await stack.enter_async_context(
            ServiceClient(service_url, {role: home.key(caller) or "" for role, caller in _CALLERS.items()})
        )
        feed = Feed()
        network = Network(smsc, service, SystemClock(), feed)
        smsc.attach(network)
        stack.push_async_callback(_patiently, "network", network.stop)
        tray = CardTray(feed, home.cards)

        def card_used(serials: Iterable[str]) -> None:
            tray.mark_used(serials)
            home.keep_cards(tray.cards)

        network.accounts.card_used = card_used
        with terminal.progress("Simulated network") as detail:
            async with asyncio.timeout(BIND_TIMEOUT_S):
                await smsc.bound()
            detail.text = f"SMPP on port {smsc.port}, bound"
        with terminal.progress("Handset page") as detail:
            links = {
                "apiDocs": f"{service_url}/docs",
                "metrics": f"{service_url}/metrics",
                "health": f"{service_url}/ready",
            }
            page = LabServer(create_app(network, tray, links), "127.0.0.1", page_port)
            page_url = detail.text = await page.start()
            stack.push_async_callback(_patiently, "page", page.stop)
        try:
            yield World(network, service, tray, home, beginning, page_url, service_url, first_time)
        finally:
            terminal.line()
            terminal.note("Stopping ...")


async def _started(stack: contextlib.AsyncExitStack, start: Callable[[], T], stop: Callable[[], None]) -> T:
    """Start a server in a thread; one whose start was interrupted is still stopped."""
    stack.push_async_callback(asyncio.to_thread, stop)
    starting = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        raise


async def _einvoice_system(stack: contextlib.AsyncExitStack, home: Home) -> str:
    """Start the simulated system on a free port and return its address."""
    lab = EInvoiceLab(
        SystemClock(),
        Calendar(),
        tin=people.requisites().bin,
        login=EINVOICE_LOGIN,
        password=EINVOICE_PASSWORD,
        journal=home.einvoices,
    )
    server = LabServer(lab.app(), "127.0.0.1", 0)
    stack.push_async_callback(_patiently, "e-invoice system", server.stop)
    return await server.start()


async def _set_requisites(database: Database, clock: SystemClock) -> None:
    """Put the demo operator's requisites in force, if nobody has set any."""
    calendar = Calendar()
    requisites = Requisites(database, clock, calendar)
    if not await requisites.all():
        await requisites.set(people.requisites(), calendar.today(clock.now()), actor="demo")


async def _create_database(home: Home) -> None:
    database = await Database.connect(home.postgres.url())
    try:
        if await database.fetchval("select 1 from pg_database where datname = $1", DATABASE) is None:
            async with database.acquire() as connection:
                await connection.execute(f"create database {DATABASE}")
    finally:
        await database.close()


async def _prepare(home: Home, settings: Settings) -> str:
    """Publish the demo operator's catalogue and make the lab's API keys, as the command line does it."""
    assert settings.database.url is not None
    assert settings.staff.pepper is not None
    pepper, clock = settings.staff.pepper.get_secret_value(), SystemClock()
    database = await Database.connect(settings.database.url.get_secret_value())
    try:
        done = await CatalogService(database, clock).publish_directory(CATALOGUE, author="demo")
        await _set_requisites(database, clock)
        for role, caller in _CALLERS.items():
            if home.key(caller) is None:
                home.keep_key(caller, await _make_key(database, caller, _ROLES[role], pepper, clock))
    finally:
        await database.close()
    return f"{len(done.added)} new entries, {done.unchanged} as before"


async def _make_key(database: Database, caller: str, roles: tuple[Role, ...], pepper: str, clock: SystemClock) -> str:
    async def new(conn: Connection) -> str:
        return await create_principal(conn, caller, roles, pepper=pepper, now=clock.now())

    async def another(conn: Connection) -> str:
        return await create_key(conn, caller, pepper=pepper, now=clock.now())

    try:
        return await database.transact("demo.key", new)
    except PrincipalExistsError:
        return await database.transact("demo.key", another)


async def _serve(stack: contextlib.AsyncExitStack, settings: Settings) -> str:
    """Start the service and return its address."""
    app = App(settings)
    stack.push_async_callback(_patiently, "service", app.stop)
    return (await app.start()).url


async def _patiently(part: str, stop: Callable[[], Awaitable[None]]) -> None:
    """Stop a part; one that does not end in time, or fails, does not keep the others from stopping."""
    try:
        async with asyncio.timeout(STOP_TIMEOUTS_S[part]):
            await stop()
    except TimeoutError:
        log.warning("lab_stop_timed_out", part=part)
    except Exception:
        log.exception("lab_stop_failed", part=part)


def page_port_of(text: str) -> int:
    """Read the page's port.

    Raises:
        SettingsError: not a port.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise configuration.SettingsError(why=f"TELCO_LAB_PORT is a port number, not {text[:20]}")
    return int(text)


def home_of(text: str) -> Home:
    """Return the demo's directory; an empty text names none, as an empty variable of the shell does."""
    return Home(Path(text or ".telco").expanduser())
