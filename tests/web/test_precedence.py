"""Errors are answered in one order, the documented one: telco/web/errors.py."""

from __future__ import annotations

import re
from typing import Any

import pytest

from telco.web import errors
from telco.web.staff import Role
from tests.web.conftest import NUMBER, Site

ORDER = (
    "shutting_down",
    "not_found",
    "payload_too_large",
    "not_authenticated",
    "too_many_requests",
    "not_permitted",
    "idempotency_key_missing",
    "media_type",
    "malformed_json",
    "invalid_request",
    "idempotency_key_reused",
    "sample_too_poor",
)
"""One case per step; each request below has the fault of its step and of every later step that can go with it."""


@pytest.mark.parametrize("expected", ORDER)
async def test_the_first_fault_is_answered(site: Site, expected: str) -> None:
    step = ORDER.index(expected)
    await _use_key(site)
    async with site.db.acquire() as conn:
        limit = 1 if step <= ORDER.index("too_many_requests") else None
        await conn.execute("update web.principal set rate_limit_per_s = $1", limit)
    role = Role.CLERK if step <= ORDER.index("not_permitted") else Role.ACCOUNTANT
    headers: dict[str, str] = site.key(role)
    if expected == "too_many_requests":
        await site.call("GET", "/v1/accounts/" + NUMBER, headers=headers)
    if step <= ORDER.index("not_authenticated"):
        headers["Authorization"] = "Bearer telco_nobody"
    if step > ORDER.index("idempotency_key_missing"):
        headers["Idempotency-Key"] = "fresh" if expected == "sample_too_poor" else "used"
    if step > ORDER.index("media_type"):
        headers["Content-Type"] = "application/json"
    data: Any = b'{"msisdn": "77011234567", "amount": "900.00"}'
    if step <= ORDER.index("malformed_json"):
        data = b"{"
    elif step <= ORDER.index("invalid_request"):
        data = b'{"msisdn": "1", "amount": "900.00"}'
    if step <= ORDER.index("payload_too_large"):
        data = b"x" * 5000
    site.health.stopping = expected == "shutting_down"
    path = "/v1/nothing" if step <= ORDER.index("not_found") else "/v1/withdrawals"
    _, body, _ = await site.call("POST", path, headers=headers, data=data)
    assert body["code"] == expected


async def _use_key(site: Site) -> None:
    headers = {"Idempotency-Key": "used"}
    body = {"msisdn": NUMBER, "amount": "1.00"}
    await site.call("POST", "/v1/withdrawals", Role.ACCOUNTANT, json=body, headers=headers)


def test_the_order_is_the_documented_one() -> None:
    documented = re.findall(r"``([a-z_]+)``", errors.__doc__ or "")
    assert [code for code in documented if code in ORDER[:-1]] == [
        *ORDER[:8],
        "payload_too_large",
        *ORDER[8:-1],
    ]


async def test_a_chunked_body_is_counted_as_it_is_read(site: Site) -> None:
    async def chunks() -> Any:
        for _ in range(5):
            yield b"x" * 1000

    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    status, body, _ = await site.call("POST", "/v1/top-ups", Role.CASHIER, data=chunks(), headers=headers)
    assert (status, body["code"], body["facts"]) == (413, "payload_too_large", {"limit_bytes": 4096})
