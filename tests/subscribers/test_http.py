"""The staff's API over a real socket: a morning in an office."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Translator
from telco.subscribers import http
from telco.web.api import Api
from telco.web.health import Health
from telco.web.server import create_app, start_server
from telco.web.staff import Role, create_principal
from tests.subscribers.conftest import Office, iccid, number, person

PEPPER = "pepper of the tests"
BASE = f"/v1/subscribers/{number(1)}"


@dataclass
class Desk:
    """An employee's program."""

    url: str
    client: aiohttp.ClientSession
    keys: dict[Role, str]

    async def call(
        self, method: str, path: str, body: Any = None, *, role: Role = Role.CLERK, ground: str = "", key: str = ""
    ) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {self.keys[role]}"}
        sent |= {"X-Ground": ground} if ground else {}
        sent |= {"Idempotency-Key": key} if key else {}
        async with self.client.request(method, self.url + path, json=body, headers=sent) as response:
            raw = await response.read()
            return response.status, await response.json(content_type=None) if raw else None


@pytest.fixture
async def desk(
    office: Office, database: Database, clock: ManualClock, translator: Translator, redis_url: str
) -> AsyncIterator[Desk]:
    async with database.acquire() as conn:
        keys = {role: await create_principal(conn, role.value, [role], pepper=PEPPER, now=clock.now()) for role in Role}
    api = Api()
    http.routes(api, office.subscribers)
    redis = Redis.from_url(redis_url)
    app = create_app(api, db=database, redis=redis, clock=clock, translator=translator, pepper=PEPPER, health=Health())
    server = await start_server(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as client:
        yield Desk(server.url, client, keys)
    await server.stop()
    await redis.aclose()


def sheet(**changes: Any) -> dict[str, Any]:
    who = person()
    return {
        "sheet_number": "RS-2026-000001",
        "party": {
            "kind": "person",
            "iin_bin": who.iin_bin,
            "full_name": who.full_name,
            "postal_address": who.postal_address,
            "email": who.email,
            "contact_phone": who.contact_phone,
        },
        "plan": "kcell-start",
        "language": "kk",
        "msisdn": number(1),
        "identity_document": "ID 012345678",
        "initial_payment": "10000.00",
        **changes,
    }


@pytest.mark.clause("PSC-2.3", "PSC-1.1.18")
async def test_a_sheet_is_registered_once(desk: Desk) -> None:
    status, made = await desk.call("POST", "/v1/accessions", sheet())
    assert (status, made["msisdn"], made["plan_state"], made["first_fee"]) == (
        201,
        number(1),
        "active",
        "2990.00",
    )
    status, again = await desk.call("POST", "/v1/accessions", sheet())
    assert (status, again["subscriber_id"], again["replayed"]) == (200, made["subscriber_id"], True)
    status, problem = await desk.call("POST", "/v1/accessions", sheet(plan="kcell-free"))
    assert (status, problem["code"]) == (409, "sheet_differs")


async def test_wrong_sheets_are_refused_with_the_reason(desk: Desk) -> None:
    wrong = sheet()
    wrong["party"]["iin_bin"] = "900101300011"
    for body, status, code in [
        (wrong, 422, "iin_bin_invalid"),
        (sheet(plan="kcell-business"), 422, "plan_unfit"),
        (sheet(msisdn=number(999)), 409, "number_not_free"),
        (sheet(iccid=iccid(999)), 409, "sim_not_in_stock"),
    ]:
        assert [(answer := await desk.call("POST", "/v1/accessions", body))[0], answer[1]["code"]] == [status, code]


@pytest.mark.clause("PSC-3.2.7")
async def test_what_a_sheet_needs_is_required_by_its_schema(desk: Desk) -> None:
    schemas = (await desk.call("GET", "/openapi.json"))[1]["components"]["schemas"]
    needed = {"kind", "iin_bin", "full_name", "postal_address", "email", "contact_phone"}
    assert set(schemas["SheetPartyModel"]["required"]) == needed
    assert set(schemas["PartyModel"]["required"]) == needed - {"postal_address", "email", "contact_phone"}
    for field in ("postal_address", "email", "contact_phone"):
        wrong = sheet()
        del wrong["party"][field]
        status, problem = await desk.call("POST", "/v1/accessions", wrong)
        assert (status, problem["code"]) == (422, "invalid_request")
        assert field in str(problem)


@pytest.mark.clause("PSC-1.1.21")
async def test_a_card_is_read_on_a_ground(desk: Desk, office: Office) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    status, problem = await desk.call("GET", BASE)
    assert (status, problem["code"]) == (422, "ground_required")
    status, card = await desk.call("GET", BASE, role=Role.AUDITOR, ground="complaint 17")
    assert (status, card["party"]["full_name"], card["subscriber"]["plan_code"]) == (
        200,
        person().full_name,
        "kcell-start",
    )
    row = await office.database.fetchrow(
        "select actor, ground from kernel.audit_trail where action = 'subscribers.read_card'"
    )
    assert row is not None
    assert (row["actor"], row["ground"]) == ("staff:auditor", "complaint 17")
    status, _ = await desk.call("GET", BASE, role=Role.NETWORK, ground="curious")
    assert status == 403
    path = f"/v1/parties/person/{person().iin_bin}/numbers"
    status, numbers = await desk.call("GET", path, ground="complaint 17")
    assert (status, [n["msisdn"] for n in numbers]) == (200, [number(1)])


@pytest.mark.clause("PSC-1.1.5")
async def test_a_plan_is_quoted_and_confirmed(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    ask = {"plan": "kcell-unlim", "when": "now"}
    status, quote = await desk.call("POST", f"{BASE}/plan-quotes", ask)
    assert (status, quote["fee"], quote["volumes_end"]) == (200, "6990.00", True)
    changes = f"{BASE}/plan-changes"
    status, done = await desk.call("POST", changes, quote, key="change-1")
    assert (status, done["to_plan"]) == (200, "kcell-unlim")
    status, again = await desk.call("POST", changes, quote, key="change-1")
    assert (status, again) == (200, done)
    status, problem = await desk.call("POST", changes, quote, key="change-2")
    assert (status, problem["code"]) == (409, "plan_same")
    status, problem = await desk.call("DELETE", changes)
    assert (status, problem["code"]) == (404, "no_plan_change")


async def test_services_over_http(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    services = f"{BASE}/services"
    order = {"service": "music-day"}
    status, made = await desk.call("POST", services, order, key="on-1")
    assert (status, made["charged"], made["service"]["third_party"]) == (201, "35.00", True)
    status, again = await desk.call("POST", services, order, key="on-1")
    assert (status, again["charged"]) == (201, "35.00")
    status, stopped = await desk.call("POST", f"{BASE}/stop-third-party")
    assert (status, stopped) == (200, {"services": ["music-day"]})
    status, problem = await desk.call("DELETE", f"{services}/music-day")
    assert (status, problem["code"]) == (404, "service_off")


@pytest.mark.clause("PSC-3.1.5")
async def test_suspensions_over_http(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    path = f"{BASE}/suspensions"
    status, law = await desk.call("POST", path, {"suspend_on": "law", "reason": "court", "reference": "Civil Code 401"})
    assert (status, law["scopes"]) == (201, ["full"])
    status, problem = await desk.call("POST", path, {"suspend_on": "law", "reason": "court"})
    assert (status, problem["code"]) == (422, "suspension")
    status, harm = await desk.call("POST", path, {"suspend_on": "network_harm", "reason": "check"})
    assert (status, sorted(harm["scopes"])) == (201, ["data", "outgoing"])
    status, left = await desk.call("POST", f"/v1/suspensions/{law['suspension_id']}/end", {"reason": "appeal"})
    assert (status, left) == (200, {"barred": ["data", "outgoing"]})


async def test_cards_numbers_and_devices_over_http(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    status, sim = await desk.call("POST", f"{BASE}/sim-swaps", {"iccid": iccid(20), "reason": "lost"})
    assert (status, sim["iccid"]) == (200, iccid(20))
    status, device = await desk.call("POST", f"{BASE}/devices", {"imei": "490154203237518"})
    assert (status, device["imei"]) == (201, "490154203237518")
    assert (await desk.call("DELETE", f"{BASE}/devices/490154203237518"))[0] == 204
    status, free = await desk.call("GET", "/v1/numbers?ending=30")
    assert [n["msisdn"] for n in free] == [number(30)]
    keep = {"holder": "ticket-31"}
    status, _ = await desk.call("PUT", f"/v1/numbers/{number(30)}/reservation", keep)
    assert status == 200
    change = {"msisdn": number(30), "reserved_by": "ticket-31"}
    status, new = await desk.call("POST", f"{BASE}/number-changes", change, key="n-1")
    assert (status, new) == (200, {"msisdn": number(30)})
    status, card = await desk.call("GET", BASE, ground="whose was it?")
    assert (status, card["subscriber"]["msisdn"]) == (200, number(30))


@pytest.mark.clause("PSC-1.1.5")
async def test_a_secret_is_checked_and_never_shown(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    assert (await desk.call("PUT", f"{BASE}/secret", {"kind": "pin", "secret": "2580"}))[0] == 204
    status, check = await desk.call("POST", f"{BASE}/secret/check", {"secret": "2580"})
    assert (status, check["status"]) == (200, "right")
    status, check = await desk.call("POST", f"{BASE}/secret/check", {"secret": "9999"})
    assert (status, check["status"], check["tries_left"]) == (200, "wrong", 4)
    status, _ = await desk.call("POST", f"{BASE}/secret/unlock", role=Role.SUPERVISOR)
    assert status == 204
    status, card = await desk.call("GET", BASE, ground="x")
    assert "2580" not in str(card)


async def test_people_over_http(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    party = sheet()["party"] | {"email": "new@example.kz"}
    report = {"party": party, "changed_on": "2026-02-20"}
    status, change = await desk.call("POST", f"{BASE}/data", report)
    assert (status, change) == (200, {"fields": ["email"], "late": True})
    assert (await desk.call("PUT", f"{BASE}/language", {"language": "ru"}))[0] == 204
    assert (await desk.call("PUT", f"{BASE}/user", {"note": "daughter"}))[0] == 204
    assert (await desk.call("DELETE", f"{BASE}/consents/marketing"))[0] == 200
    status, problem = await desk.call("DELETE", f"{BASE}/consents/marketing")
    assert (status, problem["code"]) == (404, "consent_absent")
    assert (await desk.call("POST", f"{BASE}/consents", {"kind": "marketing", "version": "2026-1"}))[0] == 204
    status, card = await desk.call("GET", BASE, ground="x")
    assert (card["subscriber"]["language"], card["user_note"]) == ("ru", "daughter")
    assert card["data_changes"][0]["field"] == "email"


async def test_contracts_over_http(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    edition = {"edition": "2026-2", "url": "https://www.example.kz/2026-2", "sha256": "ab" * 32}
    assert (await desk.call("POST", "/v1/editions", edition))[0] == 403
    status, published = await desk.call("POST", "/v1/editions", edition, role=Role.ADMIN)
    assert (status, published["refusable_until"]) == (201, "2026-04-01T19:00:00Z")
    status, account = await desk.call("POST", f"{BASE}/accounts", {"name": "data"})
    assert status == 201
    assert (await desk.call("PUT", f"{BASE}/account", account["account"]))[0] == 204
    status, stop = await desk.call("POST", f"{BASE}/refusals", {"stop_at": "2026-03-05T00:00:00+05:00"})
    assert (status, stop) == (200, {"stop_at": "2026-03-04T19:00:00Z"})
    status, ended = await desk.call("POST", f"{BASE}/edition-refusals", {"edition": "2026-2"})
    assert (status, ended) == (200, {"ended": [number(1)]})


async def test_figures_have_a_first_day(desk: Desk, office: Office) -> None:
    path, term = "/v1/terms/numbers_per_person", {"valid_from": "2026-03-02", "value": 1}
    assert (await desk.call("PUT", path, term, role=Role.ADMIN))[0] == 204
    await desk.call("POST", "/v1/accessions", sheet())
    status, problem = await desk.call("POST", "/v1/accessions", sheet(sheet_number="RS-2", msisdn=number(2)))
    assert (status, problem["code"]) == (409, "numbers_limit")
    status, problem = await desk.call("PUT", path, term | {"valid_from": "2026-03-01"}, role=Role.ADMIN)
    assert (status, problem["code"]) == (422, "term")
    price = {"price": "100.00"}
    assert (await desk.call("PUT", "/v1/number-categories/ruby/price", price, role=Role.ADMIN))[0] == 204


async def test_figures_are_read_with_those_of_coming_days(desk: Desk) -> None:
    """Today is 2 March 2026."""
    path = "/v1/terms/numbers_per_person"
    for day, value in (("2026-03-02", 8), ("2026-04-01", 5), ("2026-05-01", 4)):
        assert (await desk.call("PUT", path, {"valid_from": day, "value": value}, role=Role.ADMIN))[0] == 204
    status, read = await desk.call("GET", "/v1/terms")
    assert status == 200
    figures = [(term["valid_from"], term["value"]) for term in read["terms"] if term["name"] == "numbers_per_person"]
    assert figures == [("2026-03-02", 8), ("2026-04-01", 5), ("2026-05-01", 4)]
    assert {"name": "low_balance_tiyn", "valid_from": "2000-01-01", "value": 20_000} in read["terms"]
    assert (await desk.call("GET", "/v1/terms", role=Role.NETWORK))[0] == 403


@pytest.mark.clause("PSC-1.1.7")
async def test_applications_over_http(desk: Desk) -> None:
    body = {"applicant": number(1), "kind": "refund", "text": "Return 500 tenge", "channel": "helpdesk"}
    status, made = await desk.call("POST", "/v1/applications", body)
    assert status == 201
    status, waiting = await desk.call("GET", "/v1/applications", ground="queue")
    assert [(a["application_id"], a["channel"]) for a in waiting] == [(made["application_id"], "helpdesk")]
    path = f"/v1/applications/{made['application_id']}/decision"
    status, decided = await desk.call("POST", path, {"granted": False, "outcome": "no such payment"})
    assert (status, decided["state"]) == (200, "refused")
    assert (await desk.call("POST", path, {"granted": True, "outcome": "again"}))[0] == 404


@pytest.mark.clause("PSC-6.2")
async def test_a_number_is_passed_on_over_http(desk: Desk) -> None:
    await desk.call("POST", "/v1/accessions", sheet())
    heir = sheet(sheet_number="RS-2", initial_payment="3000.00", msisdn=None)
    heir["party"] |= {"iin_bin": person(2).iin_bin, "full_name": "Омаров Ержан"}
    status, passed = await desk.call("POST", f"{BASE}/re-registrations", heir)
    assert (status, passed["msisdn"]) == (200, number(1))
    assert (await desk.call("POST", f"{BASE}/end", {"end_on": "breach"}))[0] == 403
    status, _ = await desk.call(
        "POST", f"{BASE}/end", {"end_on": "breach"}, role=Role.SUPERVISOR, ground="fraud case 3"
    )
    assert status == 204
    status, card = await desk.call("GET", BASE, ground="who was it?")
    assert (status, card["party"]["full_name"], card["end_ground"]) == (200, "Омаров Ержан", "breach")
    assert (await desk.call("PUT", f"{BASE}/language", {"language": "ru"}))[0] == 404


async def test_stock_over_http(desk: Desk) -> None:
    numbers = {"msisdns": [number(500), number(1)], "category": "ordinary"}
    assert (await desk.call("POST", "/v1/numbers", numbers))[0] == 403
    assert await desk.call("POST", "/v1/numbers", numbers, role=Role.SUPERVISOR) == (200, {"added": 1})
    card = {"iccid": iccid(500), "imsi": "401020000000500", "kind": "sim", "pack_msisdn": number(500)}
    status, _ = await desk.call("POST", "/v1/sims", card, role=Role.SUPERVISOR)
    assert status == 201
    status, problem = await desk.call("POST", "/v1/sims", card, role=Role.SUPERVISOR)
    assert (status, problem["code"]) == (409, "sim_known")
