"""Payments as providers and staff see them: on a socket, with the whole service behind."""

from __future__ import annotations

import asyncio
import base64
import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest

from telco.billing.payments import terminal_http
from telco.billing.payments.model import Reason
from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.web.staff import Role
from tests.billing.payments.bank import bank_file, document
from tests.billing.payments.conftest import OUR_ACCOUNT
from tests.web.conftest import NUMBER, Service, redis_client, service

__all__ = ["redis_client", "service"]


@dataclass
class Caller:
    """Staff and a provider named "kiosk", calling the service."""

    service: Service
    client: aiohttp.ClientSession
    key: str = ""

    async def staff(self, role: Role, method: str, path: str, key: str = "k", **arguments: Any) -> tuple[int, Any]:
        headers = {
            "Authorization": f"Bearer {self.service.keys[role]}",
            "X-Ground": "test",
            "Idempotency-Key": key or "k",
        }
        async with self.client.request(method, self.service.url + path, headers=headers, **arguments) as response:
            return response.status, await response.json(content_type=None)

    async def terminal(self, params: Any = None, key: str | None = None, **more: str) -> dict[str, str]:
        asked = (
            params
            or {
                "command": "pay",
                "txn_id": "1",
                "account": NUMBER,
                "sum": "500.00",
                "txn_date": "20260302110000",
            }
            | more
        )
        async with self.client.get(
            self.service.url + "/terminal/v1/payments", params=asked, headers=self.basic(key)
        ) as r:
            assert r.status == 200
            assert r.content_type == "text/xml"
            tree = ElementTree.fromstring(await r.read())
            return {element.tag: element.text or "" for element in tree}

    def basic(self, key: str | None = None) -> dict[str, str]:
        pair = f"kiosk:{self.key if key is None else key}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


@pytest.fixture
async def caller(service: Service) -> Any:
    async with aiohttp.ClientSession() as client:
        caller = Caller(service, client)
        status, made = await caller.staff(Role.ADMIN, "POST", "/v1/payment-providers/kiosk/key")
        assert status == 200
        caller.key = made["key"]
        yield caller


async def balance(caller: Caller) -> str:
    _, body = await caller.staff(Role.CLERK, "GET", f"/v1/subscribers/{NUMBER}/balance")
    main: str = body["main"]
    return main


@pytest.mark.clause("PSC-4.1")
async def test_a_terminal_checks_pays_and_repeats(caller: Caller) -> None:
    assert await caller.terminal(command="check") == {
        "osmp_txn_id": "1", "sum": "500.00", "result": "0", "comment": "OK",
    }  # fmt: skip
    assert await balance(caller) == "5000.00"
    first, again = await caller.terminal(), await caller.terminal()
    assert first == again
    assert (first["result"], first["osmp_txn_id"], first["sum"]) == ("0", "1", "500.00")
    assert await balance(caller) == "5500.00"
    status, found = await caller.staff(Role.CLERK, "GET", "/v1/payments", params={"id": first["prv_txn"]})
    assert (status, found["payments"][0]["external_id"], found["payments"][0]["state"]) == (200, "1", "credited")


async def test_twenty_requests_at_once_with_one_txn_id_credit_once(caller: Caller) -> None:
    answers = await asyncio.gather(*(caller.terminal() for _ in range(20)))
    assert len({tuple(answer.items()) for answer in answers}) == 1
    assert await balance(caller) == "5500.00"


@pytest.mark.parametrize(
    ("more", "result"),
    [
        ({"account": "77019999999"}, "5"),
        ({"account": "abc"}, "4"),
        ({"account": "<x>&"}, "4"),
        ({"sum": "-5"}, "300"),
        ({"sum": "1e9"}, "300"),
        ({"sum": "500001"}, "300"),
        ({"txn_id": "=1+1"}, "300"),
        ({"txn_id": "x" * 37}, "300"),
        ({"txn_date": "yesterday"}, "300"),
        ({"txn_date": "20300101000000"}, "300"),
        ({"command": "refund"}, "300"),
    ],
)
async def test_what_is_wrong_is_answered_with_its_code_and_changes_nothing(
    caller: Caller, more: dict[str, str], result: str
) -> None:
    answer = await caller.terminal(**more)
    assert answer["result"] == result
    assert answer["comment"]
    assert await balance(caller) == "5000.00"


async def test_a_parameter_twice_or_missing_is_refused(caller: Caller) -> None:
    whole = [("command", "pay"), ("txn_id", "1"), ("account", NUMBER), ("sum", "5"), ("txn_date", "20260302110000")]
    assert (await caller.terminal([*whole, ("sum", "50000")]))["result"] == "300"
    for left_out in range(len(whole)):
        assert (await caller.terminal([p for n, p in enumerate(whole) if n != left_out]))["result"] == "300"
    assert await balance(caller) == "5000.00"


async def test_nobody_pays_without_the_providers_key(caller: Caller) -> None:
    url = caller.service.url + "/terminal/v1/payments"
    for headers in (
        {},
        {"Authorization": "Basic !!!"},
        {"Authorization": f"Bearer {caller.key}"},
        caller.basic("wrong"),
    ):
        async with caller.client.get(url, headers=headers) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].startswith("Basic")


