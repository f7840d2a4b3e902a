"""What companies are given in writing goes to them by e-mail, each document once.

Contract: PSC-4.5, PSC-1.1.30
"""

from __future__ import annotations

import structlog

from telco.billing.documents.model import Document, DocumentId, Rendered
from telco.billing.documents.pdf.writer import about_earlier, title_of
from telco.billing.documents.service import ISSUED, Documents
from telco.db.outbox import Dispatcher, OutboxEvent
from telco.db.pool import Connection, Database
from telco.email.errors import EmailAddressError, EmailContentError
from telco.email.model import Attachment, OutgoingEmail
from telco.email.service import Email
from telco.kernel.i18n import Language, Text, Translator
from telco.subscribers.addressees import addressee

log = structlog.get_logger(__name__)


class DocumentMail:
    """Consumes what was issued to companies and stores the messages."""

    def __init__(self, database: Database, translator: Translator, documents: Documents, email: Email) -> None:
        self._database = database
        self._translator = translator
        self._documents = documents
        self._email = email

    def subscribe_to(self, outbox: Dispatcher) -> None:
        outbox.subscribe(ISSUED, self.on_issued)

    async def on_issued(self, event: OutboxEvent) -> None:
        """Send a document in PDF to its company, where e-mail is set up and an address is known. Contract: PSC-4.5"""
        if not self._email.enabled:
            return
        issued = await self._documents.get(DocumentId(event.payload["document_id"]))
        async with self._database.acquire() as connection:
            owner = await addressee(connection, issued.account)
        if owner is None or not owner.party.email:
            return
        document, _ = await self._documents.document(issued.document_id)
        paper = await self._documents.render(issued.document_id, owner.language)
        key = f"document:{issued.document_id}"
        message = self._message(document, paper, owner.party.email, owner.language, key)

        async def body(connection: Connection) -> None:
            await self._email.enqueue(connection, message, dedupe_key=key)

        try:
            await self._database.transact("documents.mail", body)
        except (EmailAddressError, EmailContentError) as error:  # no later try would do better
            log.warning("document_not_mailed", document_id=issued.document_id, error=str(error))

    def _message(
        self, document: Document, paper: Rendered, address: str, language: Language, reference: str
    ) -> OutgoingEmail:
        subject = self._translator.render(title_of(document), language)
        lines = [Text("Attached: {document} dated {day}.", document=subject, day=f"{document.issued_on:%d.%m.%Y}")]
        if document.corrects is not None:
            earlier = document.corrects
            lines.append(about_earlier(document.kind, earlier, f"{earlier.issued_on:%d.%m.%Y}"))
        lines.append(Text("This address reads no answers."))
        return OutgoingEmail(
            address,
            subject,
            "".join(f"{self._translator.render(line, language)}\n" for line in lines),
            reference,
            (Attachment(paper.file_name, paper.media_type, paper.content),),
        )
