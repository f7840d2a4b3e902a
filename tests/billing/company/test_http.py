"""Registers and letters as staff and companies' contacts send them: on a socket, with the whole service behind."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from telco.web.staff import Role
from tests.billing.company.files import HEADER, xlsx
from tests.billing.payments.bank import COMPANY
from tests.web.conftest import NUMBER, Service, redis_client, service

__all__ = ["redis_client", "service"]

OTHER_COMPANY = "990240000000"
REGISTER = f"Номер;Сумма\n{NUMBER};5000\n".encode()
QUERY = {"kind": "register", "order_number": "900", "order_date": "2026-03-01", "file_name": "r.csv"}
CONTACT = "altyn-pays"
ALLOWED: list[tuple[str, str, set[Role]]] = [
    ("POST", "/v1/company-sheets", {Role.CLERK, Role.ACCOUNTANT}),
    ("GET", "/v1/company-sheets?bin=990140000007", {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}),
    ("POST", "/v1/company-contacts", {Role.ACCOUNTANT, Role.SUPERVISOR}),
    ("PUT", f"/v1/company-contacts/{CONTACT}", {Role.ACCOUNTANT, Role.SUPERVISOR}),
    ("GET", "/v1/company-payments/1/proposal", {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}),
    ("POST", "/v1/company-payments/1/accept", {Role.ACCOUNTANT}),
    ("POST", "/v1/company-payments/1/allocate", {Role.ACCOUNTANT}),
    ("GET", "/v1/bank-money", {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}),
]
WRONG = [
    ("kind", ""),
    ("kind", "letters"),
    ("order_number", ""),
    ("order_number", "1;2"),
    ("order_number", "1" * 31),
    ("order_date", "01.03.2026"),
    ("order_date", "2026-02-30"),
    ("order_date", "1999-12-31"),
    ("file_name", ""),
    ("file_name", "../r.csv"),
    ("file_name", "r\x00.csv"),
    ("file_name", "r" * 101),
]


def bomb() -> bytes:
    """Two megabytes that unpack to two gigabytes, named as a workbook's sheet."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(60_000_000))
    return stream.getvalue()


HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)) * 10,
    "bomb": bomb(),
    "cut off": xlsx([HEADER, (NUMBER, 5)])[:-50],
    "formula": xlsx([HEADER, (NUMBER, "=1+1")]),
    "csv formula": f"Номер;Сумма\n{NUMBER};=1+1\n".encode(),
    "nobody": "Номер;Сумма\n77770000000;5\n".encode(),
    "twice": f"Номер;Сумма\n{NUMBER};5\n8{NUMBER[1:]};5\n".encode(),
    "entities": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
}


@dataclass
class Faces:
    """Staff of every role and a company's contact, calling the service."""

    service: Service
    client: aiohttp.ClientSession
    contact_key: str = ""

    async def staff(self, role: Role, method: str, path: str, key: str = "k", **arguments: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.service.keys[role]}", "X-Ground": "test", "Idempotency-Key": key}
        async with self.client.request(method, self.service.url + path, headers=headers, **arguments) as response:
            return response.status, await response.json(content_type=None)

    async def contact(
        self, raw: bytes | io.BytesIO = REGISTER, params: Any = QUERY, key: str | None = None
    ) -> tuple[int, Any]:
        async with self.client.post(
            self.service.url + "/company/v1/sheets", params=params, data=raw, headers=self.basic(key)
        ) as response:
            return response.status, await response.json(content_type=None)

    async def seen(self, sheet_id: object) -> tuple[int, Any]:
        url = f"{self.service.url}/company/v1/sheets/{sheet_id}"
        async with self.client.get(url, headers=self.basic()) as response:
            return response.status, await response.json(content_type=None)

    def basic(self, key: str | None = None) -> dict[str, str]:
        pair = f"{CONTACT}:{self.contact_key if key is None else key}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def waiting(self) -> Any:
        """The company's transfer of 1,000.00 that the examples brought."""
        _, found = await self.staff(Role.ACCOUNTANT, "GET", "/v1/payment-work-items", params={"kind": "bank_document"})
        [item] = [item for item in found["items"] if item["external_id"] == "416"]
        return item

    async def balance(self) -> str:
        _, body = await self.staff(Role.CLERK, "GET", f"/v1/subscribers/{NUMBER}/balance")
        main: str = body["main"]
        return main


