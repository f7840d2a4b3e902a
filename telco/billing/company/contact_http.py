"""What a company's contact may do: send the register or letter of a payment order, and see what became of it.

HTTP Basic with the contact's login and key. The file is the body as it is; everything else stands in the query. A
contact sends and sees only what is its own company's.

Contract: PSC-3.2.4-2, PSC-3.2.4-3
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import TypeVar

from aiohttp import web
from pydantic_core import to_json

from telco.billing.company.errors import ContactKeyError, SheetQueryError, SheetUnknownError
from telco.billing.company.model import Contact, Order, Sheet, SheetId, SheetKind
from telco.billing.company.schemas import SheetOut
from telco.billing.company.sheet_file import MAX_BYTES
from telco.billing.company.together import Companies
from telco.billing.payments.terminal_http import credentials
from telco.kernel.i18n import Translator
from telco.web import negotiation
from telco.web.problem import RequestRefused
from telco.web.uploads import read_body

T = TypeVar("T")

UPLOAD_TIMEOUT_S = 30.0
_NUMBER = re.compile(r"[\w/.-]{1,30}")
_FILE_NAME = re.compile(r"[^/\\]{1,100}")


def add_routes(app: web.Application, companies: Companies, translator: Translator) -> None:
    """Serve companies' contacts."""
    face = _Face(companies, translator)
    app.router.add_post("/company/v1/sheets", face.take)
    app.router.add_get("/company/v1/sheets/{sheet_id}", face.read, allow_head=False)


class _Face:
    def __init__(self, companies: Companies, translator: Translator) -> None:
        self._companies = companies
        self._translator = translator

    async def take(self, request: web.Request) -> web.Response:
        """Take ``?kind=register&order_number=417&order_date=2026-03-01&file_name=register.xlsx`` with the file."""
        contact = await self._contact(request)
        kind = _field(request, "kind", SheetKind)
        order = Order(contact.bin, _field(request, "order_number", _number), _field(request, "order_date", _day))
        file_name = _field(request, "file_name", _file_name)
        raw = await read_body(request, most_bytes=MAX_BYTES, timeout_s=UPLOAD_TIMEOUT_S)
        sheet = await self._companies.sheets.take(raw, file_name, kind, order, actor=f"contact:{contact.login}")
        return self._answer(request, sheet)

    async def read(self, request: web.Request) -> web.Response:
        """Answer with a register or letter as it stands."""
        contact = await self._contact(request)
        given = request.match_info["sheet_id"]
        sheet_id = SheetId(int(given)) if given.isascii() and given.isdigit() and len(given) <= 18 else SheetId(0)
        sheet = await self._companies.sheets.get(sheet_id)
        if sheet.order.bin != contact.bin:
            raise SheetUnknownError(sheet_id=sheet_id)
        return self._answer(request, sheet)

    def _answer(self, request: web.Request, sheet: Sheet) -> web.Response:
        told = SheetOut.of(sheet, partial(self._translator.render, language=request[negotiation.LANGUAGE]))
        return web.Response(body=to_json(told), content_type="application/json")

    async def _contact(self, request: web.Request) -> Contact:
        try:
            return await self._companies.sheets.authenticate(*credentials(request.headers.get("Authorization", "")))
        except ContactKeyError as error:
            challenge = {"WWW-Authenticate": 'Basic realm="company payments", charset="UTF-8"'}
            raise RequestRefused(error, headers=challenge) from None


def _field(request: web.Request, name: str, read: Callable[[str], T]) -> T:
    """Read a parameter of the query that stands in it once."""
    try:
        [given] = request.query.getall(name, [])
        return read(given)
    except ValueError:
        raise SheetQueryError(field=name) from None


def _number(given: str) -> str:
    if _NUMBER.fullmatch(given) is None:
        raise ValueError(given)
    return given


def _file_name(given: str) -> str:
    if _FILE_NAME.fullmatch(given) is None or not given.isprintable():
        raise ValueError(given)
    return given


def _day(given: str) -> date:
    day = date.fromisoformat(given)
    if not 2000 <= day.year <= 2199:
        raise ValueError(given)
    return day