async def test_a_database_that_is_away_is_answered_with_later(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr("telco.billing.payments.terminals.Terminals.pay", lost)
    assert (await caller.terminal())["result"] == "1"


async def test_a_provider_downloads_our_register_and_uploads_its_own(caller: Caller, clock: ManualClock) -> None:
    await caller.terminal()
    url = caller.service.url + "/terminal/v1/registers/2026-03-02"
    async with caller.client.get(url, headers=caller.basic()) as response:
        ours = await response.text()
    assert ours == f"txn_id;txn_date;account;sum\n1;20260302110000;{NUMBER};500.00\n"
    async with caller.client.post(url, data=ours, headers=caller.basic()) as response:
        assert (response.status, (await response.json())["code"]) == (409, "register_day")
    clock.advance(timedelta(days=1))
    theirs = ours.replace("500.00", "700.00")
    async with caller.client.post(url, data=theirs, headers=caller.basic()) as response:
        told = await response.json()
    assert [(d["kind"], d["amount"], d["our_amount"]) for d in told["differences"]] == [
        ("register_other_sum", "700.00", "500.00")
    ]
    kind = {"kind": "register_other_sum"}
    _, items = await caller.staff(Role.ACCOUNTANT, "GET", "/v1/payment-work-items", params=kind)
    assert [item["external_id"] for item in items["items"]] == ["1"]
    async with caller.client.post(
        url, data=io.BytesIO(b"x" * (8 * 1024 * 1024 + 1)), headers=caller.basic()
    ) as response:
        assert response.status == 413


async def test_an_account_of_ours_is_checked_by_97(caller: Caller) -> None:
    wrong = {"iban": "KZ12" + OUR_ACCOUNT[4:], "name": "main"}
    status, refused = await caller.staff(Role.ADMIN, "POST", "/v1/bank-accounts", json=wrong)
    assert (status, refused["code"]) == (422, "iban_invalid")


async def test_staff_take_a_bank_file(caller: Caller) -> None:
    status, _ = await caller.staff(Role.ADMIN, "POST", "/v1/bank-accounts", json={"iban": OUR_ACCOUNT, "name": "main"})
    assert status == 204
    documents = [document(f"за {NUMBER}", number=str(n), Примечание="x" * 900) for n in range(300)]
    raw = bank_file(*documents)
    assert len(raw) > 262_144  # more than any other request may have
    body = {"file_name": "kl.txt", "content": base64.b64encode(raw).decode()}
    status, taken = await caller.staff(Role.ACCOUNTANT, "POST", "/v1/bank-files", json=body)
    # The service's own job may be at one of them at this moment: that one is pending, and credited by it.
    assert (status, taken["documents"], taken["credited"] + taken["pending"]) == (200, 300, 300)
    async with asyncio.timeout(20):
        while await balance(caller) != "305000.00":
            continue
    status, again = await caller.staff(Role.ACCOUNTANT, "POST", "/v1/bank-files", json=body)
    assert (status, again["replayed"], again["file_id"]) == (200, True, taken["file_id"])
    assert await balance(caller) == "305000.00"
    status, refused = await caller.staff(
        Role.ACCOUNTANT, "POST", "/v1/bank-files", json={"file_name": "f", "content": "eHg="}
    )
    assert (status, refused["code"], refused["facts"]["line"]) == (422, "bank_file", 1)
    status, refused = await caller.staff(
        Role.ACCOUNTANT, "POST", "/v1/bank-files", json={"file_name": "f", "content": "not base64"}
    )
    assert (status, refused["code"]) == (422, "invalid_request")


async def test_a_cashier_takes_cash_and_a_supervisor_approves_its_correction(caller: Caller) -> None:
    cash = {"payee": NUMBER, "amount": "250.00"}
    status, refused = await caller.staff(Role.CASHIER, "POST", "/v1/cash-desk/payments", "p0", json=cash)
    assert (status, refused["code"]) == (409, "shift_needed")
    _, shift = await caller.staff(Role.CASHIER, "POST", "/v1/cash-desk/shifts", json={"desk": "almaty-1"})
    status, payment = await caller.staff(Role.CASHIER, "POST", "/v1/cash-desk/payments", "p1", json=cash)
    assert (status, payment["receipt_no"]) == (201, f"almaty-1-{shift['shift_id']:06d}-00001")
    assert await balance(caller) == "5250.00"
    ask = f"/v1/payments/{payment['payment_id']}/corrections"
    wanted = {"kind": "write_off", "reason": "taken twice"}
    _, correction = await caller.staff(Role.CASHIER, "POST", ask, "c1", json=wanted)
    approve = f"/v1/payment-corrections/{correction['correction_id']}/approve"
    status, _ = await caller.staff(Role.CASHIER, "POST", approve, json={"decision": "yes"})
    assert status == 403
    status, done = await caller.staff(Role.SUPERVISOR, "POST", approve, json={"decision": "checked"})
    assert (status, done["state"]) == (200, "approved")
    assert await balance(caller) == "5000.00"
    close = f"/v1/cash-desk/shifts/{shift['shift_id']}/close"
    _, closed = await caller.staff(Role.CASHIER, "POST", close, json={"counted": "0.00"})
    assert (closed["taken"], closed["difference"]) == ("250.00", "-250.00")
    _, day = await caller.staff(Role.ACCOUNTANT, "GET", "/v1/cash-desk/days/2026-03-02")
    assert day["taken"] == "350.00"  # 250 here and 100 of the example
    assert [desk["taken"] for desk in day["desks"]] == ["250.00", "100.00"]


@pytest.mark.clause("PSC-1.1.21")
@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("/v1/payment-corrections", "/v1/payment-corrections"),
        ("/v1/payment-providers/{code}/registers/{day}", "/v1/payment-providers/kiosk/registers/2026-03-01"),
    ],
)
async def test_lists_of_peoples_payments_are_read_on_record(
    caller: Caller, database: Database, route: str, path: str
) -> None:
    assert (await caller.staff(Role.ACCOUNTANT, "GET", path))[0] == 200
    query = "select count(*) from kernel.audit_trail where action = $1"
    assert await database.fetchval(query, f"GET {route}") == 1


def test_every_reason_has_a_comment() -> None:
    assert set(terminal_http.COMMENTS) == set(Reason)