@pytest.fixture
async def faces(service: Service) -> AsyncIterator[Faces]:
    async with aiohttp.ClientSession() as client:
        faces = Faces(service, client)
        contact = {"bin": COMPANY, "login": CONTACT, "name": "Айгүл"}
        status, made = await faces.staff(Role.ACCOUNTANT, "POST", "/v1/company-contacts", json=contact)
        assert status == 201
        faces.contact_key = made["key"]
        yield faces


def sheet(raw: bytes = REGISTER, **changes: str) -> dict[str, str]:
    return {**QUERY, "bin": COMPANY, "content": base64.b64encode(raw).decode(), **changes}


@pytest.mark.clause("PSC-3.2.4-2")
async def test_a_clerk_takes_a_register_and_only_an_accountant_withdraws_it(faces: Faces) -> None:
    status, taken = await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=sheet())
    assert (status, taken["line_count"], taken["amount"], taken["replayed"]) == (200, 1, "5000.00", False)
    status, again = await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=sheet())
    assert (status, again["sheet_id"], again["replayed"]) == (200, taken["sheet_id"], True)
    other = sheet(REGISTER.replace(b"5000", b"6000"))
    status, refused = await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=other)
    assert (status, refused["code"], refused["facts"]["sheet_id"]) == (409, "sheet_exists", taken["sheet_id"])
    withdraw = f"/v1/company-sheets/{taken['sheet_id']}/withdraw"
    assert (await faces.staff(Role.CLERK, "POST", withdraw, json={"reason": "r"}))[0] == 403
    status, withdrawn = await faces.staff(Role.ACCOUNTANT, "POST", withdraw, json={"reason": "wrong sums"})
    assert (status, withdrawn["state"]) == (200, "withdrawn")
    status, refused = await faces.staff(Role.ACCOUNTANT, "POST", withdraw, json={"reason": "again"})
    assert (status, refused["code"]) == (409, "sheet_ended")
    assert (await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=other))[0] == 200
    _, listed = await faces.staff(Role.AUDITOR, "GET", "/v1/company-sheets", params={"bin": COMPANY})
    assert [one["state"] for one in listed["sheets"] if one["order_number"] == "900"] == ["waiting", "withdrawn"]


async def test_each_role_does_its_own(faces: Faces) -> None:
    for method, path, allowed in ALLOWED:
        answers = {role: await faces.staff(role, method, path, json={}) for role in Role}
        assert {role for role, (status, _) in answers.items() if status != 403} == allowed | {Role.ADMIN}, path


@pytest.mark.clause("PSC-3.2.4-4")
async def test_an_allocation_with_one_key_is_done_once(faces: Faces) -> None:
    """1,000.00 of the company's transfer 416, for a number that had 5,000.00."""
    item = await faces.waiting()
    path = f"/v1/company-payments/{item['item_id']}"
    assert await faces.balance() == "5000.00"
    body = {"shares": [{"payee": NUMBER, "amount": "999.99"}], "reason": "they called"}
    status, refused = await faces.staff(Role.ACCOUNTANT, "POST", f"{path}/allocate", "a0", json=body)
    assert (status, refused["code"]) == (422, "sums_differ")
    body["shares"] = [{"payee": NUMBER, "amount": "1000.00"}]
    done = [await faces.staff(Role.ACCOUNTANT, "POST", f"{path}/allocate", "a1", json=body) for _ in range(2)]
    assert done[0] == done[1]
    assert done[0][0] == 200
    assert await faces.balance() == "6000.00"
    status, refused = await faces.staff(Role.ACCOUNTANT, "POST", f"{path}/allocate", "a2", json=body)
    assert (status, refused["code"]) == (409, "work_item_decided")
    other = body | {"reason": "another"}
    status, refused = await faces.staff(Role.ACCOUNTANT, "POST", f"{path}/allocate", "a1", json=other)
    assert (status, refused["code"]) == (422, "idempotency_key_reused")
    _, money = await faces.staff(Role.AUDITOR, "GET", "/v1/bank-money")
    assert (money["on_the_list"], money["findings"]) == ("0.00", [])


@pytest.mark.clause("PSC-3.2.4-4")
async def test_a_proposal_is_accepted_as_it_was_seen(faces: Faces) -> None:
    path = f"/v1/company-payments/{(await faces.waiting())['item_id']}"
    status, seen = await faces.staff(Role.AUDITOR, "GET", f"{path}/proposal")
    assert (status, [(line["amount"], line["why"]) for line in seen["lines"]]) == (200, [("1000.00", "advance")])
    stale = {"mark": "0" * 16, "reason": "r"}
    status, refused = await faces.staff(Role.ACCOUNTANT, "POST", f"{path}/accept", "p0", json=stale)
    assert (status, refused["code"]) == (409, "proposal_changed")
    accept = {"mark": seen["mark"], "reason": "the payer agreed"}
    done = [await faces.staff(Role.ACCOUNTANT, "POST", f"{path}/accept", "p1", json=accept) for _ in range(2)]
    assert done[0] == done[1]
    assert done[0][0] == 200


