"""What documents refuse, in words for the person who asked."""

from __future__ import annotations

from datetime import date

from telco.kernel.errors import DomainError


class DocumentUnknownError(DomainError):
    """There is no document {document_id}."""

    code = "document_unknown"
    status = 404
    document_id: int


class AccountMalformedError(DomainError):
    """`{account}` is not a personal account such as 2:417; the balance of a number names its account."""

    code = "account_malformed"
    status = 422
    account: str


class AccountOwnerUnknownError(DomainError):
    """There is no personal account {account}."""

    code = "account_owner_unknown"
    status = 404
    account: str


class RequisitesMissingError(DomainError):
    """The operator's requisites are not set for {day}. An administrator sets them, then documents can be issued."""

    code = "requisites_missing"
    status = 409
    day: date


class RequisitesDayError(DomainError):
    """Requisites cannot be set for {day}: documents were issued under those of that time."""

    code = "requisites_day"
    status = 409
    day: date


class DocumentPeriodError(DomainError):
    """A period begins before it ends, is at most {days} days long and does not lie ahead."""

    code = "document_period"
    status = 422
    days: int


class DocumentTooLongError(DomainError):
    """The document would have more than {most} lines. Ask for a shorter period."""

    code = "document_too_long"
    status = 422
    most: int


class NothingSuppliedError(DomainError):
    """{number} has no services: there is nothing that an act could state."""

    code = "nothing_supplied"
    status = 409
    number: str


class ActForCompanyError(DomainError):
    """Acts are for companies, and {number} is a person's."""

    code = "act_for_company"
    status = 409
    number: str


class DocumentCorrectedError(DomainError):
    """The document {number} was corrected before. Correct the document that corrects it."""

    code = "document_corrected"
    status = 409
    number: str


class DocumentUnchangedError(DomainError):
    """A correction of {number} would say the same. First put right what it was made of."""

    code = "document_unchanged"
    status = 409
    number: str


class DocumentNotCorrectableError(DomainError):
    """A document of the kind {kind} is not corrected here: a new one is issued where what it says is decided."""

    code = "document_not_correctable"
    status = 409
    kind: str


class FormatUnknownError(DomainError):
    """The document {number} has no form {format}: only invoices and acts go to the state's e-invoice system."""

    code = "document_format"
    status = 409
    number: str
    format: str


class DocumentDamagedError(DomainError):
    """The document {document_id} is not what was issued: its hash differs. Tell the administrators of the database."""

    code = "document_damaged"
    status = 500
    document_id: int


class EInvoiceUnknownError(DomainError):
    """The document {document_id} was not given to the state's e-invoice system."""

    code = "einvoice_unknown"
    status = 404
    document_id: int


class EInvoiceStateError(DomainError):
    """The document {document_id} is {state} in the state's e-invoice system; only what was refused is sent again."""

    code = "einvoice_state"
    status = 409
    document_id: int
    state: str
