"""The state's e-invoice system over SOAP: sessions, sending, asking.

The operations, their services and the elements of requests and answers are those that published integrations use:
`SessionService` (createSession), `UploadInvoiceService` (syncInvoice), `InvoiceService` (queryInvoice...), and
`AwpWebService` for acts. docs/documents.md says what of this could be checked. The signature of the National
Certification Authority is made by a signing service that keeps the operator's key: a port of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from xml.sax.saxutils import escape

import aiohttp
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from telco.billing.documents.einvoice import (
    EInvoiceTroubleError,
    InProcess,
    Outgoing,
    Refused,
    Registered,
    Taken,
)

ENVELOPE = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:esf="esf" xmlns:awp="v1.awp">'
    "<soapenv:Header/><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
)
MAX_ANSWER = 4_000_000
_DECIDED = frozenset({"DELIVERED", "NOT_VIEWED", "CREATED", "CONFIRMED", "REGISTERED"})
_REFUSED = frozenset({"FAILED", "DECLINED", "CANCELED"})
_SESSION_OVER = "SESSION"


@dataclass(frozen=True, slots=True)
class Services:
    """Where and how a form is handed over and asked about."""

    upload: str
    """Service and operation that take a document."""
    upload_operation: str
    item: str
    """The element that carries one document."""
    query: str
    query_operation: str


SERVICES = {
    "InvoiceV2": Services("UploadInvoiceService", "esf:syncInvoice", "invoice", "InvoiceService", "esf:queryInvoice"),
    "AwpV1": Services("AwpWebService", "awp:uploadAwp", "awp", "AwpWebService", "awp:queryAwp"),
}


@dataclass(frozen=True, slots=True)
class Signature:
    """A detached signature and the certificate that checks it, both in Base64."""

    value: str
    certificate: str


class Signer(Protocol):
    """Keeps the operator's key of the National Certification Authority and signs with it."""

    async def sign(self, body: str) -> Signature:
        """Sign the exact text of a document. It may raise `EInvoiceTroubleError`."""


