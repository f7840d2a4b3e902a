"""Bonuses and instalments as staff and subscribers ask for them: over HTTP with roles, by SMS and USSD."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from telco.kernel.i18n import Language
from telco.web.staff import Role
from tests.sms.handsets import Handsets
from tests.web.conftest import NUMBER, Service, redis_client, service

__all__ = ["redis_client", "service"]
SALE = {
    "plan": "device-standard",
    "device": "Galaxy A55",
    "imei": "490154203237518",
    "price": "10000.00",
    "down_payment": "1000.00",
    "months": 3,
    "ground": "application, passport shown",
}


class Staff:
    """Calls of the staff's API."""

    def __init__(self, service: Service, client: aiohttp.ClientSession) -> None:
        self._service = service
        self._client = client

    async def call(self, role: Role, method: str, path: str, key: str = "k", **more: Any) -> tuple[int, Any]:
        headers = {
            "Authorization": f"Bearer {self._service.keys[role]}",
            "X-Ground": "test",
            "Idempotency-Key": key,
        }
        async with self._client.request(method, self._service.url + path, headers=headers, **more) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
async def staff(service: Service) -> Any:
    async with aiohttp.ClientSession() as client:
        yield Staff(service, client)


@pytest.mark.clause("PSC-3.2.12")
async def test_staff_see_on_what_terms_devices_are_sold(staff: Staff) -> None:
    status, listed = await staff.call(Role.CLERK, "GET", "/v1/device-plans")
    standard, zero = listed["plans"]
    assert (status, zero["code"], zero["down_percent"]) == (200, "device-zero", "0")
    assert standard == {
        "code": "device-standard",
        "version": 1,
        "name": {
            "kk": "Құрылғы бөліп төлеуге",
            "ru": "Устройство в рассрочку",
            "en": "A device by instalments",
        },
        "months": [3, 6, 12, 24],
        "down_percent": "10",
        "least_price": "10000.00",
        "most_price": "1500000.00",
        "return_days": 14,
        "consent_version": "credit-history-2026-01",
    }


@pytest.mark.clause("PSC-3.1.9")
async def test_staff_see_and_change_bonuses(staff: Staff) -> None:
    status, programme = await staff.call(Role.CLERK, "GET", "/v1/bonus-programme")
    assert (status, programme["month_cap"], programme["earn"][2]["tiers"]) == (
        200,
        "5000.00",
        [{"months": 0, "percent": "0.5"}],
    )
    path = f"/v1/subscribers/{NUMBER}/bonus"
    ground = {"ground": "asked at the office"}
    states = []
    for number, step in enumerate(("leave", "join", "leave", "join")):
        status, answer = await staff.call(Role.CLERK, "POST", f"{path}/{step}", key=f"k{number}", json=ground)
        states.append((status, answer.get("member")))
    assert states[1:] == [(200, True), (200, False), (200, True)]
    assert (await staff.call(Role.CLERK, "POST", f"{path}/join", json=ground))[0] == 409
    assert (await staff.call(Role.CASHIER, "POST", f"{path}/leave", json=ground))[0] == 403
    status, answer = await staff.call(Role.AUDITOR, "GET", path)
    assert (status, answer["available"], answer["buckets"]) == (200, "0.00", [])
    assert (await staff.call(Role.AUDITOR, "GET", f"{path}/days/2026-03-02"))[0] == 200


@pytest.mark.clause("PSC-3.2.12", "PSC-7.4")
async def test_staff_sell_a_device_and_take_it_back(staff: Staff) -> None:
    path = f"/v1/subscribers/{NUMBER}/device-agreements"
    status, sold = await staff.call(Role.CLERK, "POST", path, json=SALE)
    assert (status, sold["number"], sold["open_rest"], len(sold["parts"])) == (201, sold["number"], "9000.00", 4)
    assert (await staff.call(Role.CLERK, "POST", path, json=SALE))[1] == sold  # the same key
    assert (await staff.call(Role.CLERK, "POST", path, key="k2", json=SALE))[1]["code"] == "device_sold"
    status, check = await staff.call(Role.CLERK, "GET", f"/v1/port-out-checks/{NUMBER}")
    assert (check["allowed"], check["refusals"], check["owed"]) == (False, ["device_instalments"], "9000.00")
    one = f"/v1/device-agreements/{sold['number']}"
    ground = {"ground": "defect"}
    assert (await staff.call(Role.CLERK, "POST", f"{one}/return", key="r0", json=ground))[0] == 403
    status, back = await staff.call(Role.SUPERVISOR, "POST", f"{one}/return", key="r", json=ground)
    assert (status, back["state"], back["open_rest"]) == (200, "returned", "0.00")
    assert (await staff.call(Role.SUPERVISOR, "POST", f"{one}/repayment", key="p", json=ground))[0] == 409
    assert (await staff.call(Role.CLERK, "GET", one))[1]["state"] == "returned"
    assert (await staff.call(Role.CLERK, "GET", "/v1/device-agreements/DIA-2026-0999999"))[0] == 404
    status, told = await staff.call(Role.ACCOUNTANT, "GET", "/v1/credit-bureau-files")
    assert [(file["records"], file["sent_at"]) for file in told["files"]] == [(1, None)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "-1.00"},
        {"price": 10_000},
        {"months": 0},
        {"imei": "49015420323751"},
        {"device": "x" * 101},
        {"device": "a\u202eb"},
        {"plan": "no-such-plan"},
        {"down_payment": "999.99"},
        {"down_payment": "-5.00"},
        {"extra": 1},
    ],
)
async def test_a_hostile_sale_is_refused(staff: Staff, wrong: dict[str, object]) -> None:
    path = f"/v1/subscribers/{NUMBER}/device-agreements"
    status, answer = await staff.call(Role.CLERK, "POST", path, json={**SALE, **wrong})
    assert status in (400, 404, 422), answer


@pytest.mark.clause("PSC-3.1.9", "PSC-6.5")
async def test_a_subscriber_leaves_and_joins_by_sms_and_ussd(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", Language.EN)
    await handsets.outbox.drain()
    assert await handsets.sms(who, "bonus") == "Bonuses: 0 KZT"
    assert "will be lost" in (await handsets.sms(who, "bonus leave") or "")
    assert await handsets.sms(who, "yes") == "You have left the bonus programme."
    assert "not in the bonus programme" in (await handsets.sms(who, "bonus") or "")
    assert await handsets.sms(who, "bonus join") == "You are in the bonus programme now."
    assert await handsets.sms(who, "bonus join") == "You are in the bonus programme already."
    assert await handsets.page(who, "*111*8*6*1#") == "Bonuses: 0 KZT"


@pytest.mark.clause("PSC-3.1.9")
async def test_a_subscriber_gets_advertising_again(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", Language.EN)
    assert await handsets.sms(who, "start ads") == "You get our offers already."
    assert await handsets.sms(who, "stop ads") == "You will get no more advertising from us."
    assert await handsets.sms(who, "start ads") == "You will get our offers again."


@pytest.mark.clause("PSC-3.2.12")
async def test_a_subscriber_asks_for_his_instalment(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", Language.EN)
    assert await handsets.sms(who, "my instalment") == "You have no device instalments."
