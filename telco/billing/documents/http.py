"""The staff's API of documents. Documents hold personal data: every read of one is an audit row (PSC-1.1.21)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from telco.billing.documents import errors as e
from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.model import DocumentId, DutyState, EInvoiceState, Format, Kind
from telco.billing.documents.schemas import (
    AccountText,
    AllRequisitesOut,
    CorrectDocumentIn,
    DatedRequisitesOut,
    DocumentOut,
    DocumentsOut,
    DutiesOut,
    DutyOut,
    EInvoiceOut,
    EInvoicesOut,
    OfInvoiceIn,
    OfPeriodIn,
    RequisitesIn,
)
from telco.billing.documents.service import Search
from telco.billing.invoicing.errors import InvoiceUnknownError
from telco.billing.invoicing.model import InvoiceId
from telco.kernel.i18n import Language
from telco.kernel.iban import IbanError
from telco.kernel.ids import ContractId
from telco.web.api import Api, ApiRequest, File
from telco.web.fields import Day, Id
from telco.web.staff import Role

_READERS = {Role.CLERK, Role.CASHIER, Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_BOOKS = {Role.ACCOUNTANT, Role.SUPERVISOR, Role.AUDITOR}
_DOCUMENTS, _EINVOICES, _REQUISITES = ["Documents"], ["E-invoices"], ["Requisites"]
_MEDIA = ("application/pdf", "application/xml", "application/json")

IinBin = Annotated[str | None, Field(pattern=r"^[0-9]{12}$", examples=["990140000007"])]
Number = Annotated[str | None, Field(pattern=r"^[A-Z]{1,4}-[0-9]{4}-[0-9]{1,12}$", examples=["ACT-2026-0000001"])]
After = Annotated[int, Field(ge=0, le=2**62)]
Before = Annotated[int | None, Field(ge=1, le=2**62)]
Limit = Annotated[int, Field(ge=1, le=500)]


def routes(api: Api, desk: DocumentDesk) -> None:
    """Declare the routes of documents."""
    _issue_routes(api, desk)
    _period_routes(api, desk)
    _correction_routes(api, desk)
    _read_routes(api, desk)
    _duty_routes(api, desk)
    _einvoice_routes(api, desk)
    _requisites_routes(api, desk)


def _issue_routes(api: Api, desk: DocumentDesk) -> None:
    async def issue_invoice(request: ApiRequest, body: OfInvoiceIn) -> DocumentOut:
        """Under the invoice's own number; asked for again, it is the same document."""
        issued = await desk.documents.issue_invoice(InvoiceId(body.invoice_id), actor=request.actor.actor)
        return DocumentOut.of(issued)

    async def issue_act(request: ApiRequest, body: OfInvoiceIn) -> DocumentOut:
        """For companies; asked for again, it is the same document."""
        issued = await desk.documents.issue_act(InvoiceId(body.invoice_id), actor=request.actor.actor)
        return DocumentOut.of(issued)

    of_invoice: dict[str, Any] = {"body": OfInvoiceIn, "response": DocumentOut, "status": 201, "tags": _DOCUMENTS}
    api.post(
        "/v1/documents/invoices",
        roles={Role.CLERK, Role.ACCOUNTANT},
        errors=[InvoiceUnknownError, e.RequisitesMissingError],
        summary="Issue the document of an invoice",
        **of_invoice,
    )(issue_invoice)
    api.post(
        "/v1/documents/acts",
        roles={Role.ACCOUNTANT},
        errors=[InvoiceUnknownError, e.RequisitesMissingError, e.NothingSuppliedError, e.ActForCompanyError],
        summary="Issue an act of services",
        **of_invoice,
    )(issue_act)


def _period_routes(api: Api, desk: DocumentDesk) -> None:
    async def issue_statement(request: ApiRequest, body: OfPeriodIn) -> DocumentOut:
        """Every movement of a personal account, at most a year and 20,000 lines."""
        issued = await desk.documents.issue_statement(
            body.account, body.period(), actor=request.actor.actor, request_id=request.operation_id
        )
        return DocumentOut.of(issued)

    async def issue_reconciliation(request: ApiRequest, body: OfPeriodIn) -> DocumentOut:
        """Invoices and money of a period, and what is owed at its ends."""
        issued = await desk.documents.issue_reconciliation(
            body.account, body.period(), actor=request.actor.actor, request_id=request.operation_id
        )
        return DocumentOut.of(issued)

    of_period: dict[str, Any] = {
        "body": OfPeriodIn,
        "response": DocumentOut,
        "status": 201,
        "tags": _DOCUMENTS,
        "idempotent": True,
        "errors": [
            e.AccountOwnerUnknownError,
            e.DocumentPeriodError,
            e.RequisitesMissingError,
            e.DocumentTooLongError,
        ],
    }
    api.post(
        "/v1/documents/statements",
        roles={Role.CLERK, Role.ACCOUNTANT},
        summary="Issue an itemised statement",
        **of_period,
    )(issue_statement)
    api.post(
        "/v1/documents/reconciliations",
        roles={Role.ACCOUNTANT},
        summary="Issue a reconciliation act",
        **of_period,
    )(issue_reconciliation)


def _correction_routes(api: Api, desk: DocumentDesk) -> None:
    async def correct(request: ApiRequest, document_id: Id, body: CorrectDocumentIn) -> DocumentOut:
        """By a new document that refers to it, made of what was put right meanwhile; the old one stays."""
        issued = await desk.documents.correct(DocumentId(document_id), reason=body.reason, actor=request.actor.actor)
        return DocumentOut.of(issued)

    api.post(
        "/v1/documents/{document_id}/corrections",
        roles={Role.SUPERVISOR},
        body=CorrectDocumentIn,
        response=DocumentOut,
        status=201,
        errors=[
            e.DocumentUnknownError,
            e.DocumentCorrectedError,
            e.DocumentNotCorrectableError,
            e.DocumentUnchangedError,
            e.RequisitesMissingError,
        ],
        summary="Correct a document",
        tags=_DOCUMENTS,
    )(correct)


