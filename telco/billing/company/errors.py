"""What company payments refuse, in words for the person who asked."""

from __future__ import annotations

from datetime import date

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Text
from telco.kernel.money import Money


class SheetFileError(DomainError):
    """{place}: {why}"""

    code = "sheet_file"
    status = 422
    place: Text | str
    """As much of where it is as is known, in words."""
    file: str
    sheet: str
    row: int
    column: str
    why: Text


def sheet_file_error(file: str, why: Text, *, sheet: str = "", row: int = 0, column: str = "") -> SheetFileError:
    """Make the refusal of a register or letter; what is not known of the place is left out of the sentence."""
    place: Text | str = file
    parts = (
        (sheet, Text("sheet {sheet}", sheet=sheet)),
        (row, Text("row {row}", row=row)),
        (column, Text("column {column}", column=column)),
    )
    for known, part in parts:
        if known:
            place = Text("{place}, {part}", place=place, part=part)
    return SheetFileError(place=place, file=file, sheet=sheet, row=row, column=column, why=why)


class SheetUnknownError(DomainError):
    """There is no register or letter {sheet_id}."""

    code = "sheet_unknown"
    status = 404
    sheet_id: int


class SheetExistsError(DomainError):
    """The register or letter {sheet_id} came for the payment order {number} of {day} already. Withdraw it first."""

    code = "sheet_exists"
    status = 409
    sheet_id: int
    number: str
    day: date


class SheetEndedError(DomainError):
    """The register or letter {sheet_id} is {state}: it does not change any more."""

    code = "sheet_ended"
    status = 409
    sheet_id: int
    state: str


class ContactExistsError(DomainError):
    """There is already a contact {login}."""

    code = "company_contact_exists"
    status = 409
    login: str


class ContactUnknownError(DomainError):
    """There is no contact {login}."""

    code = "company_contact_unknown"
    status = 404
    login: str


class ContactKeyError(DomainError):
    """Send the contact's login and key by HTTP Basic authentication."""

    code = "company_contact_key"
    status = 401


class SheetQueryError(DomainError):
    """The query's {field} is missing, given twice or wrong: send kind, order_number, order_date and file_name."""

    code = "sheet_query"
    status = 422
    field: str


class NothingToProposeError(DomainError):
    """The payer of the item {item_id} has no personal account here. Allocate it by hand, or close it."""

    code = "nothing_to_propose"
    status = 409
    item_id: int


class ProposalChangedError(DomainError):
    """The proposal for the item {item_id} is another by now: read it again."""

    code = "proposal_changed"
    status = 409
    item_id: int


class SumsDifferError(DomainError):
    """The sums add up to {total}, the payment is {amount}."""

    code = "sums_differ"
    status = 422
    total: Money
    amount: Money


class PayeesRefusedError(DomainError):
    """Nothing can be credited to {named}: {why}."""

    code = "payees_refused"
    status = 422
    named: str
    why: str
