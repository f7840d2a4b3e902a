"""What a company's contact may do: send the register or letter of a payment order, and see what became of it.

HTTP Basic with the contact's login and key. The file is the body as it is; everything else stands in the query. A
contact sends and sees only what is its own company's.

Contract: PSC-3.2.4-2, PSC-3.2.4-3
"""

from __future__ import annotations

import asyncio
import re
from datetime import date

from aiohttp import web
from pydantic_core import to_json

from telco.billing.company.errors import ContactKeyError, SheetUnknownError
from telco.billing.company.model import Contact, Order, SheetId, SheetKind
from telco.billing.company.schemas import SheetOut
from telco.billing.company.sheet_file import MAX_BYTES
from telco.billing.company.together import Companies
from telco.billing.payments.terminal_http import credentials
from telco.web.errors import PayloadTooLargeError, RouteNotFoundError, SlowBodyError
from telco.web.problem import RequestRefused

UPLOAD_TIMEOUT_S = 30.0
_NUMBER = re.compile(r"[\w/.-]{1,30}")
_FILE_NAME = re.compile(r"[^\x00-\x1f/\\]{1,100}")


def add_routes(app: web.Application, companies: Companies) -> None:
    """Serve companies' contacts."""
    face = _Face(companies)
    app.router.add_post("/company/v1/sheets", face.take)
    app.router.add_get("/company/v1/sheets/{sheet_id}", face.read, allow_head=False)


class _Face:
    def __init__(self, companies: Companies) -> None:
        self._companies = companies

    async def take(self, request: web.Request) -> web.Response:
        """Take ``?kind=register&order_number=417&order_date=2026-03-01&file_name=register.xlsx`` with the file."""
        contact = await self._contact(request)
        query = request.query
        number, file_name = query.get("order_number", ""), query.get("file_name", "")
        try:
            kind, day = SheetKind(query.get("kind", "")), date.fromisoformat(query.get("order_date", ""))
        except ValueError:
            raise RouteNotFoundError from None
        if not (_NUMBER.fullmatch(number) and _FILE_NAME.fullmatch(file_name) and 2000 <= day.year <= 2199):
            raise RouteNotFoundError
        raw = await _body(request)
        order = Order(contact.bin, number, day)
        sheet = await self._companies.sheets.take(raw, file_name, kind, order, actor=f"contact:{contact.login}")
        return _json(SheetOut.of(sheet))

    async def read(self, request: web.Request) -> web.Response:
        """Answer with a register or letter as it stands."""
        contact = await self._contact(request)
        given = request.match_info["sheet_id"]
        sheet_id = SheetId(int(given)) if given.isascii() and given.isdigit() and len(given) <= 18 else SheetId(0)
        sheet = await self._companies.sheets.get(sheet_id)
        if sheet.order.bin != contact.bin:
            raise SheetUnknownError(sheet_id=sheet_id)
        return _json(SheetOut.of(sheet))

    async def _contact(self, request: web.Request) -> Contact:
        try:
            return await self._companies.sheets.authenticate(*credentials(request.headers.get("Authorization", "")))
        except ContactKeyError as error:
            challenge = {"WWW-Authenticate": 'Basic realm="company payments", charset="UTF-8"'}
            raise RequestRefused(error, headers=challenge) from None


def _json(sheet: SheetOut) -> web.Response:
    return web.Response(body=to_json(sheet), content_type="application/json")


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BYTES:
        raise PayloadTooLargeError(limit_bytes=MAX_BYTES)
    try:
        async with asyncio.timeout(UPLOAD_TIMEOUT_S):
            return await request.clone(client_max_size=MAX_BYTES).read()
    except TimeoutError:
        raise SlowBodyError(timeout_s=round(UPLOAD_TIMEOUT_S)) from None
    except web.HTTPRequestEntityTooLarge:
        raise PayloadTooLargeError(limit_bytes=MAX_BYTES) from None
