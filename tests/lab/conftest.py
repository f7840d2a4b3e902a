"""A lab whose service is out of reach: the phones, their page, and what they say when nobody answers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn
from telco.lab.cards import CardTray, DemoCard
from telco.lab.feed import Feed
from telco.lab.network import Network
from telco.lab.service import Key, ServiceClient
from telco.lab.smsc import Smsc
from telco.lab.web import LabServer, create_app

AIGERIM = Msisdn("77010000001")
DMITRY = Msisdn("77750000002")


@pytest.fixture
def closed_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def network(clock: ManualClock, closed_port: int) -> AsyncIterator[Network]:
    """Two phones on a network whose message centre has no link and whose charging service is not there."""
    smsc = Smsc(clock, {"telco": "telco"})
    await smsc.start()
    keys = {Key.NETWORK: "none", Key.STAFF: "none"}
    async with ServiceClient(f"http://127.0.0.1:{closed_port}", keys) as service:
        network = Network(smsc, service, clock, Feed(), instant=True)
        smsc.attach(network)
        network.attach(AIGERIM, owner="Айгерім", brand="kcell", language=Language.KK)
        network.attach(DMITRY, owner="Дмитрий", brand="activ", language=Language.RU)
        yield network
        await network.stop()
    await smsc.stop()


@pytest.fixture
async def page(network: Network) -> AsyncIterator[str]:
    """The address of the handset page."""
    cards = CardTray(network.feed, [DemoCard("000001000000", "12345678901234", "1000.00")])
    server = LabServer(create_app(network, cards, {"metrics": "http://127.0.0.1/metrics"}), "127.0.0.1", 0)
    yield await server.start()
    await server.stop()


@pytest.fixture
async def browserless(page: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the page's API that sends what a browser sends."""
    async with aiohttp.ClientSession(page, headers={"Content-Type": "application/json"}) as session:
        yield session
