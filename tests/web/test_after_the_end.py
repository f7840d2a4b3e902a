"""What staff read by a number whose contract has ended: its subscriber still has money, debts and questions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from telco.kernel.clock import ManualClock
from telco.web.staff import Role
from tests.web.conftest import NUMBER, Service

BASE = f"/v1/subscribers/{NUMBER}"
READS = ("", "/balance", "/statement", "/bonus", "/invoices", "/debts", "/device-agreements")
SIM = {"iccid": "8999702000000009999", "imsi": "401029999999999", "kind": "sim"}
NEWCOMER = {
    "sheet_number": "RS-77",
    "party": {
        "kind": "person",
        "iin_bin": "991105301705",
        "full_name": "Sam Johnson",
        "postal_address": "Astana",
        "email": "sam@example.kz",
        "contact_phone": "77017654321",
    },
    "plan": "kcell-free",
    "language": "en",
    "msisdn": NUMBER,
    "iccid": SIM["iccid"],
    "identity_document": "ID 040000003",
}


class Staff:
    """Callers of the API, each with its role's key."""

    def __init__(self, service: Service, client: aiohttp.ClientSession) -> None:
        self._service, self._client, self._calls = service, client, 0

    async def __call__(self, role: Role, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        self._calls += 1
        headers = {
            "Authorization": f"Bearer {self._service.keys[role]}",
            "X-Ground": "the former subscriber asks",
            "Idempotency-Key": f"end-{self._calls}",
        }
        async with self._client.request(method, self._service.url + path, headers=headers, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def read(self, path: str) -> Any:
        status, answer = await self(Role.AUDITOR, "GET", path)
        assert status == 200, (path, answer)
        return answer


@pytest.mark.clause("PSC-6.3.5", "PSC-6.4", "PSC-2.11")
async def test_a_number_is_read_after_the_end_of_its_contract(service: Service, clock: ManualClock) -> None:
    """Ended on a day, at rest for 90 days, then somebody else's."""
    async with aiohttp.ClientSession() as client:
        staff = Staff(service, client)
        before, card = await staff.read(f"{BASE}/balance"), await staff.read(BASE)
        status, _ = await staff(Role.SUPERVISOR, "POST", f"{BASE}/end", {"end_on": "breach"})
        assert status == 204

        ended = {part: await staff.read(f"{BASE}{part}") for part in READS}
        assert ended["/balance"]["account"] == before["account"]
        assert ended["/balance"]["main"] == before["main"] != "0.00"
        assert ended["/statement"]["entries"] != []
        assert ended[""]["subscriber"]["subscriber_id"] == card["subscriber"]["subscriber_id"]
        assert (ended[""]["end_ground"], card["end_ground"], card["ended_at"]) == ("breach", None, None)
        assert ended[""]["ended_at"] is not None
        day = clock.now().date()
        assert (await staff.read(f"{BASE}/bonus/days/{day}"))["day"] == day.isoformat()
        assert (await staff(Role.CLERK, "PUT", f"{BASE}/language", {"language": "ru"}))[0] == 404

        standing = await staff.read(f"/v1/numbers/{NUMBER}")
        rests_until = clock.now() + timedelta(days=90)
        assert standing["state"] == "quarantine"
        assert standing["quarantined_until"] == rests_until.isoformat().replace("+00:00", "Z")
        assert (await staff(Role.SUPERVISOR, "POST", "/v1/sims", SIM))[0] == 201
        status, problem = await staff(Role.CLERK, "POST", "/v1/accessions", NEWCOMER)
        assert (status, problem["code"]) == (409, "number_not_free")

        clock.advance(timedelta(days=90))
        status, made = await staff(Role.CLERK, "POST", "/v1/accessions", NEWCOMER | {"sheet_number": "RS-78"})
        assert status == 201, made
        taken = await staff.read(BASE)
        assert (taken["party"]["full_name"], taken["end_ground"]) == ("Sam Johnson", None)
        assert (await staff.read(f"{BASE}/balance"))["main"] == "0.00"
        assert (await staff.read(f"/v1/numbers/{NUMBER}"))["state"] == "assigned"


async def test_a_number_that_nobody_ever_had_is_not_found(service: Service) -> None:
    async with aiohttp.ClientSession() as client:
        staff = Staff(service, client)
        for part in READS:
            status, problem = await staff(Role.AUDITOR, "GET", f"/v1/subscribers/77019999999{part}")
            assert (status, problem["code"]) == (404, "subscriber_unknown"), part
        status, problem = await staff(Role.AUDITOR, "GET", "/v1/numbers/77019999999")
        assert (status, problem["code"]) == (404, "number_not_ours")
