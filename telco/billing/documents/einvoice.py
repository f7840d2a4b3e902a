"""The way of documents through the state's e-invoice system: a queue, sent after the commit, until each is settled.

The system is reached through a port. It first takes a document (or declines it at once), checks it in its own time and
then registers it under a number or refuses it with errors. A machine that dies between sending and noting it leaves a
document that may be there already: before it is sent again the system is asked for it by its number.

Contract: PSC-4.5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog
from prometheus_client import Counter

from telco.billing.documents import esf, rules, store
from telco.billing.documents.errors import DocumentCorrectedError, EInvoiceStateError, EInvoiceUnknownError
from telco.billing.documents.model import DocumentId, EInvoice, EInvoiceState, Kind
from telco.billing.documents.service import Documents
from telco.billing.documents.store import Q
from telco.db import audit
from telco.db.pool import LOST_CONNECTION, Connection, Database, Record
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError

BATCH = 50
LEASE = timedelta(minutes=5)
"""How long a machine that took a document and died keeps others from it."""
ASK_AGAIN = timedelta(minutes=1)
"""How soon the system is asked what it found."""
_SETTLED = Counter("telco_einvoices_total", "Documents settled by the state's e-invoice system", ["result"])

log = structlog.get_logger(__name__)


class EInvoiceTroubleError(Exception):
    """The system cannot be reached, or answers with nonsense: it will be tried again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A document to be signed and sent."""

    form: str
    """`InvoiceV2` or `AwpV1`."""
    number: str
    """In digits, as the body has it."""
    body: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The system took a document, under an id of its own."""

    external_id: str


@dataclass(frozen=True, slots=True)
class InProcess:
    """The system has not decided yet."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The system registered a document: from now on it is an e-invoice."""

    registration_number: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The system refused a document, with every error it found."""

    errors: tuple[str, ...]


class EInvoiceSystem(Protocol):
    """The state's e-invoice system, as far as it is needed. Every method may raise `EInvoiceTroubleError`."""

    async def send(self, document: Outgoing) -> Taken | Refused:
        """Sign a document and hand it over; it is refused at once where it is no valid document at all."""

    async def find(self, form: str, number: str) -> Taken | None:
        """Ask whether a document of ours under a number is there: after an answer that was lost."""

    async def ask(self, form: str, external_id: str) -> InProcess | Registered | Refused:
        """Ask what became of a document that was taken."""