@pytest.mark.clause("PSC-3.2.4-2", "PSC-3.2.4-3")
async def test_a_contact_sends_and_sees_only_what_is_its_companys(faces: Faces) -> None:
    status, sent = await faces.contact()
    assert (status, sent["bin"], sent["sent_by"], sent["state"]) == (200, COMPANY, f"contact:{CONTACT}", "waiting")
    status, again = await faces.contact()
    assert (status, again["sheet_id"], again["replayed"]) == (200, sent["sheet_id"], True)
    assert await faces.seen(sent["sheet_id"]) == (200, again | {"replayed": False})
    _, theirs = await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=sheet(bin=OTHER_COMPANY))
    for sheet_id in (theirs["sheet_id"], 0, 999_999, "x", "9" * 30, "-1"):
        status, refused = await faces.seen(sheet_id)
        assert (status, refused["code"]) == (404, "sheet_unknown"), sheet_id
    assert (await faces.contact(key="wrong"))[0] == 401
    await faces.staff(Role.SUPERVISOR, "PUT", f"/v1/company-contacts/{CONTACT}", json={"enabled": False})
    status, refused = await faces.contact()
    assert (status, refused["code"]) == (401, "company_contact_key")


async def test_a_contacts_wrong_query_is_told_by_its_field(faces: Faces) -> None:
    for field, given in WRONG:
        status, refused = await faces.contact(params=QUERY | {field: given})
        assert (status, refused["code"], refused["facts"]["field"]) == (422, "sheet_query", field), given


async def test_a_contacts_parameter_that_is_missing_or_there_twice_is_told(faces: Faces) -> None:
    for field, value in QUERY.items():
        without = [one for one in QUERY.items() if one[0] != field]
        for params in (without, [*QUERY.items(), (field, value)]):
            status, refused = await faces.contact(params=params)
            assert (status, refused["code"], refused["facts"]["field"]) == (422, "sheet_query", field)


async def test_hostile_files_are_refused_on_both_faces_and_change_nothing(faces: Faces) -> None:
    for name, raw in HOSTILE.items():
        status, refused = await faces.contact(raw)
        assert (status, refused["code"]) == (422, "sheet_file"), name
        if raw:
            status, refused = await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=sheet(raw))
            assert (status, refused["code"]) == (422, "sheet_file"), name
    assert (await faces.contact(io.BytesIO(b"x" * (8 * 1024 * 1024 + 1))))[0] == 413
    not_base64 = sheet() | {"content": "not base64"}
    status, refused = await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=not_base64)
    assert (status, refused["code"]) == (422, "invalid_request")
    status, refused = await faces.staff(Role.CLERK, "POST", "/v1/company-sheets", json=sheet(bin="111111111111"))
    assert (status, refused["code"]) == (422, "iin_bin_invalid")
    assert (await faces.contact())[0] == 200  # the order is still free


@pytest.mark.clause("PSC-3.2.4-4")
async def test_a_register_that_contradicts_its_payment_is_answered_with_why(faces: Faces) -> None:
    """The transfer 416 of 1,000.00 waits; the register of it adds up to 5,000.00."""
    day = (await faces.waiting())["facts"]["document_date"]
    query = QUERY | {"order_number": "416", "order_date": day}
    status, told = await faces.contact(params=query)
    assert (status, told["state"], told["reason"]) == (200, "waiting", "sheet_differs")
    assert told["explanation"].startswith("The payment is 1,000 KZT and this adds up to 5,000 KZT")
    _, missing = await faces.contact()
    assert missing["reason"] == "payment_missing"
    assert f"the order {QUERY['order_number']} of" in missing["explanation"]
    path = f"/v1/company-sheets/{told['sheet_id']}"
    _, seen = await faces.staff(Role.CLERK, "GET", path)
    assert (seen["reason"], seen["explanation"]) == (told["reason"], told["explanation"])
    _, withdrawn = await faces.staff(Role.ACCOUNTANT, "POST", f"{path}/withdraw", json={"reason": "wrong sums"})
    assert (withdrawn["state"], withdrawn["reason"], withdrawn["explanation"]) == ("withdrawn", None, None)
