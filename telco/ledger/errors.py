"""What the ledger raises. Refusals are no errors: they are outcomes, and remembered."""

from __future__ import annotations

from telco.kernel.errors import DomainError


class InvalidOperationError(DomainError):
    """A ledger operation cannot be asked like this: {field} {why}."""

    code = "ledger_invalid_operation"
    status = 422
    field: str
    why: str


class LedgerUnavailableError(DomainError):
    """The ledger cannot confirm the operation now. Send it again with the same id: it is carried out at most once."""

    code = "ledger_unavailable"
    status = 503


class LedgerStoppedError(DomainError):
    """The service is stopping and takes no more operations. Send it again with the same id."""

    code = "ledger_stopped"
    status = 503


class OperationFailedError(DomainError):
    """The ledger could not carry out operation {op_id}; nothing of it was done."""

    code = "ledger_operation_failed"
    status = 500
    op_id: str
