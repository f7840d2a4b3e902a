"""Money back as staff see it: on a socket, with the whole service behind."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest

from telco.billing.documents.requisites import Requisites
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.web.staff import Role
from tests.billing.documents.conftest import seller
from tests.billing.payments.bank import bank_file, document
from tests.billing.refunds.conftest import OURS, THEIRS
from tests.web.conftest import NUMBER, Service, redis_client, service

__all__ = ["redis_client", "service"]

WHOSE = (
    """select p.iin_bin from subscribers.subscription s join subscribers.party p using (party_id) where s.msisdn = $1"""
)
ACCOUNT = "select shard || ':' || account_id from subscribers.subscription where msisdn = $1"


class Caller:
    """Staff who call the service."""

    def __init__(self, service: Service, client: aiohttp.ClientSession) -> None:
        self._service = service
        self._client = client
        self._calls = 0

    async def __call__(self, role: Role, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        self._calls += 1
        headers = {
            "Authorization": f"Bearer {self._service.keys[role]}",
            "X-Ground": "test",
            "Idempotency-Key": f"k{self._calls}",
        }
        url = self._service.url + path
        async with self._client.request(method, url, headers=headers, json=body, **more) as response:
            return response.status, await response.json(content_type=None)


@pytest.mark.clause("PSC-3.1.7")
async def test_a_refund_goes_its_way(
    service: Service, database: Database, clock: ManualClock, calendar: Calendar
) -> None:
    async with aiohttp.ClientSession() as client:
        call = Caller(service, client)
        application = {
            "named": f"+{NUMBER}",
            "iin_bin": await database.fetchval(WHOSE, NUMBER),
            "way": "bank",
            "iban": THEIRS,
            "amount": "1500.00",
            "ground": "letter 3",
        }
        assert (await call(Role.NETWORK, "POST", "/v1/refunds", application))[0] == 403
        status, problem = await call(Role.CLERK, "POST", "/v1/refunds", application | {"iin_bin": "900101300017"})
        assert (status, problem["code"]) == (404, "applicant_mismatch")
        status, refund = await call(Role.CLERK, "POST", "/v1/refunds", application)
        assert (status, refund["state"], refund["asked"]) == (201, "applied", "1500.00")
        path = f"/v1/refunds/{refund['refund_id']}"
        status, due = await call(Role.AUDITOR, "GET", f"/v1/refund-deadlines?by={refund['pay_by']}")
        assert refund["refund_id"] in [entry["refund_id"] for entry in due["refunds"]]

        assert (await call(Role.ACCOUNTANT, "POST", f"{path}/approve", {"decision": "ok"}))[0] == 403
        assert (await call(Role.SUPERVISOR, "POST", f"{path}/approve", {"decision": "ok"}))[0] == 200
        status, ordered = await call(Role.ACCOUNTANT, "POST", f"{path}/order")
        assert (status, ordered["amount"]) == (200, "1500.00")
        assert (await call(Role.ACCOUNTANT, "POST", "/v1/refund-files", {"iban": OURS}))[0] == 409  # whose orders?
        await Requisites(database, clock, calendar).set(seller(), calendar.today(clock.now()), actor="staff:test")
        status, file = await call(Role.ACCOUNTANT, "POST", "/v1/refund-files", {"iban": OURS})
        assert (status, file["orders"], file["total"]) == (201, 1, "1500.00")
        assert "Сумма=1500.00" in base64.b64decode(file["content"]).decode("cp1251")

        debited = document(
            "Возврат",
            "1500.00",
            str(refund["refund_id"]),
            Дата="02.03.2026",
            ПлательщикСчет=OURS,
            ПолучательСчет=THEIRS,
            ДатаСписано="02.03.2026",
        )
        statement = {"file_name": "kl.txt", "content": base64.b64encode(bank_file(debited)).decode()}
        status, answer = await call(Role.ACCOUNTANT, "POST", "/v1/refund-answers", statement)
        assert (status, [line["kind"] for line in answer["lines"]]) == (200, ["paid"])
        status, back = await call(Role.ACCOUNTANT, "POST", f"{path}/return", {"reason": "closed account"})
        assert (status, back["state"]) == (200, "returned")
        status, body = await call(Role.CLERK, "GET", f"/v1/subscribers/{NUMBER}/balance")
        assert body["main"] == "5000.00"


@pytest.mark.clause("PSC-5.3")
async def test_a_supervisor_grants_a_compensation(service: Service, database: Database) -> None:
    async with aiohttp.ClientSession() as client:
        call = Caller(service, client)
        body = {
            "account": await database.fetchval(ACCOUNT, NUMBER),
            "incident": "INC-1",
            "happened_on": "2026-03-01",
            "loss": "21625.01",
            "amount": "21625.00",
            "ground": "claim 3",
            "evidence": "act 3",
        }
        assert (await call(Role.ACCOUNTANT, "POST", "/v1/compensations", body))[0] == 403
        over = body | {"amount": "21625.01"}
        status, problem = await call(Role.SUPERVISOR, "POST", "/v1/compensations", over)
        assert (status, problem["code"]) == (409, "compensation_limit")
        assert "At most 21,625 KZT can be granted" in problem["detail"]
        status, granted = await call(Role.SUPERVISOR, "POST", "/v1/compensations", body)
        assert (status, granted["limit"]) == (201, "21625.00")
        _, listed = await call(Role.AUDITOR, "GET", "/v1/compensations?incident=INC-1")
        assert [entry["amount"] for entry in listed["compensations"]] == ["21625.00"]
