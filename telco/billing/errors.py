"""What billing refuses, in words for the person who asked."""

from __future__ import annotations

from telco.kernel.errors import DomainError


class CardNotFoundError(DomainError):
    """There is no payment card with the serial {serial}."""

    code = "card_not_found"
    status = 404
    serial: str


class CardNotReadyError(DomainError):
    """The payment card {serial} is {state} and cannot be blocked."""

    code = "card_not_ready"
    status = 409
    serial: str
    state: str


class BatchExistsError(DomainError):
    """The request {request_id} has already made a batch of cards. Their codes are shown once only."""

    code = "card_batch_exists"
    status = 409
    request_id: str


class RequestReusedError(DomainError):
    """The request {request_id} was made before with other contents. Use a new request id."""

    code = "request_reused"
    status = 422
    request_id: str


class CardTermsError(DomainError):
    """A batch has 1 to {most_cards} cards of 1.00 tenge or more that end after today."""

    code = "card_terms"
    status = 422
    most_cards: int


class TopUpRefusedError(DomainError):
    """Nothing can be credited to the account {account}: {why}."""

    code = "top_up_refused"
    status = 409
    account: str
    why: str
