"""Invoices and limits as staff see them."""

from __future__ import annotations

from telco.web.staff import Role
from tests.billing.payments.test_http import Caller, caller
from tests.web.conftest import NUMBER, redis_client, service

__all__ = ["caller", "redis_client", "service"]


async def test_a_number_without_credit_has_no_invoices_and_asks_for_no_limit(caller: Caller) -> None:
    status, body = await caller.staff(Role.CLERK, "GET", f"/v1/subscribers/{NUMBER}/invoices")
    assert (status, body["total_owed"], body["invoices"]) == (200, "0.00", [])
    asked = {"msisdn": NUMBER, "limit": "30000.00"}
    status, body = await caller.staff(Role.CLERK, "POST", "/v1/credit-limit-requests", json=asked)
    assert (status, body["code"]) == (409, "credit_not_settled_so")


async def test_what_there_is_not_is_not_found(caller: Caller) -> None:
    for path in ("/v1/invoices/99", "/v1/invoice-numbers/KC-2026-0000099"):
        status, body = await caller.staff(Role.AUDITOR, "GET", path)
        assert (status, body["code"]) == (404, "invoice_unknown")


async def test_an_invoice_is_shown_line_by_line_by_id_and_by_number(caller: Caller) -> None:
    status, body = await caller.staff(Role.ACCOUNTANT, "GET", "/v1/invoice-numbers/kc-2026-0000001")
    assert status == 200
    invoice, [line] = body["invoice"], body["lines"]
    assert (invoice["total"], invoice["vat"], invoice["open"], invoice["state"]) == (
        "8990.00",
        "1240.00",
        "8990.00",
        "open",
    )
    assert (line["code"], line["amount"], line["vat_percent"], line["unit"]) == (
        "revenue.plan",
        "8990.00",
        "16",
        "money",
    )
    assert await caller.staff(Role.ACCOUNTANT, "GET", f"/v1/invoices/{invoice['invoice_id']}") == (200, body)


async def test_only_books_run_and_only_a_supervisor_grants(caller: Caller) -> None:
    assert (await caller.staff(Role.CASHIER, "POST", "/v1/invoices/runs"))[0] == 403
    status, body = await caller.staff(Role.ACCOUNTANT, "POST", "/v1/invoices/runs")
    assert (status, body) == (200, {"periods": 0, "invoices": 0, "total": "0.00"})
    grant, path = {"reason": "pays in time"}, "/v1/credit-limit-requests/1/grant"
    assert (await caller.staff(Role.CLERK, "POST", path, "k1", json=grant))[0] == 403
    status, body = await caller.staff(Role.SUPERVISOR, "POST", path, "k2", json=grant)
    assert (status, body["code"]) == (404, "credit_limit_unknown")
    status, body = await caller.staff(Role.SUPERVISOR, "GET", "/v1/credit-limit-requests?state=requested")
    assert (status, body) == (200, {"requests": []})
