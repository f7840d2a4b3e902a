"""Documents as staff see them: on a socket, with the whole service behind."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import pypdf
import pytest

from telco.db.pool import Database
from telco.web.staff import Role
from tests.billing.documents.conftest import BANK, REQUISITES
from tests.web.conftest import NUMBER, Service, redis_client, service

__all__ = ["redis_client", "service"]


class Staff:
    """Somebody of the staff at a time."""

    def __init__(self, service: Service, client: aiohttp.ClientSession) -> None:
        self._service = service
        self._client = client

    async def __call__(
        self, role: Role, method: str, path: str, body: Any = None, *, key: str = "k", language: str = "ru"
    ) -> tuple[int, aiohttp.ClientResponse, bytes]:
        headers = {
            "Authorization": f"Bearer {self._service.keys[role]}",
            "X-Ground": "test",
            "Idempotency-Key": key,
            "Accept-Language": language,
        }
        async with self._client.request(method, self._service.url + path, headers=headers, json=body) as response:
            return response.status, response, await response.read()

    async def json(self, *arguments: Any, **named: Any) -> tuple[int, Any]:
        _, response, _ = await self(*arguments, **named)
        return response.status, await response.json(content_type=None)


@pytest.mark.clause("PSC-1.1.21")
async def test_a_statement_is_issued_found_and_downloaded(service: Service, database: Database) -> None:
    async with aiohttp.ClientSession() as client:
        staff = Staff(service, client)
        account = await database.fetchval(
            "select shard || ':' || account_id from subscribers.subscription where msisdn = $1", NUMBER
        )
        asked = {"account": account, "first_day": "2026-03-01", "last_day": "2026-03-02"}
        path = "/v1/documents/statements"
        assert (await staff.json(Role.CLERK, "POST", path, asked))[0] == 409  # no requisites yet
        assert (await staff(Role.ACCOUNTANT, "PUT", "/v1/operator-requisites/2026-01-01", REQUISITES))[0] == 403
        wrong = REQUISITES | {"bank": BANK | {"iban": "KZ12345KZT1234567890"}}
        status, refused = await staff.json(Role.ADMIN, "PUT", "/v1/operator-requisites/2026-01-01", wrong)
        assert (status, refused["code"]) == (422, "iban_invalid")
        assert (await staff(Role.ADMIN, "PUT", "/v1/operator-requisites/2026-01-01", REQUISITES))[0] == 204
        _, kept = await staff.json(Role.AUDITOR, "GET", "/v1/operator-requisites")
        assert kept["requisites"][0]["requisites"] == REQUISITES
        assert (await staff.json(Role.CASHIER, "POST", path, asked, key="1"))[0] == 403
        status, issued = await staff.json(Role.CLERK, "POST", path, asked, key="1")
        assert (status, issued["number"]) == (201, "STM-2026-0000001")
        assert (await staff.json(Role.CLERK, "POST", path, asked, key="1"))[1] == issued
        _, found = await staff.json(Role.AUDITOR, "GET", f"/v1/documents?account={account}&kind=statement")
        assert found["documents"] == [issued]
        file = f"/v1/documents/{issued['document_id']}/file"
        status, response, content = await staff(Role.CASHIER, "GET", file)
        assert (status, response.content_type) == (200, "application/pdf")
        assert response.headers["Content-Disposition"] == 'attachment; filename="STM-2026-0000001.ru.pdf"'
        assert "Детализированная выписка" in pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
        _, response, data = await staff(Role.CLERK, "GET", f"{file}?format=json")
        assert (response.content_type, data[:9]) == ("application/json", b'{"basis":')
        assert (await staff.json(Role.CLERK, "GET", f"{file}?format=xml"))[0] == 409
        assert (await staff(Role.NETWORK, "GET", file))[0] == 403
        assert (await staff.json(Role.CLERK, "GET", "/v1/documents/999/file"))[0] == 404
        correction = f"/v1/documents/{issued['document_id']}/corrections"
        assert (await staff.json(Role.ACCOUNTANT, "POST", correction, {"reason": "r"}))[0] == 403
        assert (await staff.json(Role.SUPERVISOR, "POST", correction, {"reason": "r"}))[0] == 409  # nothing changed
        reads = await database.fetchval(
            "select count(*) from kernel.audit_trail where action = 'GET /v1/documents/{document_id}/file'"
        )
        assert reads == 4  # the network was not let in


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"account": "nobody", "first_day": "2026-03-01", "last_day": "2026-03-02"}, 422),
        ({"account": NUMBER, "first_day": "2026-03-01", "last_day": "2026-03-02"}, 422),
        ({"account": "0:999999", "first_day": "2026-03-01", "last_day": "2026-03-02"}, 404),
        ({"account": "0:999999", "first_day": "2026-03-02", "last_day": "2026-02-01"}, 422),
        ({"account": "0:999999", "first_day": "2199-12-31", "last_day": "2199-12-31"}, 422),
    ],
)
async def test_what_cannot_be_is_refused(service: Service, body: dict[str, str], status: int) -> None:
    async with aiohttp.ClientSession() as client:
        staff = Staff(service, client)
        assert (await staff.json(Role.CLERK, "POST", "/v1/documents/statements", body))[0] == status


async def test_a_number_in_the_place_of_an_account_is_called_what_it_is(service: Service) -> None:
    asked = {"account": NUMBER, "first_day": "2026-03-01", "last_day": "2026-03-02"}
    async with aiohttp.ClientSession() as client:
        _, refused = await Staff(service, client).json(Role.CLERK, "POST", "/v1/documents/statements", asked)
    [field] = refused["fields"]
    assert (field["field"], field["code"]) == ("body.account", "account_malformed")


async def test_duties_and_e_invoices_are_listed(service: Service) -> None:
    async with aiohttp.ClientSession() as client:
        staff = Staff(service, client)
        assert await staff.json(Role.AUDITOR, "GET", "/v1/document-duties?state=late") == (
            200, {"state": "late", "duties": []},
        )  # fmt: skip
        assert await staff.json(Role.ACCOUNTANT, "GET", "/v1/e-invoices") == (200, {"einvoices": []})
        assert (await staff.json(Role.ACCOUNTANT, "GET", "/v1/e-invoices/1"))[0] == 404
        assert (await staff.json(Role.CLERK, "GET", "/v1/e-invoices"))[0] == 403
