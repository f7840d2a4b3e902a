"""What payments refuse, in words for the person who asked."""

from __future__ import annotations

from datetime import date

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.kernel.money import Money


class PaymentUnknownError(DomainError):
    """There is no payment {payment_id}."""

    code = "payment_unknown"
    status = 404
    payment_id: int


class PayeeMalformedError(DomainError):
    """`{named}` is neither a phone number nor a personal account such as 2:417."""

    code = "payee_malformed"
    status = 422
    named: str


class PayeeUnknownError(DomainError):
    """There is no subscriber {named} to be credited."""

    code = "payee_unknown"
    status = 404
    named: str


class PayeeEndedError(DomainError):
    """The contract of {named} has ended: nothing can be paid for it."""

    code = "payee_ended"
    status = 409
    named: str


class PayeePortedError(DomainError):
    """The number {named} was ported to another operator: nothing can be paid for it here."""

    code = "payee_ported"
    status = 409
    named: str


class PaymentLimitError(DomainError):
    """One payment here is from {least} to {most}."""

    code = "payment_limit"
    status = 422
    least: Money
    most: Money


class PaymentReusedError(DomainError):
    """The id {external_id} was used for another payment (another sum or account). Nothing was changed."""

    code = "payment_reused"
    status = 409
    external_id: str


class ProviderExistsError(DomainError):
    """There is already a payment provider {provider}."""

    code = "provider_exists"
    status = 409
    provider: str


class ProviderUnknownError(DomainError):
    """There is no payment provider {provider}."""

    code = "provider_unknown"
    status = 404
    provider: str


class ProviderTermsError(DomainError):
    """A provider's limits are from 0.01 tenge, the least not above the most."""

    code = "provider_terms"
    status = 422


class ProviderKeyError(DomainError):
    """Send the provider's code and key by HTTP Basic authentication."""

    code = "provider_key"
    status = 401


class RegisterFileError(DomainError):
    """Line {line} of the register: {why}"""

    code = "register_file"
    status = 422
    line: int
    why: Text


class RegisterDayError(DomainError):
    """The day {day} is not over: its register can be compared from the next day on."""

    code = "register_day"
    status = 409
    day: date


class BankFileError(DomainError):
    """Line {line} of the bank file: {why}"""

    code = "bank_file"
    status = 422
    line: int
    why: Text


class BankFileUnknownError(DomainError):
    """There is no bank file {file_id}."""

    code = "bank_file_unknown"
    status = 404
    file_id: int


class BankAccountUnknownError(DomainError):
    """{account} is not one of the operator's bank accounts. Add it first, or check the file."""

    code = "bank_account_unknown"
    status = 422
    account: str


class FileContentError(DomainError):
    """The content of the file is not Base64."""

    code = "file_content"
    status = 422


class WorkItemUnknownError(DomainError):
    """There is nothing numbered {item_id} on the work list."""

    code = "work_item_unknown"
    status = 404
    item_id: int


class WorkItemDecidedError(DomainError):
    """The item {item_id} of the work list was decided already: it is {state}."""

    code = "work_item_decided"
    status = 409
    item_id: int
    state: str


class WorkItemNoMoneyError(DomainError):
    """The item {item_id} brings no money to allocate; close it with what was found out."""

    code = "work_item_no_money"
    status = 409
    item_id: int


class WorkItemSharesError(DomainError):
    """The shares are not the money of the item {item_id} of the work list."""

    code = "work_item_shares"
    status = 422
    item_id: int


class WorkItemNotCompanyError(DomainError):
    """The item {item_id} of the work list is not a company's payment."""

    code = "work_item_not_company"
    status = 409
    item_id: int


class ShiftNeededError(DomainError):
    """Open a shift at a cash desk first."""

    code = "shift_needed"
    status = 409


class ShiftOpenError(DomainError):
    """The shift {shift_id} at the desk {desk} is still open; close it first."""

    code = "shift_open"
    status = 409
    shift_id: int
    desk: str


class ShiftUnknownError(DomainError):
    """There is no open shift {shift_id} of yours."""

    code = "shift_unknown"
    status = 404
    shift_id: int


class CorrectionUnknownError(DomainError):
    """There is no correction {correction_id}."""

    code = "correction_unknown"
    status = 404
    correction_id: int


class PartUnknownError(DomainError):
    """The payment {payment_id} has no part {part_no}."""

    code = "part_unknown"
    status = 404
    payment_id: int
    part_no: int


class CorrectionAmountError(DomainError):
    """A correction is of 0.01 to {most} of this part of the payment."""

    code = "correction_amount"
    status = 422
    most: Money


class CorrectionOpenError(DomainError):
    """A correction of this part of the payment {payment_id} waits for a decision already."""

    code = "correction_open"
    status = 409
    payment_id: int


class CorrectionTargetError(DomainError):
    """A move names the number to credit, a write-off none; and the money is not moved to where it is."""

    code = "correction_target"
    status = 422


class CorrectionDecidedError(DomainError):
    """The correction {correction_id} was decided already: it is {state}."""

    code = "correction_decided"
    status = 409
    correction_id: int
    state: str


class SamePersonError(DomainError):
    """A correction is decided by another person than the one who asked for it."""

    code = "same_person"
    status = 403


class PaymentSpentError(DomainError):
    """The money of the payment {payment_id} was spent in part. Approve with a debt, or refuse the correction."""

    code = "payment_spent"
    status = 409
    payment_id: int


class PaymentWrittenOffError(DomainError):
    """The payment {payment_id} was written off already."""

    code = "payment_written_off"
    status = 409
    payment_id: int
