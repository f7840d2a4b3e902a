"""Bodies of the documents' API."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints, WithJsonSchema

from telco.billing.documents.errors import AccountMalformedError
from telco.billing.documents.model import (
    Bank,
    Duty,
    DutyState,
    EInvoice,
    EInvoiceState,
    Issued,
    Kind,
    Period,
    Seller,
    VatCertificate,
    Words,
)
from telco.billing.documents.requisites import DatedRequisites
from telco.billing.payments import rules as payment_rules
from telco.kernel.ids import AccountRef
from telco.web.fields import ApiModel, BinText, Day, Id, MoneyOut, parsed_by, text


def _account(value: str) -> AccountRef:
    named = payment_rules.parse_named(value)
    if not isinstance(named, AccountRef):
        raise AccountMalformedError(account=value[:32])
    return named


AccountText = Annotated[
    AccountRef,
    parsed_by(_account),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d{1,18}$", "examples": ["2:417"]}),
]
"""A personal account: its shard and number."""

Bik = Annotated[str, StringConstraints(pattern=r"^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$"), Field(examples=["HSBKKZKX"])]
Line = Annotated[str, text(200, field="text"), Field(examples=["Koktem Telecom JSC"])]
Reason = Annotated[str, text(300, field="reason"), Field(examples=["the customer's address was wrong"])]


class WordsIn(ApiModel):
    """A text in the three languages."""

    kk: Line
    ru: Line
    en: Line

    def words(self) -> Words:
        return Words(self.kk, self.ru, self.en)


class BankIn(ApiModel):
    """Where the operator is paid."""

    name: WordsIn
    iban: Annotated[
        str, StringConstraints(pattern=r"^KZ[0-9]{2}[0-9A-Z]{16}$"), Field(examples=["KZ87345KZT1234567890"])
    ]
    """The account (IIK)."""
    bik: Bik
    kbe: Annotated[str, StringConstraints(pattern=r"^[12][0-9]$"), Field(examples=["17"])]
    """The beneficiary's code."""


class VatCertificateIn(ApiModel):
    """The certificate of registration for VAT."""

    series: Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$"), Field(examples=["60001"])]
    number: Annotated[str, StringConstraints(pattern=r"^[0-9]{7}$"), Field(examples=["0012345"])]
    issued_on: Day


class RequisitesIn(ApiModel):
    """The operator's requisites."""

    name: WordsIn
    bin: BinText
    address: WordsIn
    phone: Annotated[str, text(40, field="phone"), Field(examples=["+7 727 258 83 00"])]
    bank: BankIn
    vat_certificate: VatCertificateIn | None = None
    head: WordsIn
    """Who signs for the operator, with the position."""
    accountant: WordsIn
    """Who signs as the chief accountant, with the position."""
    esf_operator: Annotated[str, text(200, field="esf_operator"), Field(examples=["Ізбасарқызы Гүлнұр"])]
    """Who issues e-invoices, by full name."""

    def seller(self) -> Seller:
        certificate = self.vat_certificate
        bank = self.bank
        return Seller(
            name=self.name.words(),
            bin=self.bin,
            address=self.address.words(),
            phone=self.phone,
            bank=Bank(bank.name.words(), bank.iban, bank.bik, bank.kbe),
            vat_certificate=None
            if certificate is None
            else VatCertificate(certificate.series, certificate.number, certificate.issued_on),
            head=self.head.words(),
            accountant=self.accountant.words(),
            esf_operator=self.esf_operator,
        )


class DatedRequisitesOut(ApiModel):
    """Requisites, and since when they hold."""

    valid_from: date
    requisites: RequisitesIn
    set_at: datetime
    set_by: str

    @classmethod
    def of(cls, dated: DatedRequisites) -> DatedRequisitesOut:
        return cls(
            valid_from=dated.valid_from,
            requisites=RequisitesIn.model_validate(dated.seller),
            set_at=dated.set_at,
            set_by=dated.set_by,
        )


class AllRequisitesOut(ApiModel):
    """Every set of requisites, the newest first."""

    requisites: list[DatedRequisitesOut]


class OfInvoiceIn(ApiModel):
    """Which invoice."""

    invoice_id: Id


class OfPeriodIn(ApiModel):
    """Which account and days."""

    account: AccountText
    first_day: Day
    last_day: Day
    """Included."""

    def period(self) -> Period:
        return Period(self.first_day, self.last_day + timedelta(days=1))


class CorrectDocumentIn(ApiModel):
    """Why a document is corrected."""

    reason: Reason


class DocumentOut(ApiModel):
    """A document of the register."""

    document_id: int
    kind: Kind
    number: str
    account: str
    contract_id: int
    iin_bin: str
    issued_on: date
    issued_at: datetime
    issued_by: str
    total: MoneyOut
    """Of an invoice or act its sum, of a statement the closing balance, of a reconciliation what is owed."""
    sha256: str
    """Of its canonical JSON."""
    corrects: int | None
    corrected_by: int | None

    @classmethod
    def of(cls, issued: Issued) -> DocumentOut:
        fields = {name: getattr(issued, name) for name in cls.model_fields if name != "account"}
        return cls(account=str(issued.account), **fields)


class DocumentsOut(ApiModel):
    """Documents, the newest first."""

    documents: list[DocumentOut]


class DutyOut(ApiModel):
    """A document that a company has to be given."""

    duty_id: int
    kind: Kind
    source: str
    """What it is made of, with the id of that: ``invoice:42``, ``act:2:417:2026-03-01``, ``credit_note:7``."""
    due_on: date
    done_on: date | None
    document_id: int | None
    attempts: int
    error: str | None
    """Why it could not be issued yet."""

    @classmethod
    def of(cls, duty: Duty) -> DutyOut:
        return cls.model_validate(duty)


class DutiesOut(ApiModel):
    """Duties, the earliest due first."""

    state: DutyState
    duties: list[DutyOut]


class EInvoiceOut(ApiModel):
    """A document's way through the state's e-invoice system."""

    document_id: int
    number: str
    state: EInvoiceState
    external_id: str | None
    registration_number: str | None
    errors: list[str]
    attempts: int
    next_at: datetime | None
    queued_at: datetime
    settled_at: datetime | None
    trouble: str | None

    @classmethod
    def of(cls, einvoice: EInvoice) -> EInvoiceOut:
        fields = {name: getattr(einvoice, name) for name in cls.model_fields if name != "errors"}
        return cls(errors=list(einvoice.errors), **fields)


class EInvoicesOut(ApiModel):
    """Documents in a state of the state's system."""

    einvoices: list[EInvoiceOut]
