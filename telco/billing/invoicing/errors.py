"""What invoicing refuses, in words for the person who asked."""

from __future__ import annotations

from telco.kernel.errors import DomainError
from telco.kernel.money import Money


class InvoiceUnknownError(DomainError):
    """There is no invoice {invoice}."""

    code = "invoice_unknown"
    status = 404
    invoice: str


class CreditNoteUnknownError(DomainError):
    """There is no credit note {credit_note_id}."""

    code = "credit_note_unknown"
    status = 404
    credit_note_id: int


class CreditTooHighError(DomainError):
    """The invoice cannot be lowered by {amount}: {left} of it is left."""

    code = "credit_too_high"
    status = 409
    amount: Money
    left: Money


class LimitUnknownError(DomainError):
    """There is no request {limit_request_id} for a credit limit."""

    code = "credit_limit_unknown"
    status = 404
    limit_request_id: int


class LimitCeilingError(DomainError):
    """The credit limit of this plan is at most {ceiling}; {limit} was asked for."""

    code = "credit_limit_ceiling"
    status = 422
    limit: Money
    ceiling: Money


class NotCreditError(DomainError):
    """The number {msisdn} is not in credit settlement; it has no credit limit."""

    code = "credit_not_settled_so"
    status = 409
    msisdn: str


class LimitOpenError(DomainError):
    """Another request for a credit limit of this account is waiting for a decision."""

    code = "credit_limit_waiting"
    status = 409


class LimitDecidedError(DomainError):
    """The request {limit_request_id} for a credit limit has already been decided: it was {state}."""

    code = "credit_limit_decided"
    status = 409
    limit_request_id: int
    state: str


class LimitSamePersonError(DomainError):
    """Who asked for a credit limit cannot decide on it; another person has to."""

    code = "credit_limit_same_person"
    status = 403
