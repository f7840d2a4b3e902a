"""The state's e-invoice system, simulated: SOAP over HTTP, sessions, documents that are checked, registered or refused.

What it imitates is written down as a suite, tests/lab/test_einvoice.py, and in docs/documents.md. It can be told to
misbehave as real ones do: be down, lose an answer, take its time, end a session.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from aiohttp import web
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.lab.einvoice_check import FORMS, Flaw, check, parse

CERTIFICATE: Final = b64encode(b"a certificate of the lab, which no authority gave").decode()
_SIGNING_KEY: Final = b"the lab's key, no secret"
_LIMIT: Final = 4_000_000
_ANSWER: Final = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{}</soap:Body></soap:Envelope>'
)


@dataclass
class Kept:
    """A document that was taken."""

    external_id: str
    form: str
    number: str
    body: str
    tree: Any
    tin: str
    polls_left: int
    status: str = "IN_PROCESSING"
    registration_number: str = ""
    flaws: list[Flaw] = field(default_factory=list)


_WRITTEN: Final = ("external_id", "form", "number", "body", "tin", "polls_left", "status", "registration_number")


class FaultError(Exception):
    """The request is answered with a SOAP fault."""


class EInvoiceLab:
    """The system's services under one address, and the signing service beside them."""

    def __init__(
        self, clock: Clock, calendar: Calendar, *, tin: str, login: str, password: str, journal: Path | None = None
    ) -> None:
        """What was taken is written to the file `journal`, if there is one, and known again after a restart."""
        self._clock = clock
        self._calendar = calendar
        self._tin = tin
        self._login = login
        self._password = password
        self._sessions: set[str] = set()
        self._journal = journal
        self.documents: dict[str, Kept] = {} if journal is None else _read_journal(journal)
        self.down = False
        """Answer everything with 503."""
        self.lose_answers = 0
        """How many of the next requests are carried out and not answered."""
        self.polls = 1
        """How often it has to be asked before it has decided."""
        self.unknown_buyers: set[str] = set()
        """IIN/BIN that the state does not know: such a document is refused when it is checked."""
        self._operations: dict[str, Callable[[Any], str]] = {
            "createSessionRequest": self._create_session,
            "syncInvoiceRequest": lambda request: self._upload(request, "InvoiceV2", "invoice"),
            "uploadAwpRequest": lambda request: self._upload(request, "AwpV1", "awp"),
            "queryInvoiceRequest": lambda request: self._query(request, "InvoiceV2"),
            "queryAwpRequest": lambda request: self._query(request, "AwpV1"),
        }

    def app(self) -> web.Application:
        """Return the application: ``/ws/<service>`` and ``/sign``."""
        app = web.Application(client_max_size=_LIMIT)
        app.router.add_post("/ws/{service}", self._serve)
        app.router.add_post("/sign", self._sign)
        return app

    def end_sessions(self) -> None:
        """Forget every session, as the system does at night."""
        self._sessions.clear()

    async def _sign(self, request: web.Request) -> web.Response:
        return web.json_response({"signature": signature(await request.read()), "certificate": CERTIFICATE})

    async def _serve(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=503, text="down for maintenance")
        try:
            envelope = fromstring(await request.read())
        except (SyntaxError, DefusedXmlException) as error:
            return _fault(f"CLIENT: {error}")
        operation = next((element for element in envelope.iter() if _local(element) in self._operations), None)
        if operation is None:
            return _fault("CLIENT: no operation that is known here")
        try:
            answer = self._operations[_local(operation)](operation)
        except FaultError as fault:
            return _fault(str(fault))
        if self.lose_answers > 0:
            self.lose_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.Response(text=_ANSWER.format(answer), content_type="text/xml", charset="utf-8")

    def _create_session(self, request: Any) -> str:
        given = tuple(request.findtext(name) for name in ("tin", "login", "password"))
        if given != (self._tin, self._login, self._password):
            raise FaultError("ACCESS: wrong tin, login or password")
        session = secrets.token_hex(16)
        self._sessions.add(session)
        return (
            f'<esf:createSessionResponse xmlns:esf="esf"><sessionId>{session}</sessionId></esf:createSessionResponse>'
        )

    def _authorize(self, request: Any) -> None:
        if request.findtext("sessionId") not in self._sessions:
            raise FaultError("SESSION_CLOSED: open a session first")

    def _upload(self, request: Any, form: str, item: str) -> str:
        self._authorize(request)
        info = request.find(f"{item}UploadInfoList/{item}UploadInfo")
        if info is None:
            raise FaultError("CLIENT: nothing was sent")
        body = info.findtext(f"{item}Body") or ""
        flaws = self._at_the_door(info, request, form, body)
        if flaws:
            listed = "".join(_error(flaw) for flaw in flaws)
            answer = f"<acceptedSet/><declinedSet><declined>{listed}</declined></declinedSet>"
        else:
            kept = self._keep(form, body)
            answer = (
                f"<acceptedSet><standardResponse><id>{kept.external_id}</id><num>{kept.number}</num>"
                "</standardResponse></acceptedSet><declinedSet/>"
            )
        return f'<esf:response xmlns:esf="esf">{answer}</esf:response>'

    def _at_the_door(self, info: Any, request: Any, form: str, body: str) -> list[Flaw]:
        """What is declined at once: a signature that is not of this text, no XML, a number that was used."""
        if info.findtext("version") != form:
            return [Flaw("INVALID_VERSION", f"only {form} is taken here")]
        if request.findtext("x509Certificate") != CERTIFICATE:
            return [Flaw("INVALID_CERTIFICATE", "the certificate is not known")]
        if not hmac.compare_digest(info.findtext("signature") or "", signature(body.encode())):
            return [Flaw("INVALID_SIGNATURE", "the signature is not of this text")]
        try:
            tree = parse(body)
        except ValueError as error:
            return [Flaw("XML_SCHEMA", str(error))]
        number = tree.findtext(FORMS[form].number) or ""
        if any(
            (kept.form, kept.number) == (form, number) and kept.status != "FAILED" for kept in self.documents.values()
        ):
            return [Flaw("DUPLICATE_NUMBER", f"{number} was sent before")]
        return []

    def _keep(self, form: str, body: str) -> Kept:
        external_id = str(100_000 + len(self.documents))
        tree = parse(body)
        number = tree.findtext(FORMS[form].number) or ""
        kept = Kept(external_id, form, number, body, tree, self._tin, self.polls)
        self.documents[external_id] = kept
        self._write([kept])
        return kept

    def _write(self, changed: Iterable[Kept]) -> None:
        """Write documents as they are now, before anybody is told."""
        if self._journal is None:
            return
        with self._journal.open("a", encoding="utf-8") as file:
            for kept in changed:
                fields = {name: getattr(kept, name) for name in _WRITTEN}
                fields["flaws"] = [[flaw.code, flaw.text] for flaw in kept.flaws]
                file.write(json.dumps(fields) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _query(self, request: Any, form: str) -> str:
        self._authorize(request)
        number, external_id = request.findtext("num"), request.findtext("idList/id")
        found = [
            kept
            for kept in self.documents.values()
            if kept.form == form
            and (
                kept.external_id == external_id if number is None else kept.number == number and kept.status != "FAILED"
            )
        ]
        waiting = [kept for kept in found if kept.status == "IN_PROCESSING"]
        self._write([changed for kept in waiting for changed in self._decide(kept)])
        return f'<esf:response xmlns:esf="esf"><infoList>{"".join(map(_info, found))}</infoList></esf:response>'

    def _decide(self, kept: Kept) -> list[Kept]:
        """Check a document once it was asked about often enough; returns it, and the one that it corrects."""
        kept.polls_left -= 1
        if kept.polls_left > 0:
            return [kept]
        today = self._calendar.today(self._clock.now())
        kept.flaws = check(kept.form, kept.tree, tin=kept.tin, today=today)
        flaws, corrected = self._of_the_state(kept)
        kept.flaws += flaws
        if kept.flaws:
            kept.status = "FAILED"
            return [kept]
        kept.status = "DELIVERED"
        letters = {"InvoiceV2": "ESF", "AwpV1": "AWP"}[kept.form]
        kept.registration_number = f"{letters}-{kept.tin}-{today:%Y%m%d}-{int(kept.external_id):08d}"
        if corrected is None:
            return [kept]
        corrected.status = "CANCELED"
        return [kept, corrected]

    def _of_the_state(self, kept: Kept) -> tuple[list[Flaw], Kept | None]:
        """What only the state knows: its taxpayers, and which registered document a good one cancels."""
        flaws, corrected = [], None
        buyer = kept.tree.findtext(f"{FORMS[kept.form].buyer}/tin")
        if buyer in self.unknown_buyers:
            flaws.append(Flaw("CUSTOMER_NOT_FOUND", f"there is no taxpayer {buyer}"))
        related = kept.tree.findtext("relatedInvoice/registrationNumber")
        if related is not None:
            earlier = next((other for other in self.documents.values() if other.registration_number == related), None)
            if earlier is None or earlier.number != kept.tree.findtext("relatedInvoice/num"):
                flaws.append(Flaw("RELATED_NOT_FOUND", f"{related} is not registered under that number"))
            elif earlier.status == "CANCELED":
                flaws.append(Flaw("RELATED_CANCELED", f"{related} was corrected before"))
            elif kept.tree.findtext("invoiceType") == "FIXED_INVOICE":
                corrected = earlier
        return flaws, corrected


def _read_journal(journal: Path) -> dict[str, Kept]:
    """Read what was taken, each document as it was written last; a line that a kill cut off was told to nobody."""
    documents: dict[str, Kept] = {}
    lines = journal.read_text("utf-8", errors="replace").splitlines(keepends=True) if journal.exists() else []
    if lines and not lines[-1].endswith("\n"):
        del lines[-1]
        journal.write_text("".join(lines), "utf-8")
    for line in lines:
        fields = json.loads(line)
        flaws = [Flaw(code, text) for code, text in fields.pop("flaws")]
        kept = Kept(**fields, tree=parse(fields["body"]), flaws=flaws)
        documents[kept.external_id] = kept
    return documents


def signature(body: bytes) -> str:
    """Sign a text as the lab does: a keyed hash instead of the certification authority's signature."""
    return b64encode(hmac.new(_SIGNING_KEY, body, hashlib.sha256).digest()).decode()


def _info(kept: Kept) -> str:
    parts = [f"<id>{kept.external_id}</id><num>{escape(kept.number)}</num><status>{kept.status}</status>"]
    if kept.registration_number:
        parts.append(f"<registrationNumber>{kept.registration_number}</registrationNumber>")
    return f"<info>{''.join(parts)}{''.join(map(_error, kept.flaws))}</info>"


def _error(flaw: Flaw) -> str:
    return f"<error><errorCode>{escape(flaw.code)}</errorCode><text>{escape(flaw.text)}</text></error>"


def _fault(text: str) -> web.Response:
    code, _, said = text.partition(": ")
    body = f"<soap:Fault><faultcode>{escape(code)}</faultcode><faultstring>{escape(said)}</faultstring></soap:Fault>"
    return web.Response(status=500, text=_ANSWER.format(body), content_type="text/xml", charset="utf-8")


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
