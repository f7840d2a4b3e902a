"""What device instalments refuse, in words for the person who asked."""

from __future__ import annotations

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.kernel.money import Money


class AgreementUnknownError(DomainError):
    """There is no device agreement {number}."""

    code = "agreement_unknown"
    status = 404
    number: str


class AgreementClosedError(DomainError):
    """The device agreement {number} is closed already: {state}. Nothing was changed."""

    code = "agreement_closed"
    status = 409
    number: str
    state: str


class SaleRefusedError(DomainError):
    """This device cannot be sold so: {field} {why}."""

    code = "sale_refused"
    status = 422
    field: str
    why: Text


class DeviceSoldError(DomainError):
    """The device {imei} is sold by another agreement that is still open."""

    code = "device_sold"
    status = 409
    imei: str


class SaleReusedError(DomainError):
    """The request {request_id} has already made another agreement. Use a new request id."""

    code = "sale_reused"
    status = 422
    request_id: str


class InstalmentMoneyError(DomainError):
    """There is not enough money on the account: {needed} are needed. Top up first."""

    code = "instalment_money"
    status = 409
    needed: Money


class ReturnLateError(DomainError):
    """The device of {number} can no longer be returned: the last day was {until}."""

    code = "return_late"
    status = 409
    number: str
    until: str


class ReturnSpentError(DomainError):
    """What was posted for {number} cannot be reversed: {why}."""

    code = "return_refused"
    status = 500
    number: str
    why: str


class BureauFormatError(DomainError):
    """The credit bureau's format is wrong: {why}."""

    code = "bureau_format"
    status = 422
    why: str


class BureauFileUnknownError(DomainError):
    """There is no file {file_id} for a credit bureau."""

    code = "bureau_file_unknown"
    status = 404
    file_id: int


class BureauUnreachableError(DomainError):
    """The credit bureau did not take the file: {why}. It will be sent again."""

    code = "bureau_unreachable"
    status = 502
    why: str