def _read_routes(api: Api, desk: DocumentDesk) -> None:
    async def find(
        _: ApiRequest,
        account: AccountText | None = None,
        contract_id: Id | None = None,
        iin_bin: IinBin = None,
        kind: Kind | None = None,
        number: Number = None,
        before: Before = None,
        limit: Limit = 100,
    ) -> DocumentsOut:
        """Of an account, a contract, a person or company; the next page begins before the last id."""
        search = Search(account, None if contract_id is None else ContractId(contract_id), iin_bin, kind, number)
        found = await desk.documents.search(search, None if before is None else DocumentId(before), limit)
        return DocumentsOut(documents=[DocumentOut.of(issued) for issued in found])

    async def read(_: ApiRequest, document_id: Id) -> DocumentOut:
        return DocumentOut.of(await desk.documents.get(DocumentId(document_id)))

    async def download(
        request: ApiRequest,
        document_id: Id,
        language: Language | None = None,
        format: Format = Format.PDF,  # noqa: A002
    ) -> File:
        """In a language (that of the request by default): PDF, e-invoice XML, or the data as JSON."""
        rendered = await desk.documents.render(DocumentId(document_id), language or request.language, format)
        return File(rendered.content, rendered.media_type, rendered.file_name)

    declared: dict[str, Any] = {"roles": _READERS, "tags": _DOCUMENTS, "audit": True}
    api.get("/v1/documents", response=DocumentsOut, summary="Find documents", **declared)(find)
    api.get(
        "/v1/documents/{document_id}",
        response=DocumentOut,
        errors=[e.DocumentUnknownError],
        summary="A document of the register",
        **declared,
    )(read)
    api.get(
        "/v1/documents/{document_id}/file",
        files=_MEDIA,
        errors=[e.DocumentUnknownError, e.FormatUnknownError],
        summary="Download a document",
        **declared,
    )(download)


def _duty_routes(api: Api, desk: DocumentDesk) -> None:
    async def duties(
        _: ApiRequest, state: DutyState = DutyState.OPEN, after: After = 0, limit: Limit = 100
    ) -> DutiesOut:
        """Invoices, acts, e-invoices and credit notes (PSC-4.5); the next page begins after the last id."""
        found = await desk.duties.list(state, after, limit)
        return DutiesOut(state=state, duties=[DutyOut.of(duty) for duty in found])

    api.get(
        "/v1/document-duties",
        roles=_BOOKS,
        response=DutiesOut,
        summary="What companies have to be given",
        tags=_DOCUMENTS,
    )(duties)


def _einvoice_routes(api: Api, desk: DocumentDesk) -> None:
    async def in_state(
        _: ApiRequest, state: EInvoiceState = EInvoiceState.REFUSED, after: After = 0, limit: Limit = 100
    ) -> EInvoicesOut:
        """The next page begins after the last id."""
        found = await desk.einvoices.in_state(state, after, limit)
        return EInvoicesOut(einvoices=[EInvoiceOut.of(einvoice) for einvoice in found])

    async def read(_: ApiRequest, document_id: Id) -> EInvoiceOut:
        """With its registration number, or every error."""
        return EInvoiceOut.of(await desk.einvoices.get(DocumentId(document_id)))

    async def send_again(request: ApiRequest, document_id: Id, body: CorrectDocumentIn) -> EInvoiceOut:
        """As it is: what was wrong was put right outside it. A mistake in the document needs a correction."""
        again = await desk.einvoices.send_again(DocumentId(document_id), reason=body.reason, actor=request.actor.actor)
        return EInvoiceOut.of(again)

    api.get(
        "/v1/e-invoices",
        roles=_BOOKS,
        response=EInvoicesOut,
        summary="Documents by their state in the state's system",
        tags=_EINVOICES,
    )(in_state)
    api.get(
        "/v1/e-invoices/{document_id}",
        roles=_BOOKS,
        response=EInvoiceOut,
        errors=[e.EInvoiceUnknownError],
        summary="A document's way through the state's system",
        tags=_EINVOICES,
    )(read)
    api.post(
        "/v1/e-invoices/{document_id}/send",
        roles={Role.ACCOUNTANT},
        body=CorrectDocumentIn,
        response=EInvoiceOut,
        errors=[e.EInvoiceUnknownError, e.EInvoiceStateError, e.DocumentCorrectedError],
        summary="Send a refused document again",
        tags=_EINVOICES,
    )(send_again)


def _requisites_routes(api: Api, desk: DocumentDesk) -> None:
    async def every(_: ApiRequest) -> AllRequisitesOut:
        """The newest first."""
        return AllRequisitesOut(requisites=[DatedRequisitesOut.of(dated) for dated in await desk.requisites.all()])

    async def put(request: ApiRequest, valid_from: Day, body: RequisitesIn) -> None:
        """From today or a later day; documents of earlier days keep what they have."""
        await desk.requisites.set(body.seller(), valid_from, actor=request.actor.actor, ground=request.ground)

    api.get(
        "/v1/operator-requisites",
        roles=_BOOKS,
        response=AllRequisitesOut,
        summary="The operator's requisites",
        tags=_REQUISITES,
    )(every)
    api.put(
        "/v1/operator-requisites/{valid_from}",
        roles={Role.ADMIN},
        body=RequisitesIn,
        errors=[e.RequisitesDayError, IbanError],
        summary="Set the operator's requisites",
        tags=_REQUISITES,
    )(put)