class HttpSigner:
    """A signing service: takes a text by POST, answers ``{"signature": ..., "certificate": ...}``."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = url

    async def sign(self, body: str) -> Signature:
        try:
            async with self._client.post(self._url, data=body.encode()) as response:
                if response.status != 200:
                    raise EInvoiceTroubleError(f"the signing service answers {response.status}")
                answer: dict[str, Any] = await response.json(content_type=None)
                return Signature(str(answer["signature"]), str(answer["certificate"]))
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            raise EInvoiceTroubleError(f"the signing service: {error!r}") from error


class SessionOverError(EInvoiceTroubleError):
    """The system does not know the session any more."""


class EsfSoap:
    """The state's system as an `EInvoiceSystem`. One session is kept and opened anew when it is over."""

    def __init__(
        self, client: aiohttp.ClientSession, url: str, *, tin: str, login: str, password: str, signer: Signer
    ) -> None:
        """`url` is what the services' names are appended to; `tin` is the operator's BIN."""
        self._client = client
        self._url = url.rstrip("/")
        self._tin = tin
        self._login = login
        self._password = password
        self._signer = signer
        self._session: str | None = None
        self._opening = asyncio.Lock()

    async def send(self, document: Outgoing) -> Taken | Refused:
        services = SERVICES[document.form]
        signature = await self._signer.sign(document.body)
        request = (
            f"<{services.item}UploadInfoList><{services.item}UploadInfo>"
            f"<{services.item}Body>{escape(document.body)}</{services.item}Body>"
            f"<version>{document.form}</version>"
            f"<signature>{escape(signature.value)}</signature><signatureType>COMPANY</signatureType>"
            f"</{services.item}UploadInfo></{services.item}UploadInfoList>"
            f"<x509Certificate>{escape(signature.certificate)}</x509Certificate>"
        )
        answer = await self._call(services.upload, services.upload_operation, request)
        if taken := _first(answer, "acceptedSet"):
            external_id = _text(taken, "id")
            if external_id:
                return Taken(external_id)
        if declined := _first(answer, "declinedSet"):
            return Refused(tuple(_errors(declined)) or ("declined without a reason",))
        raise EInvoiceTroubleError(f"{services.upload_operation}: neither accepted nor declined")

    async def find(self, form: str, number: str) -> Taken | None:
        services = SERVICES[form]
        answer = await self._call(services.query, services.query_operation, f"<num>{escape(number)}</num>")
        found = _first(answer, "info")
        external_id = "" if found is None else _text(found, "id")
        return Taken(external_id) if external_id else None

    async def ask(self, form: str, external_id: str) -> InProcess | Registered | Refused:
        services = SERVICES[form]
        request = f"<idList><id>{escape(external_id)}</id></idList>"
        answer = await self._call(services.query, services.query_operation, request)
        found = _first(answer, "info")
        if found is None:
            raise EInvoiceTroubleError(f"the system does not know {external_id}")
        status = _text(found, "status")
        if status in _REFUSED:
            return Refused(tuple(_errors(found)) or (status,))
        if status in _DECIDED and (number := _text(found, "registrationNumber")):
            return Registered(number)
        return InProcess()

    async def _call(self, service: str, operation: str, request: str) -> Any:
        """Call within the session; one that is over is opened again, once."""
        for last in (False, True):
            session = await self._open()
            try:
                body = f"<sessionId>{escape(session)}</sessionId>{request}"
                return await self._post(service, operation, body)
            except SessionOverError:
                self._session = None
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _open(self) -> str:
        async with self._opening:
            if self._session is None:
                body = (
                    f"<tin>{escape(self._tin)}</tin><login>{escape(self._login)}</login>"
                    f"<password>{escape(self._password)}</password>"
                )
                answer = await self._post("SessionService", "esf:createSession", body)
                self._session = _text(answer, "sessionId")
                if not self._session:
                    self._session = None
                    raise EInvoiceTroubleError("the system opened no session")
            return self._session

    async def _post(self, service: str, operation: str, request: str) -> Any:
        name = f"{operation}Request"
        envelope = ENVELOPE.format(body=f"<{name}>{request}</{name}>")
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": operation.partition(":")[2]}
        try:
            async with self._client.post(f"{self._url}/{service}", data=envelope.encode(), headers=headers) as response:
                text, status = await _whole(response), response.status
            tree = fromstring(text)
        except (aiohttp.ClientError, OSError) as error:
            raise EInvoiceTroubleError(f"{operation}: {error!r}") from error
        except (DefusedXmlException, SyntaxError, ValueError) as error:
            raise EInvoiceTroubleError(f"{operation}: the answer is no XML ({error!r})") from error
        fault = _first(tree, "Fault")
        if fault is not None:
            said = f"{_text(fault, 'faultcode')}: {_text(fault, 'faultstring')}"
            raise SessionOverError(said) if _SESSION_OVER in said.upper() else EInvoiceTroubleError(said)
        if status != 200:
            raise EInvoiceTroubleError(f"{operation}: HTTP {status}")
        return tree


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer, but no more than an answer can be."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise ValueError(f"longer than {MAX_ANSWER} bytes")
    return b"".join(parts)


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _first(tree: Any, name: str) -> Any | None:
    """Find the first element of a name, whatever its namespace, that has something in it."""
    return next((element for element in tree.iter() if _local(element) == name and len(element)), None)


def _text(tree: Any, name: str) -> str:
    return next(((element.text or "").strip() for element in tree.iter() if _local(element) == name), "")


def _errors(tree: Any) -> Sequence[str]:
    """Read every error as "CODE: what it says"."""
    found = []
    for element in tree.iter():
        code, said = _child(element, "errorCode"), _child(element, "text") or _child(element, "errorDescription")
        if code:
            found.append(f"{code}: {said}" if said else code)
    return found


def _child(element: Any, name: str) -> str:
    return next(((child.text or "").strip() for child in element if _local(child) == name), "")
