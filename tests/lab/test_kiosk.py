"""What the lab's terminal imitates: one txn_id a payment until it is answered, a register of the day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from telco.kernel.clock import ManualClock
from telco.kernel.money import tenge
from telco.lab.kiosk import Kiosk

ANSWER = "<response><osmp_txn_id>{txn_id}</osmp_txn_id><prv_txn>7</prv_txn><result>{result}</result></response>"


class Provider:
    """A service that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.results: list[int | None] = []

    async def answer(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        result = self.results.pop(0) if self.results else 0
        if result is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(text=ANSWER.format(txn_id=query["txn_id"], result=result), content_type="text/xml")


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def kiosk(provider: Provider, clock: ManualClock) -> AsyncIterator[Kiosk]:
    app = web.Application()
    app.router.add_get("/terminal/v1/payments", provider.answer)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield Kiosk(session, clock, "k1-")


async def test_it_checks_and_pays_with_the_fields_of_the_protocol(kiosk: Kiosk, provider: Provider) -> None:
    await kiosk.check("77011234567", tenge(500))
    answer = await kiosk.pay("77011234567", tenge("500.5"))
    assert (answer.result, answer.prv_txn) == (0, "7")
    check, pay = provider.asked
    assert check["command"] == "check"
    assert pay == {
        "command": "pay",
        "txn_id": "k1-1",
        "account": "77011234567",
        "sum": "500.50",
        "txn_date": "20260302110000",  # Kazakhstan
    }


async def test_it_repeats_what_was_not_answered_with_the_same_txn_id(kiosk: Kiosk, provider: Provider) -> None:
    provider.results = [None, 1, 0]
    assert (await kiosk.pay("77011234567", tenge(500))).result == 0
    assert {asked["txn_id"] for asked in provider.asked} == {"k1-1"}
    await kiosk.pay("77011234567", tenge(500))
    assert provider.asked[-1]["txn_id"] == "k1-2"


async def test_its_register_has_what_was_paid(kiosk: Kiosk, provider: Provider) -> None:
    provider.results = [0, 5]
    await kiosk.pay("77011234567", tenge(500))
    await kiosk.pay("77019999999", tenge(700))
    assert kiosk.register_of(date(2026, 3, 2)) == (
        "txn_id;txn_date;account;sum\nk1-1;20260302110000;77011234567;500.00\n"
    )
    assert kiosk.register_of(date(2026, 3, 3)) == "txn_id;txn_date;account;sum\n"
