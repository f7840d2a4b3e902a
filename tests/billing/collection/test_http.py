"""Collection as staff see it: on a socket, with the whole service behind."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import aiohttp
import pytest

from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.subscribers.model import Subscriber
from telco.web.staff import Role
from tests.billing.collection.conftest import Office
from tests.web.conftest import Service, redis_client, service
from tests.world import World

__all__ = ["redis_client", "service"]


@dataclass
class Desk:
    """Staff at the API, a debtor whose notice was given on 6 May, and the days as they go by."""

    service: Service
    client: aiohttp.ClientSession
    office: Office
    debtor: Subscriber

    async def call(self, role: Role, method: str, path: str, key: str = "key", **more: Any) -> tuple[int, Any]:
        headers = {
            "Authorization": f"Bearer {self.service.keys[role]}",
            "X-Ground": "test",
            "Idempotency-Key": key,
        }
        async with self.client.request(method, self.service.url + path, headers=headers, **more) as response:
            body = await response.read()
            return response.status, await response.json(content_type=None) if body else None

    async def debt_id(self) -> int:
        status, body = await self.call(Role.CLERK, "GET", f"/v1/subscribers/{self.debtor.msisdn}/debts")
        assert status == 200
        found: int = body["debts"][-1]["debt_id"]
        return found


@pytest.fixture
async def desk(service: Service, database: Database, clock: ManualClock, calendar: Calendar) -> AsyncIterator[Desk]:
    world = World(database, clock, calendar)
    await world.catalog.refresh()
    world._serials = itertools.count(500)
    office = Office(world)
    debtor = await office.debtor()
    await office.daily(date(2026, 5, 6))
    async with aiohttp.ClientSession() as client:
        yield Desk(service, client, office, debtor)
    await world.close()


@pytest.mark.clause("PSC-3.1.4-1")
async def test_an_objection_is_registered_and_decided(desk: Desk) -> None:
    debt_id = await desk.debt_id()
    path = f"/v1/collection/debts/{debt_id}/objections"
    said = {"body": "the calls are not mine", "channel": "office"}
    first = await desk.call(Role.CLERK, "POST", path, json=said)
    assert (first[0], first[1]["in_time"], first[1]["author"]) == (201, True, "staff:clerk")
    assert await desk.call(Role.CLERK, "POST", path, json=said) == first
    _, details = await desk.call(Role.CLERK, "GET", f"/v1/collection/debts/{debt_id}")
    assert [(step["step"], step["due_on"]) for step in details["ahead"]] == [
        ("suspend", "2026-05-12"),  # due on 2 May; the 7th, 9th and 11th are off, so 4, 5, 6, 8 and 12 are working days
        ("remind_suspended", "2026-06-01"),
        ("hand_over", "2026-07-01"),
    ]
    status, problem = await desk.call(Role.CLERK, "POST", path, "another", json=said)
    assert (status, problem["code"]) == (409, "objection_open")
    status, waiting = await desk.call(Role.AUDITOR, "GET", "/v1/collection/objections")
    assert [objection["debt_id"] for objection in waiting["objections"]] == [debt_id]
    decision = f"/v1/collection/objections/{first[1]['objection_id']}/decision"
    answer = {"upheld": True, "decision": "a stolen SIM"}
    assert (await desk.call(Role.CLERK, "POST", decision, json=answer))[0] == 403
    assert (await desk.call(Role.SUPERVISOR, "POST", decision, json=answer))[1]["upheld"] is True
    status, problem = await desk.call(Role.SUPERVISOR, "POST", decision, "again", json=answer)
    assert (status, problem["code"]) == (409, "objection_decided")
    _, details = await desk.call(Role.CLERK, "GET", f"/v1/collection/debts/{debt_id}")
    assert (details["debt"]["state"], details["open"], details["ahead"]) == ("withdrawn", "0.00", [])
    assert [step["step"] for step in details["steps"]] == ["remind_before", "remind_after", "notice"]


@pytest.mark.clause("PSC-3.1.4-1")
async def test_an_objection_names_the_invoice(desk: Desk) -> None:
    """A clerk has the invoice in his hand, not the debt."""
    _, debts = await desk.call(Role.CLERK, "GET", f"/v1/subscribers/{desk.debtor.msisdn}/debts")
    debt = debts["debts"][-1]
    _, invoice = await desk.call(Role.CLERK, "GET", f"/v1/invoice-numbers/{debt['number']}")
    path = f"/v1/invoices/{invoice['invoice']['invoice_id']}/objections"
    said = {"body": "the calls are not mine", "channel": "office"}
    status, objection = await desk.call(Role.CLERK, "POST", path, json=said)
    assert (status, objection["debt_id"]) == (201, debt["debt_id"])
    assert (await desk.call(Role.CASHIER, "POST", path, "b", json=said))[0] == 403
    status, problem = await desk.call(Role.CLERK, "POST", "/v1/invoices/1000000/objections", "c", json=said)
    assert (status, problem["code"]) == (404, "invoice_unknown")


@pytest.mark.clause("PSC-3.1.4")
async def test_the_lists_of_a_day(desk: Desk) -> None:
    await desk.office.daily(date(2026, 7, 1))
    status, days = await desk.call(Role.ACCOUNTANT, "GET", "/v1/collection/handovers?since=2026-01-01")
    assert (status, days["days"]) == (200, [{"day": "2026-07-01", "debts": 2, "withdrawn": 0}])  # one is the example
    status, made = await desk.call(Role.ACCOUNTANT, "GET", "/v1/collection/handovers/2026-07-01")
    assert (status, made["rows"], made["file_name"]) == (200, 2, "handover-2026-07-01.csv")
    assert "8990.00" in made["content"]
    for name in ("withdrawals", "letters"):
        status, made = await desk.call(Role.AUDITOR, "GET", f"/v1/collection/{name}/2026-07-01")
        assert (status, made["rows"]) == (200, 0)
    assert (await desk.call(Role.CLERK, "GET", "/v1/collection/handovers/2026-07-01"))[0] == 403


@pytest.mark.clause("PSC-6.3.5")
async def test_a_number_whose_contract_has_ended_still_tells_what_is_owed(desk: Desk) -> None:
    """Suspended on 12 May, ended on 13 July; nobody has the number yet."""
    number, before = desk.debtor.msisdn, await desk.debt_id()
    await desk.office.daily(date(2026, 7, 13))
    assert (await desk.call(Role.CLERK, "PUT", f"/v1/subscribers/{number}/language", json={"language": "kk"}))[0] == 404
    status, debts = await desk.call(Role.CLERK, "GET", f"/v1/subscribers/{number}/debts")
    assert (status, debts["debts"][-1]["debt_id"]) == (200, before)
    status, invoices = await desk.call(Role.CLERK, "GET", f"/v1/subscribers/{number}/invoices")
    assert (status, debts["debts"][-1]["number"]) == (200, invoices["invoices"][-1]["number"])
    assert await desk.call(Role.CLERK, "GET", f"/v1/subscribers/{number}/device-agreements") == (
        200,
        {"agreements": []},
    )
    assert (await desk.call(Role.CLERK, "GET", "/v1/subscribers/77770000000/debts"))[0] == 404


async def test_steps_and_figures_are_set_for_coming_days(desk: Desk) -> None:
    step = {
        "valid_from": "2026-06-01",
        "action": "remind",
        "offset_days": 7,
        "unit": "cd",
        "channel": "letter",
    }
    path = "/v1/collection/steps/remind_again"
    assert (await desk.call(Role.SUPERVISOR, "PUT", path, json=step))[0] == 403
    status, made = await desk.call(Role.ADMIN, "PUT", path, json=step)
    assert (status, made["set_by"], made["enabled"]) == (200, "staff:admin", True)
    status, problem = await desk.call(Role.ADMIN, "PUT", path, json=step | {"valid_from": "2026-05-06"})
    assert (status, problem["code"]) == (422, "dunning_step")
    figure = {"valid_from": "2026-06-01", "value": 7}
    assert (await desk.call(Role.ADMIN, "PUT", "/v1/collection/figures/acknowledgment_wd", json=figure))[0] == 204
    status, problem = await desk.call(Role.ADMIN, "PUT", "/v1/collection/figures/nothing", json=figure)
    assert (status, problem["code"]) == (422, "collection_term")
    _, ladder = await desk.call(Role.CLERK, "GET", "/v1/collection/steps")
    assert "remind_again" in [step["code"] for step in ladder["steps"]]
    assert ladder["figures"]["acknowledgment_wd"] == 5
