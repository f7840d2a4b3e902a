"""Frozen types of documents: one data model, whatever it is rendered to.

A `Document` holds everything that is printed, in all three languages, as it was on the day of issue. Nothing is looked
up again when it is rendered, so the same document gives the same bytes for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, NamedTuple, NewType

from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, ContractId, PartyId
from telco.kernel.money import Tiyn

DocumentId = NewType("DocumentId", int)


class Kind(StrEnum):
    """What a document is."""

    INVOICE = "invoice"
    """Services of an accounting period on credit, with VAT, and when they have to be paid."""
    CREDIT_NOTE = "credit_note"
    """By how much an invoice was too high, with VAT; its sums are negative."""
    ACT = "act"
    """Services given to a company, which both sides sign (PSC-4.5)."""
    EINVOICE = "einvoice"
    """What the act of a month in prepaid settlement states, for the state's e-invoice system (PSC-4.5)."""
    STATEMENT = "statement"
    """Every movement of a personal account in a period."""
    REFUND_ORDER = "refund_order"
    """Money of a personal account that goes back to its owner (PSC-6.4)."""
    RECONCILIATION = "reconciliation"
    """What was invoiced and paid in a period, and what one side owes the other."""


class Format(StrEnum):
    """What a document is rendered to."""

    PDF = "pdf"
    XML = "xml"
    """The state's e-invoice system: of invoices, credit notes and acts only."""
    JSON = "json"
    """The data themselves, as they are kept and hashed."""


class BuyerKind(StrEnum):
    PERSON = "person"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class Words:
    """A text in the three languages of the service."""

    kk: str
    ru: str
    en: str

    def in_(self, language: Language) -> str:
        match language:
            case Language.KK:
                return self.kk
            case Language.RU:
                return self.ru
            case Language.EN:
                return self.en

    @classmethod
    def same(cls, text: str) -> Words:
        """A name that is the same in every language: of a person, a company, a street."""
        return cls(text, text, text)


@dataclass(frozen=True, slots=True)
class Bank:
    """An account at a bank of Kazakhstan."""

    name: Words
    iban: str
    """The individual identification code (IIK): KZ, two check digits, sixteen letters and digits."""
    bik: str
    """The bank's identification code (BIK, SWIFT)."""
    kbe: str
    """The beneficiary's code: residence and sector of the economy, two digits."""


@dataclass(frozen=True, slots=True)
class VatCertificate:
    """The certificate of registration for VAT."""

    series: str
    number: str
    issued_on: date


