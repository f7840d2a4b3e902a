"""What collection may refuse."""

from __future__ import annotations

from telco.kernel.errors import DomainError
from telco.kernel.money import Money


class PenaltyRefusedError(DomainError):
    """The ledger refused a penalty ({why})."""

    code = "penalty_refused"
    status = 500
    why: str


class DebtUnknownError(DomainError):
    """There is no debt {debt_id}."""

    code = "debt_unknown"
    status = 404
    debt_id: int


class DebtClosedError(DomainError):
    """The debt {number} is {state}: there is nothing to object to."""

    code = "debt_closed"
    status = 409
    number: str
    state: str


class ObjectionOpenError(DomainError):
    """An objection to the debt {number} waits for its decision already."""

    code = "objection_open"
    status = 409
    number: str


class ObjectionUnknownError(DomainError):
    """There is no objection {objection_id}."""

    code = "objection_unknown"
    status = 404
    objection_id: int


class ObjectionDecidedError(DomainError):
    """The objection {objection_id} has been decided."""

    code = "objection_decided"
    status = 409
    objection_id: int


class ObjectionAmountError(DomainError):
    """The sum {amount} does not fit: one is for upheld objections, and a debt without an invoice is withdrawn whole."""

    code = "objection_amount"
    status = 422
    amount: Money


class StepError(DomainError):
    """This step cannot be: {why}"""

    code = "dunning_step"
    status = 422
    why: object


class CollectionTermError(DomainError):
    """There is no figure {name}, or its day is past; known are {known}."""

    code = "collection_term"
    status = 422
    name: str
    known: str


class CollectionValueError(DomainError):
    """The figure {name} is at most {most}."""

    code = "collection_value"
    status = 422
    name: str
    most: int


class SmsWindowError(DomainError):
    """The hours for SMS begin before they end, in minutes of the day: 0 to 1440."""

    code = "collection_sms_window"
    status = 422
