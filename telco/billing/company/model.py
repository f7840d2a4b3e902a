"""Frozen types and states of company payments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NewType

from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn

SheetId = NewType("SheetId", int)
ContactId = NewType("ContactId", int)

MOST_IN_PURPOSE = 2
"""Invoices, numbers or accounts that a purpose may name. Contract: PSC-3.2.4-1"""


@dataclass(frozen=True, slots=True)
class Named:
    """An invoice, number or account that a payer names, and the sum for it."""

    name: str
    """As it is compared: ``KC-2026-0000001``, ``77011234567`` or ``2:417``."""
    amount: Tiyn


class Manner(StrEnum):
    """What an allocation follows."""

    PURPOSE = "purpose"
    REGISTER = "register"
    LETTER = "letter"
    OLDEST_DEBT = "oldest_debt"
    """The operator's proposal, accepted by an accountant."""
    PEOPLE = "people"
    """An accountant's own allocation."""


class Unclear(StrEnum):
    """Why a company's payment cannot be allocated as its payer wants; stands on the work list."""

    NOTHING_NAMED = "nothing_named"
    """The purpose names no invoice, number or account."""
    TOO_MANY_NAMED = "too_many_named"
    """More than two: those need a register or letter (PSC-3.2.4-3)."""
    SUM_MISSING = "sum_missing"
    """Two are named, and not each with its sum."""
    SUMS_DIFFER = "sums_differ"
    """The sums do not add up to the payment."""
    NAMED_TWICE = "named_twice"
    AMBIGUOUS = "ambiguous"
    """It can be read in more than one way, so it is not guessed."""
    PAYEE_REFUSED = "payee_refused"
    """Something named is unknown, has ended without a debt, or was ported out."""
    SHEET_MISSING = "sheet_missing"
    """It is paid by register or letter, and that has not come."""
    SHEET_DIFFERS = "sheet_differs"
    """The register's or letter's total is not the payment."""
    CONTRADICTION = "contradiction"
    """The purpose names one thing, a register or letter of the same order another."""


class SheetKind(StrEnum):
    REGISTER = "register"
    """Numbers or accounts with their sums (PSC-3.2.4-2)."""
    LETTER = "letter"
    """Invoices, numbers or accounts with their sums (PSC-3.2.4-3)."""


class SheetState(StrEnum):
    WAITING = "waiting"
    USED = "used"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a payment's purpose says."""

    named: tuple[Named, ...] = ()
    """Empty where it is unclear."""
    by_sheet: bool = False
    """It says that a register or letter names the rest."""
    unclear: Unclear | None = None
    why: str = ""
    """What is unclear, in the words of the purpose."""


@dataclass(frozen=True, slots=True)
class SheetLine:
    """A line of a register or letter; `row` is the file's."""

    row: int
    named: str
    amount: Tiyn


@dataclass(frozen=True, slots=True)
class Order:
    """Which payment order a sheet belongs to."""

    bin: str
    number: str
    date: date


PAYMENT_MISSING: Final = "payment_missing"
"""Why a register or letter waits whose payment has not come."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a register or letter was not followed yet."""

    reason: str
    """`PAYMENT_MISSING`, or the reason with which its payment is on the work list."""
    detail: str = ""
    paid: Tiyn = Tiyn(0)
    """What the payment is; 0 while there is none."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A register or letter as it stands."""

    sheet_id: SheetId
    kind: SheetKind
    order: Order
    file_name: str
    line_count: int
    amount: Tiyn
    state: SheetState
    payment_id: int | None
    sent_at: datetime
    sent_by: str
    replayed: bool = False
    wait: Wait | None = None
    """None of one that does not wait."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A person of a company who may send its registers and letters."""

    contact_id: ContactId
    bin: str
    login: str
    name: str
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Debt:
    """Something that a company owes: an invoice, or an account's debt that is on none."""

    account: AccountRef
    subscriber_id: SubscriberId
    msisdn: Msisdn
    amount: Tiyn
    due_on: date
    """Its age; the day itself for what is on no invoice."""
    invoice_id: int | None = None
    invoice_number: str = ""


@dataclass(frozen=True, slots=True)
class ProposedLine:
    """What a proposal puts on one account."""

    account: AccountRef
    subscriber_id: SubscriberId
    msisdn: Msisdn
    amount: Tiyn
    invoice_id: int | None
    invoice_number: str
    why: str
    """``invoice due 2026-02-01``, ``debt on no invoice``, ``advance``."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """How the operator would allocate a payment, and why so. Contract: PSC-3.2.4-4"""

    item_id: int
    amount: Tiyn
    unclear: str
    """Why the payer's own wish cannot be followed."""
    detail: str
    lines: tuple[ProposedLine, ...]
    mark: str
    """Names exactly these lines: who accepts sends it, so that what was seen is what is done."""