@dataclass(frozen=True, slots=True)
class Seller:
    """The operator's requisites as they were on the day of issue."""

    name: Words
    bin: str
    address: Words
    phone: str
    bank: Bank
    vat_certificate: VatCertificate | None
    head: Words
    """Who signs for the operator, with the position."""
    accountant: Words
    """Who signs as the chief accountant."""
    esf_operator: str
    """Who issues e-invoices, by full name."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """To whom a document is issued."""

    kind: BuyerKind
    name: str
    iin_bin: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Basis:
    """Under what the services were given."""

    contract: str
    contract_on: date
    account: str
    msisdn: str | None


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` to before `end`."""

    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier document that this one replaces, or (a credit note) lowers."""

    document_id: int
    kind: Kind
    number: str
    issued_on: date
    reason: str


@dataclass(frozen=True, slots=True)
class Item:
    """A line of an invoice or act. Sums in tiyn; `net` is without VAT."""

    line_no: int
    code: str
    name: Words
    msisdn: str | None
    quantity: Decimal
    unit: Words
    net: Tiyn
    vat_percent: Decimal | None
    """None for what bears no VAT because it is no service: an instalment, a penalty."""
    vat: Tiyn
    gross: Tiyn


@dataclass(frozen=True, slots=True)
class VatGroup:
    """The sums of a document that have one rate of VAT."""

    vat_percent: Decimal | None
    net: Tiyn
    vat: Tiyn
    gross: Tiyn


@dataclass(frozen=True, slots=True)
class Supply:
    """Services supplied: what invoices and acts are about."""

    items: tuple[Item, ...]
    groups: tuple[VatGroup, ...]
    net: Tiyn
    vat: Tiyn
    gross: Tiyn
    due_on: date | None
    """The last day of the settlement term; None for an act."""
    invoice_number: str | None = None
    """The invoice of the same services, on an act."""
    advance: Tiyn = Tiyn(0)
    """What of an invoice's gross was paid before it was issued."""
    type: Literal["supply"] = "supply"


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement on a personal account. `amount` is signed, `balance` is the main balance after it; tiyn."""

    at: datetime
    code: str
    to: str | None
    """The other number of a call or message."""
    quantity: Decimal | None
    """In the unit of the code."""
    amount: Tiyn
    balance: Tiyn


@dataclass(frozen=True, slots=True)
class Named:
    """What a code of an entry is called, and the unit of its quantities."""

    code: str
    name: Words
    unit: Words


@dataclass(frozen=True, slots=True)
class Statement:
    """An itemised statement: opening plus every entry is closing."""

    opening: Tiyn
    entries: tuple[Entry, ...]
    names: tuple[Named, ...]
    money_in: Tiyn
    money_out: Tiyn
    closing: Tiyn
    type: Literal["statement"] = "statement"


@dataclass(frozen=True, slots=True)
class Turn:
    """A line of a reconciliation act: a document that added to the debt, or money that paid it; tiyn."""

    on: date
    name: Words
    number: str
    debit: Tiyn
    credit: Tiyn


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Opening debt, plus debits, less credits, is the closing debt (negative: the operator owes); tiyn."""

    opening: Tiyn
    turns: tuple[Turn, ...]
    debit: Tiyn
    credit: Tiyn
    closing: Tiyn
    not_invoiced: Tiyn
    """Used by the end of the period and not on an invoice yet; in no sum above."""
    type: Literal["reconciliation"] = "reconciliation"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that goes back to the owner of a personal account; tiyn."""

    amount: Tiyn
    application: str
    """The written application: its number in the register."""
    applied_on: date
    pay_by: date
    payee: str
    payee_iin_bin: str
    iban: str | None
    """None for a refund at a cash desk."""
    bik: str | None
    ground: Words
    type: Literal["refund"] = "refund"


Content = Supply | Statement | Reconciliation | Refund


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was issued. It never changes; a mistake in it is corrected by a new one that refers to it."""

    kind: Kind
    number: str
    issued_on: date
    seller: Seller
    buyer: Buyer
    basis: Basis
    period: Period | None
    content: Content
    corrects: Reference | None = None
    version: int = 1
    """Of this data model: a reader of later years knows what to expect."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A document before it has a number."""

    kind: Kind
    source: str
    """What it was made of, such as ``act:42``: the same source is issued once."""
    account: AccountRef
    contract_id: ContractId
    party_id: PartyId
    issued_on: date
    seller: Seller
    buyer: Buyer
    basis: Basis
    period: Period | None
    content: Content
    number: str | None = None
    """Given for an invoice, which has its own; None for the next number of the series."""
    corrects: Reference | None = None
    total: Tiyn = Tiyn(0)

    def numbered(self, number: str) -> Document:
        """Return the document under its number."""
        return Document(
            self.kind,
            number,
            self.issued_on,
            self.seller,
            self.buyer,
            self.basis,
            self.period,
            self.content,
            self.corrects,
        )


@dataclass(frozen=True, slots=True)
class Issued:
    """A document of the register."""

    document_id: DocumentId
    kind: Kind
    number: str
    source: str
    account: AccountRef
    contract_id: ContractId
    party_id: PartyId
    iin_bin: str
    issued_on: date
    issued_at: datetime
    issued_by: str
    total: Tiyn
    sha256: str
    corrects: DocumentId | None
    corrected_by: DocumentId | None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A document as a file."""

    content: bytes
    media_type: str
    file_name: str


class DutyState(StrEnum):
    """`late` is open with its deadline over."""

    OPEN = "open"
    LATE = "late"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Duty:
    """A document that has to be issued by a day (PSC-4.5)."""

    duty_id: int
    kind: Kind
    source: str
    """What it is made of, as its document will name it: ``act:42``."""
    due_on: date
    done_on: date | None
    document_id: DocumentId | None
    attempts: int
    error: str | None


class EInvoiceState(StrEnum):
    """Where a document is on its way through the state's system."""

    QUEUED = "queued"
    SENT = "sent"
    """The system took it and has not said yet what it found."""
    REGISTERED = "registered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class EInvoice:
    """A document's way through the state's e-invoice system."""

    document_id: DocumentId
    number: str
    state: EInvoiceState
    external_id: str | None
    registration_number: str | None
    errors: tuple[str, ...]
    attempts: int
    next_at: datetime | None
    queued_at: datetime
    settled_at: datetime | None
    trouble: str | None
    """Why the last attempt failed, while it is tried again."""


@dataclass(frozen=True, slots=True)
class Related:
    """A document that the state's system registered, and that a later one corrects or lowers."""

    number: str
    issued_on: date
    registration: str


class Earlier(NamedTuple):
    """What the state's system has of the document that another corrects or lowers."""

    decided: bool
    related: Related | None
    """None where it registered nothing of the kind."""
