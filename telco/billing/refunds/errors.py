"""What refunds and compensations refuse, in words for the person who asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from telco.billing.refunds.model import PayoutWay, RefundState
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.kernel.money import Money

_STANDS: Mapping[RefundState, Text] = {
    RefundState.APPLIED: Text("waits for a decision"),
    RefundState.APPROVED: Text("is approved"),
    RefundState.REFUSED: Text("is refused"),
    RefundState.NOTHING_LEFT: Text("ended, for nothing was left"),
    RefundState.ORDERED: Text("is ordered"),
    RefundState.PAID: Text("is paid"),
    RefundState.RETURNED: Text("came back"),
}
_HOW: Mapping[PayoutWay, Text] = {
    PayoutWay.BANK: Text("by the bank"),
    PayoutWay.CASH: Text("at the cash desk"),
}


class RefundPayeeError(DomainError):
    """A refund by bank names an account, and the payee's code of two digits where it is not the usual; cash neither."""

    code = "refund_payee"
    status = 422


class RefundNotWrittenError(DomainError):
    """An application for a refund is made in writing, not by {channel}."""

    code = "refund_not_written"
    status = 422
    channel: str


class ApplicantMismatchError(DomainError):
    """No personal account of the applicant answers to {named}. Check the number and the IIN or BIN."""

    code = "applicant_mismatch"
    status = 404
    named: str


class NamedMalformedError(DomainError):
    """`{named}` is neither a phone number nor a personal account such as 2:417."""

    code = "refund_named_malformed"
    status = 422
    named: str


class RefundUnknownError(DomainError):
    """There is no refund {refund_id}."""

    code = "refund_unknown"
    status = 404
    refund_id: int


class RefundOpenError(DomainError):
    """The application {refund_id} for this personal account is not finished yet."""

    code = "refund_open"
    status = 409
    refund_id: int


class RefundStateError(DomainError):
    """The refund {refund_id} {stands}: this cannot be done with it any more, or not yet."""

    code = "refund_state"
    status = 409
    refund_id: int
    state: RefundState
    stands: Text

    def __init__(self, *, refund_id: int, state: RefundState, stands: Text | None = None) -> None:
        super().__init__(refund_id=refund_id, state=state, stands=stands or _STANDS[state])


class RefundSamePersonError(DomainError):
    """A refund is decided by another person than the one who registered it."""

    code = "refund_same_person"
    status = 403


class RefundNothingError(DomainError):
    """Nothing can be given back: balance {balance}, held {held}, owed {owed}."""

    code = "refund_nothing"
    status = 409
    balance: Money
    held: Money
    owed: Money


class RefundTooEarlyError(DomainError):
    """The refund {refund_id} may be paid from {day} on."""

    code = "refund_too_early"
    status = 409
    refund_id: int
    day: str

    def __init__(self, refund_id: int, day: date) -> None:
        super().__init__(refund_id=refund_id, day=day.isoformat())


class RefundWayError(DomainError):
    """The refund {refund_id} is paid {how}."""

    code = "refund_way"
    status = 409
    refund_id: int
    way: PayoutWay
    how: Text

    def __init__(self, *, refund_id: int, way: PayoutWay, how: Text | None = None) -> None:
        super().__init__(refund_id=refund_id, way=way, how=how or _HOW[way])


class PaidOnError(DomainError):
    """A refund is paid between the day of its order and today."""

    code = "refund_paid_on"
    status = 422


class PayerAccountError(DomainError):
    """{iban} is not an account of ours at a bank."""

    code = "payer_account"
    status = 422
    iban: str


class NoOrdersError(DomainError):
    """No refund waits to be given to the bank."""

    code = "no_refund_orders"
    status = 409


class RefundFileUnknownError(DomainError):
    """There is no file {file_id} of refunds."""

    code = "refund_file_unknown"
    status = 404
    file_id: int


class CompensationLimitError(DomainError):
    """At most {left} can be granted for this incident: loss proven {loss}, limit {limit}, granted before {granted}."""

    code = "compensation_limit"
    status = 409
    left: Money
    loss: Money
    limit: Money
    granted: Money


class IncidentDayError(DomainError):
    """The incident {incident} {why}."""

    code = "incident_day"
    status = 409
    incident: str
    why: Text


class LedgerRefusedError(DomainError):
    """The personal account {account} cannot be used for this: {why}."""

    code = "refund_ledger_refused"
    status = 409
    account: str
    why: str
