"""The check/pay protocol over HTTP, as terminals and banks speak it: GET in, a small XML document out.

It stands beside the staff's API because its form is theirs, not ours: HTTP Basic (the provider's code and key), HTTP
status 200 with a result code in the body, 401 for who is not let in. What went wrong on our side is result 1, "later":
a payment is one transaction, so the repetition finds either all of it or nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from datetime import date
from xml.sax.saxutils import escape

import structlog
from aiohttp import web
from pydantic_core import to_json

from telco.billing.payments import rules
from telco.billing.payments.errors import ProviderKeyError
from telco.billing.payments.model import Provider, Reason, TerminalAnswer, TerminalRequest
from telco.billing.payments.registers import MAX_BYTES
from telco.billing.payments.schemas import ReconciledOut
from telco.billing.payments.ways import WaysIn
from telco.kernel.i18n import Text, Translator
from telco.kernel.money import json_money
from telco.web import negotiation
from telco.web.errors import RouteNotFoundError
from telco.web.problem import RequestRefused
from telco.web.uploads import read_body

TIMEOUT_S = 20.0
"""For one payment; providers wait about a minute."""
UPLOAD_TIMEOUT_S = 30.0

COMMENTS: Mapping[Reason, Text] = {
    Reason.OK: Text("OK"),
    Reason.TRY_LATER: Text("The service cannot answer now. Send the same request again."),
    Reason.ACCOUNT_FORMAT: Text("This is neither a phone number nor a personal account."),
    Reason.ACCOUNT_UNKNOWN: Text("There is no such subscriber."),
    Reason.NUMBER_PORTED: Text("The number was ported to another operator."),
    Reason.NUMBER_ENDED: Text("The contract for this number has ended."),
    Reason.SUM_LIMITS: Text("The sum is less or more than one payment may be."),
    Reason.SUM_FORMAT: Text("The sum must be tenge with at most two decimals, such as 500.00."),
    Reason.TXN_ID_FORMAT: Text("The txn_id must be 1 to 36 letters, digits, - or _."),
    Reason.TXN_DATE: Text("The txn_date must be a time like 20260302110000, at most 31 days ago."),
    Reason.TXN_ID_REUSED: Text("This txn_id came before with another sum or account. Nothing was changed."),
    Reason.COMMAND: Text("The command must be check or pay."),
    Reason.PARAMETERS: Text("A parameter is missing or given twice."),
}

log = structlog.get_logger(__name__)


def add_routes(app: web.Application, ways: WaysIn, translator: Translator) -> None:
    """Serve the protocol, and the daily registers, to providers."""
    face = _Face(ways, translator)
    app.router.add_get("/terminal/v1/payments", face.payments, allow_head=False)
    app.router.add_get("/terminal/v1/registers/{day}", face.our_register, allow_head=False)
    app.router.add_post("/terminal/v1/registers/{day}", face.take_register)


def read(query: Mapping[str, str], repeated: bool) -> tuple[str, TerminalRequest] | Reason:
    """Read a request's command and fields strictly, or say what is wrong with the first that cannot be read.

    `repeated` tells that a parameter is given twice: which of the two is meant, nobody knows.
    """
    command = query.get("command", "")
    if repeated or not {"command", "txn_id", "account", "sum"} <= query.keys():
        return Reason.PARAMETERS
    if command not in ("check", "pay"):
        return Reason.COMMAND
    if not rules.is_txn_id(query["txn_id"]):
        return Reason.TXN_ID_FORMAT
    amount = rules.parse_sum(query["sum"])
    if amount is None:
        return Reason.SUM_FORMAT
    txn_at = rules.parse_txn_date(query.get("txn_date", ""))
    if command == "pay" and txn_at is None:
        return Reason.TXN_DATE
    return command, TerminalRequest(query["txn_id"], query["account"], amount, txn_at)


class _Face:
    def __init__(self, ways: WaysIn, translator: Translator) -> None:
        self._ways = ways
        self._translator = translator

    async def payments(self, request: web.Request) -> web.Response:
        """Answer ``command=check`` and ``command=pay``."""
        txn_id = request.query.get("txn_id", "")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                provider = await self._provider(request)
                answer = await self._answer(provider, request)
        except (ProviderKeyError, RequestRefused):
            raise
        except Exception:
            log.exception("terminal_answer_failed")
            answer = _refusal(Reason.TRY_LATER, txn_id)
        return self._xml(answer, request)

    async def _answer(self, provider: Provider, request: web.Request) -> TerminalAnswer:
        query = request.query
        asked = read({name: query[name] for name in query}, len(query) != len(set(query)))
        if isinstance(asked, Reason):
            return _refusal(asked, query.get("txn_id", ""))
        command, terminal_request = asked
        terminals = self._ways.terminals
        if command == "check":
            return await terminals.check(provider, terminal_request)
        return await terminals.pay(provider, terminal_request)

    async def our_register(self, request: web.Request) -> web.Response:
        """Answer with our register of a day, as CSV."""
        provider = await self._provider(request)
        text = await self._ways.registers.ours(provider.code, _day(request))
        return web.Response(text=text, content_type="text/csv", charset="utf-8")

    async def take_register(self, request: web.Request) -> web.Response:
        """Compare the provider's register (CSV) with ours and answer with the differences."""
        provider, day = await self._provider(request), _day(request)
        raw = await read_body(request, most_bytes=MAX_BYTES, timeout_s=UPLOAD_TIMEOUT_S)
        reconciled = await self._ways.registers.take(provider.code, day, raw, actor=f"provider:{provider.code}")
        return web.Response(body=to_json(ReconciledOut.of(reconciled)), content_type="application/json")

    async def _provider(self, request: web.Request) -> Provider:
        try:
            return await self._ways.providers.authenticate(*credentials(request.headers.get("Authorization", "")))
        except ProviderKeyError as error:
            challenge = {"WWW-Authenticate": 'Basic realm="payments", charset="UTF-8"'}
            raise RequestRefused(error, headers=challenge) from None

    def _xml(self, answer: TerminalAnswer, request: web.Request) -> web.Response:
        comment = self._translator.render(COMMENTS[answer.reason], request[negotiation.LANGUAGE])
        fields = {
            "osmp_txn_id": answer.txn_id,
            "prv_txn": "" if answer.payment_id is None else str(answer.payment_id),
            "sum": "" if answer.amount is None else json_money(answer.amount),
            "result": str(answer.result.value),
            "comment": comment,
        }
        body = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items() if value)
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<response>{body}</response>\n'
        return web.Response(text=text, content_type="text/xml", charset="utf-8", headers={"Cache-Control": "no-store"})


def credentials(header: str) -> tuple[str, str]:
    """Read HTTP Basic; what is not it is nobody's."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        code, _, key = base64.b64decode(given.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return code, key


def _refusal(reason: Reason, txn_id: str) -> TerminalAnswer:
    """Make the answer to what could not be read; a txn_id is repeated only when it is one."""
    return TerminalAnswer(reason, rules.RESULTS[reason], txn_id if rules.is_txn_id(txn_id) else "")


def _day(request: web.Request) -> date:
    try:
        day = date.fromisoformat(request.match_info["day"])
    except ValueError:
        raise RouteNotFoundError from None
    if not 2000 <= day.year <= 2199:
        raise RouteNotFoundError
    return day