class EInvoices:
    """Use cases of the queue."""

    def __init__(
        self, database: Database, clock: Clock, documents: Documents, system: EInvoiceSystem | None = None
    ) -> None:
        """Without `system` documents wait in the queue."""
        self._database = database
        self._clock = clock
        self._documents = documents
        self._system = system

    async def run(self) -> dict[str, object]:
        """Send what waits and ask about what was sent, each once; tell how many went which way."""
        counts: dict[str, object] = {state.value: 0 for state in EInvoiceState}
        if self._system is None:
            return {"system": "none"}
        while claimed := await self._claim():
            for row in claimed:
                state = await self._advance(self._system, row)
                counts[state.value] = int(str(counts[state.value])) + 1
        return counts

    async def _claim(self) -> list[Record]:
        now = self._clock.now()

        async def body(connection: Connection) -> list[Record]:
            return await connection.fetch(Q.claim_einvoices, now, now + LEASE, BATCH)

        return await self._database.transact("documents.claim_einvoices", body)

    async def _advance(self, system: EInvoiceSystem, row: Record) -> EInvoiceState:
        """Carry a document one step on and tell where it is then; no transaction is open while the system is asked.

        Whatever is in the way of one document is noted with it, and holds no other up.
        """
        document_id, attempts = DocumentId(row["document_id"]), int(row["attempts"])
        try:
            if row["state"] == EInvoiceState.QUEUED:
                return await self._send(system, document_id, attempts)
            issued = await self._documents.get(document_id)
            answer = await system.ask(esf.FORMS[issued.kind], row["external_id"])
            return await self._settle(document_id, answer)
        except (EInvoiceTroubleError, DomainError) as error:
            trouble = f"{error.code}: {error}" if isinstance(error, DomainError) else str(error)
            log.warning("einvoice_trouble", document_id=document_id, attempts=attempts, error=trouble)
        except LOST_CONNECTION:
            raise
        except Exception as error:  # a defect of ours
            trouble = f"{type(error).__name__}: {error}"
            log.exception("einvoice_failed", document_id=document_id, attempts=attempts)
        await self._later(document_id, rules.next_try(attempts, self._clock.now()), trouble[:500])
        return EInvoiceState(row["state"])

    async def _send(self, system: EInvoiceSystem, document_id: DocumentId, attempts: int) -> EInvoiceState:
        document, _ = await self._documents.document(document_id)
        form, number = esf.FORMS[document.kind], rules.esf_number(document.number)
        earlier = await self._documents.earlier(document)
        lowers_nothing = document.kind is Kind.CREDIT_NOTE and earlier.related is None
        if not earlier.decided or lowers_nothing:  # what was refused can be replaced, but not lowered
            await self._later(document_id, self._clock.now() + ASK_AGAIN, "waits for the document that it corrects")
            return EInvoiceState.QUEUED
        answer: Taken | Refused | None = await system.find(form, number) if attempts > 1 else None
        if answer is None:
            answer = await system.send(Outgoing(form, number, esf.to_body(document, earlier.related)))
        if isinstance(answer, Refused):
            return await self._settle(document_id, answer)
        ask_at = self._clock.now() + ASK_AGAIN
        await self._change(Q.einvoice_sent, document_id, answer.external_id, ask_at)
        return EInvoiceState.SENT

    async def _settle(self, document_id: DocumentId, answer: InProcess | Registered | Refused) -> EInvoiceState:
        now = self._clock.now()
        match answer:
            case InProcess():
                await self._later(document_id, now + ASK_AGAIN, None)
                return EInvoiceState.SENT
            case Registered(registration_number=number):
                await self._change(Q.einvoice_registered, document_id, number, now)
                state = EInvoiceState.REGISTERED
            case Refused(errors=errors):
                log.error("einvoice_refused", document_id=document_id, errors=errors)
                await self._change(Q.einvoice_refused, document_id, list(errors), now)
                state = EInvoiceState.REFUSED
        _SETTLED.labels(state.value).inc()
        return state

    async def _later(self, document_id: DocumentId, at: object, trouble: str | None) -> None:
        await self._change(Q.einvoice_later, document_id, at, trouble)

    async def _change(self, query: str, *arguments: object) -> None:
        async def body(connection: Connection) -> None:
            await connection.execute(query, *arguments)

        await self._database.transact("documents.change_einvoice", body)

    # What staff ask

    async def get(self, document_id: DocumentId) -> EInvoice:
        """Read where a document is on its way.

        Raises:
            EInvoiceUnknownError
        """
        found = await self._find(document_id)
        if found is None:
            raise EInvoiceUnknownError(document_id=document_id)
        return found

    async def _find(self, document_id: DocumentId) -> EInvoice | None:
        row = await self._database.fetchrow(Q.einvoice, document_id)
        return None if row is None else store.einvoice_of(row)

    async def in_state(self, state: EInvoiceState, after: int, limit: int) -> Sequence[EInvoice]:
        """List what is in a state, from beyond an id."""
        return [store.einvoice_of(row) for row in await self._database.fetch(Q.einvoices, state, after, limit)]

    async def send_again(self, document_id: DocumentId, *, reason: str, actor: str) -> EInvoice:
        """Send a refused document as it is once more: what was wrong was put right outside it.

        Raises:
            EInvoiceUnknownError
            EInvoiceStateError: it was not refused.
            DocumentCorrectedError: what took its place went there, or will: both would count.
        """

        async def body(connection: Connection) -> None:
            again = await connection.fetchval(Q.einvoice_again, document_id, self._clock.now())
            if again is None:
                row = await connection.fetchrow(Q.einvoice, document_id)
                if row is None:
                    raise EInvoiceUnknownError(document_id=document_id)
                if row["state"] == EInvoiceState.REFUSED:
                    raise DocumentCorrectedError(number=row["number"])
                raise EInvoiceStateError(document_id=document_id, state=row["state"])
            await audit.record(
                connection,
                at=self._clock.now(),
                actor=actor,
                action="documents.einvoice_again",
                subject=f"document:{document_id}",
                ground=reason,
            )

        await self._database.transact("documents.einvoice_again", body)
        return await self.get(document_id)
