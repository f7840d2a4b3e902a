"""What charging refuses because the request itself is wrong; a refusal of usage is a `Result`, not an error."""

from __future__ import annotations

from telco.kernel.errors import DomainError


class UsageQuantityError(DomainError):
    """The quantity {quantity} is not between 0 and {most} of the service's units."""

    code = "usage_quantity"
    status = 422
    quantity: int
    most: int


class UsageMomentError(DomainError):
    """The moment of use {used_at} lies in the future or more than {days} days back. Such usage is not charged."""

    code = "usage_moment"
    status = 422
    used_at: str
    days: int


class SessionReusedError(DomainError):
    """The session {session_id} was begun before with other contents. Every session needs an id of its own."""

    code = "session_reused"
    status = 409
    session_id: str


class ReportReusedError(DomainError):
    """The id or sequence number was used before with another {field}. A repetition has to be the same."""

    code = "report_reused"
    status = 409
    field: str
