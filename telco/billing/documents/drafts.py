"""Drafts: what a document of each kind says, gathered from invoices, the ledger and the subscriber's data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from telco.billing.documents import labels, rules
from telco.billing.documents.errors import (
    AccountOwnerUnknownError,
    ActForCompanyError,
    DocumentTooLongError,
    NothingSuppliedError,
)
from telco.billing.documents.model import (
    Basis,
    Buyer,
    BuyerKind,
    Document,
    Draft,
    Entry,
    Issued,
    Item,
    Kind,
    Named,
    Period,
    Reconciliation,
    Reference,
    Refund,
    Seller,
    Statement,
    Supply,
    Turn,
)
from telco.billing.documents.requisites import Requisites
from telco.billing.invoicing import credit_notes
from telco.billing.invoicing.model import CreditNoteId, Invoice, InvoiceId, InvoiceLine
from telco.billing.invoicing.rules import MILLIONTHS, UNTAXED, shared_vat
from telco.billing.invoicing.service import Invoicing
from telco.catalog.catalogue import Catalogue
from telco.catalog.errors import UnknownPlanError, UnknownServiceError
from telco.catalog.numbering import Names
from telco.db.pool import Connection
from telco.kernel.calendar import Calendar, add_months
from telco.kernel.i18n import Text, Translator
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.kernel.units import Unit
from telco.ledger import history
from telco.ledger.history import Movement
from telco.subscribers.addressees import Addressee, addressee
from telco.subscribers.model import PartyKind

MAX_ENTRIES = 20_000
"""Lines of a statement: about 400 pages."""
INVOICES_AT_ONCE = 100
_SETTLEMENT = ("cash.", "payable.", "transfer", credit_notes.CONTRA)
"""The operator's accounts on the other side of what settles debts; every other is of what was used."""


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """What was decided about a refund, by the feature that decides."""

    source: str
    account: AccountRef
    amount: Tiyn
    application: str
    applied_on: date
    pay_by: date
    payee: str
    payee_iin_bin: str
    iban: str | None
    bik: str | None
    ground: Text


class Drafts:
    """Makes drafts. It reads, all on the caller's connection and so as his transaction sees it, and writes nothing."""

    def __init__(
        self,
        calendar: Calendar,
        translator: Translator,
        invoicing: Invoicing,
        catalogue: Callable[[], Catalogue],
        requisites: Requisites,
    ) -> None:
        self._calendar = calendar
        self._translator = translator
        self._invoicing = invoicing
        self._catalogue = catalogue
        self._requisites = requisites

    # Invoices and acts

    async def invoice(self, connection: Connection, invoice_id: InvoiceId, source: str) -> Draft:
        """An invoice as it was issued, dated as it is and with its own number; what was paid later is not on it.

        Raises:
            InvoiceUnknownError, RequisitesMissingError
        """
        invoice, lines = await self._invoice(connection, invoice_id)
        supply = rules.supply_of(self._items(invoice.period_start, lines), invoice.due_on)
        supply = replace(supply, advance=await self._invoicing.paid_in_advance(connection, invoice_id))
        issued_on = self._calendar.today(invoice.issued_at)
        draft = await self._of_invoice(connection, Kind.INVOICE, source, invoice, supply, issued_on)
        return replace(draft, number=invoice.number)

    async def act(self, connection: Connection, invoice_id: InvoiceId, source: str, today: date) -> Draft:
        """An act of the services that an invoice is of.

        Raises:
            InvoiceUnknownError, RequisitesMissingError
            NothingSuppliedError: the invoice has no services.
            ActForCompanyError: the invoice is a person's.

        Contract: PSC-4.5
        """
        invoice, lines = await self._invoice(connection, invoice_id)
        supply = rules.only_supplies(rules.supply_of(self._items(invoice.period_start, lines), None, invoice.number))
        if not supply.items:
            raise NothingSuppliedError(number=invoice.number)
        draft = await self._of_invoice(connection, Kind.ACT, source, invoice, supply, today)
        if draft.buyer.kind is not BuyerKind.COMPANY:
            raise ActForCompanyError(number=invoice.number)
        return draft

    async def act_of_month(
        self, connection: Connection, account: AccountRef, month: date, source: str, today: date
    ) -> Draft:
        """An act of what a company was given in a month in prepaid settlement, of which there is no invoice.

        Raises:
            AccountOwnerUnknownError, RequisitesMissingError, ActForCompanyError
            NothingSuppliedError: nothing, or all of it is on invoices.

        Contract: PSC-4.5, PSC-4.3.1
        """
        owner = await self._owner(connection, account)
        if owner.party.kind is not PartyKind.COMPANY:
            raise ActForCompanyError(number=str(account))
        period = Period(month, add_months(month, 1))
        spans = await self._invoicing.not_invoiced(connection, [account], *self._bounds(period))
        lines = await self._supplied(connection, account, *spans[account]) if account in spans else []
        supply = rules.only_supplies(rules.supply_of(self._items(month, lines), None))
        if supply.gross <= 0:
            raise NothingSuppliedError(number=str(account))
        seller = await self._requisites.on(connection, today)
        basis = self._basis(owner, owner.msisdn)
        return _draft(Kind.ACT, source, owner, today, seller, basis, period, supply, total=supply.gross)

    async def _supplied(
        self, connection: Connection, account: AccountRef, since: datetime, until: datetime
    ) -> list[InvoiceLine]:
        """Say what was charged as the lines of an invoice do, with the VAT of the day of the supply."""
        rates = self._invoicing.vat_rates()
        found = await history.supplied(connection, account, since, until, rates.since)
        of_line = [
            None if thing.code in UNTAXED else Decimal(rates.millionths[thing.rate_no - 1]) / MILLIONTHS
            for thing in found
        ]
        vats = shared_vat([(rate, thing.amount) for rate, thing in zip(of_line, found, strict=True)])
        return [
            InvoiceLine(
                number, thing.code, thing.label, thing.item, None, thing.operations, thing.quantity, thing.unit,
                thing.amount, rate, vat,
            )
            for number, (thing, rate, vat) in enumerate(zip(found, of_line, vats, strict=True), 1)
        ]  # fmt: skip

    async def credit_note(
        self, connection: Connection, credit_note_id: CreditNoteId, source: str, lowered: Reference | None
    ) -> Draft:
        """A credit note as it was issued, with its own number. `lowered` is the document of its invoice.

        Raises:
            CreditNoteUnknownError, RequisitesMissingError
        """
        note = await credit_notes.read(connection, credit_note_id)
        invoice = await self._invoicing.invoice(note.invoice_id, connection)
        lines = [
            replace(part.line, count=1, quantity=None, unit=Unit.MONEY, amount=Tiyn(-part.amount), vat=Tiyn(-part.vat))
            for part in note.lines
            if part.amount
        ]
        supply = rules.supply_of(self._items(invoice.period_start, lines), None, invoice.number)
        issued_on = self._calendar.today(note.issued_at)
        draft = await self._of_invoice(connection, Kind.CREDIT_NOTE, source, invoice, supply, issued_on)
        return replace(draft, number=note.number, corrects=lowered)

    async def _invoice(self, connection: Connection, invoice_id: InvoiceId) -> tuple[Invoice, list[InvoiceLine]]:
        invoice = await self._invoicing.invoice(invoice_id, connection)
        return invoice, await self._invoicing.lines(invoice_id, connection)

    async def _of_invoice(
        self, connection: Connection, kind: Kind, source: str, invoice: Invoice, supply: Supply, issued_on: date
    ) -> Draft:
        owner = await self._owner(connection, invoice.account)
        period = Period(invoice.period_start, invoice.period_end)
        seller = await self._requisites.on(connection, issued_on)
        basis = self._basis(owner, invoice.msisdn)
        return _draft(kind, source, owner, issued_on, seller, basis, period, supply, total=supply.gross)

    def _items(self, since: date, lines: list[InvoiceLine]) -> list[Item]:
        return [
            Item(
                line_no=number,
                code=line.code,
                name=labels.name_of(self._translator, line.label, line.code, self._given(line, since)),
                msisdn=line.msisdn,
                quantity=Decimal(line.count) if not line.quantity else labels.stated(line.unit, line.quantity),
                unit=labels.unit_of(self._translator, line.unit),
                net=Tiyn(line.amount - line.vat),
                vat_percent=line.vat_percent,
                vat=line.vat,
                gross=line.amount,
            )
            for number, line in enumerate(lines, 1)
        ]

    def _given(self, line: InvoiceLine, since: date) -> Names | None:
        """Name the plan or service that a fee is of, as it was called in the period; None where it is of none."""
        if line.item is None:
            return None
        catalogue, at = self._catalogue(), self._calendar.start_of_day(since)
        with contextlib.suppress(UnknownPlanError):
            return catalogue.plan(line.item, at).name
        with contextlib.suppress(UnknownServiceError):
            return catalogue.service(line.item, at).name
        return Names(line.item, line.item, line.item)

    # Statements

    async def statement(
        self, connection: Connection, account: AccountRef, period: Period, source: str, today: date
    ) -> Draft:
        """Every movement of a personal account in a period.

        Raises:
            AccountOwnerUnknownError, RequisitesMissingError
            DocumentTooLongError: more than `MAX_ENTRIES` lines.

        Contract: PSC-1.1.12
        """
        owner = await self._owner(connection, account)
        since, until = self._bounds(period)
        opening = await history.main_before(connection, account, since)
        moved = await history.movements(connection, account, since, until, MAX_ENTRIES + 1)
        if len(moved) > MAX_ENTRIES:
            raise DocumentTooLongError(most=MAX_ENTRIES)
        named: dict[tuple[str, str, int], Named] = {}
        entries = [self._entry(movement, named) for movement in moved]
        money_in = sum(entry.amount for entry in entries if entry.amount > 0)
        money_out = -sum(entry.amount for entry in entries if entry.amount < 0)
        content = Statement(
            opening,
            tuple(entries),
            tuple(named.values()),
            Tiyn(money_in),
            Tiyn(money_out),
            Tiyn(opening + money_in - money_out),
        )
        seller = await self._requisites.on(connection, today)
        basis = self._basis(owner, owner.msisdn)
        return _draft(Kind.STATEMENT, source, owner, today, seller, basis, period, content, total=content.closing)

    def _entry(self, movement: Movement, named: dict[tuple[str, str, int], Named]) -> Entry:
        label = str(movement.details.get("label", ""))
        key = (label, movement.contra, movement.unit)
        if key not in named:
            name = labels.name_of(self._translator, label, movement.contra)
            named[key] = Named(str(len(named) + 1), name, labels.unit_of(self._translator, movement.unit))
        other = movement.details.get("to")
        return Entry(
            at=movement.at,
            code=named[key].code,
            to=None if other is None else str(other),
            quantity=labels.stated(movement.unit, movement.quantity) if movement.quantity else None,
            amount=movement.change,
            balance=movement.main_after,
        )

    # Reconciliation

    async def reconciliation(
        self, connection: Connection, account: AccountRef, period: Period, source: str, today: date
    ) -> Draft:
        """What was invoiced and what was paid in a period, and what is owed at its ends.

        Debits are invoices by their day of issue, credits are credit notes and money that came, less what went back.
        What was used but not invoiced by the end is stated apart: it is owed on a later invoice.

        Raises:
            AccountOwnerUnknownError, RequisitesMissingError, DocumentTooLongError
        """
        owner = await self._owner(connection, account)
        since, until = self._bounds(period)
        invoices = await self._invoices(connection, account, until)
        paid_before, _ = _split(await history.totals(connection, account, since))
        paid, used = _split(await history.totals(connection, account, until))
        moved = await history.movements(connection, account, since, until, MAX_ENTRIES + 1)
        if len(moved) > MAX_ENTRIES:
            raise DocumentTooLongError(most=MAX_ENTRIES)
        turns = self._turns([invoice for invoice in invoices if invoice.issued_at >= since], moved)
        opening = sum(invoice.total for invoice in invoices if invoice.issued_at < since) - paid_before
        debit, credit = sum(turn.debit for turn in turns), sum(turn.credit for turn in turns)
        invoiced = sum(invoice.total for invoice in invoices)
        content = Reconciliation(
            opening=Tiyn(opening),
            turns=turns,
            debit=Tiyn(debit),
            credit=Tiyn(credit),
            closing=Tiyn(opening + debit - credit),
            not_invoiced=Tiyn(used - invoiced),
        )
        assert content.closing == invoiced - paid, "the ledger and the turns of a reconciliation agree"
        seller = await self._requisites.on(connection, today)
        basis = self._basis(owner, None)
        return _draft(Kind.RECONCILIATION, source, owner, today, seller, basis, period, content, total=content.closing)

    async def _invoices(self, connection: Connection, account: AccountRef, until: datetime) -> list[Invoice]:
        found: list[Invoice] = []
        before: InvoiceId | None = None
        while page := await self._invoicing.of_account(account, INVOICES_AT_ONCE, before, connection):
            found += page
            before = page[-1].invoice_id
        return [invoice for invoice in reversed(found) if invoice.issued_at < until]

    def _turns(self, invoices: list[Invoice], moved: list[Movement]) -> tuple[Turn, ...]:
        name = labels.in_three(self._translator, Text("Invoice"))
        dated = [
            (
                invoice.issued_at,
                Turn(self._calendar.today(invoice.issued_at), name, invoice.number, invoice.total, Tiyn(0)),
            )
            for invoice in invoices
        ]
        for movement in moved:
            if movement.change and movement.contra.startswith(_SETTLEMENT):
                called = labels.name_of(self._translator, str(movement.details.get("label", "")), movement.contra)
                number = str(movement.details.get("payment", ""))
                dated.append(
                    (movement.at, Turn(self._calendar.today(movement.at), called, number, Tiyn(0), movement.change))
                )
        return tuple(turn for _, turn in sorted(dated, key=lambda pair: pair[0]))

    # Refunds

    async def refund_order(self, connection: Connection, facts: RefundFacts, today: date) -> Draft:
        """An order to return money.

        Raises:
            AccountOwnerUnknownError, RequisitesMissingError

        Contract: PSC-6.4, PSC-7.7
        """
        owner = await self._owner(connection, facts.account)
        content = Refund(
            amount=facts.amount,
            application=facts.application,
            applied_on=facts.applied_on,
            pay_by=facts.pay_by,
            payee=facts.payee,
            payee_iin_bin=facts.payee_iin_bin,
            iban=facts.iban,
            bik=facts.bik,
            ground=labels.in_three(self._translator, facts.ground),
        )
        seller = await self._requisites.on(connection, today)
        basis = self._basis(owner, owner.msisdn)
        return _draft(Kind.REFUND_ORDER, facts.source, owner, today, seller, basis, None, content, total=facts.amount)

    # What all have

    async def _owner(self, connection: Connection, account: AccountRef) -> Addressee:
        owner = await addressee(connection, account)
        if owner is None:
            raise AccountOwnerUnknownError(account=str(account))
        return owner

    def _basis(self, owner: Addressee, msisdn: str | None) -> Basis:
        opened_on = self._calendar.today(owner.contract_opened_at)
        return Basis(str(owner.contract_id), opened_on, str(owner.account), msisdn)

    def _bounds(self, period: Period) -> tuple[datetime, datetime]:
        return self._calendar.start_of_day(period.start), self._calendar.start_of_day(period.end)


def _draft(
    kind: Kind,
    source: str,
    owner: Addressee,
    issued_on: date,
    seller: Seller,
    basis: Basis,
    period: Period | None,
    content: Supply | Statement | Reconciliation | Refund,
    *,
    total: Tiyn,
) -> Draft:
    party = owner.party
    buyer = Buyer(
        BuyerKind.COMPANY if party.kind is PartyKind.COMPANY else BuyerKind.PERSON,
        party.full_name,
        party.iin_bin,
        party.postal_address,
    )
    return Draft(
        kind=kind,
        source=source,
        account=owner.account,
        contract_id=owner.contract_id,
        party_id=owner.party_id,
        issued_on=issued_on,
        seller=seller,
        buyer=buyer,
        basis=basis,
        period=period,
        content=content,
        total=total,
    )


def einvoice_of(act: Issued, said: Document, source: str, today: date) -> Draft:
    """Say what an act of a month says, so that both have the same sums. Contract: PSC-4.5"""
    return Draft(
        kind=Kind.EINVOICE,
        source=source,
        account=act.account,
        contract_id=act.contract_id,
        party_id=act.party_id,
        issued_on=today,
        seller=said.seller,
        buyer=said.buyer,
        basis=said.basis,
        period=said.period,
        content=said.content,
        total=act.total,
    )


def _split(totals: dict[str, Tiyn]) -> tuple[int, int]:
    """Add up what was paid (money in less money back) and what was used (positive)."""
    paid = sum(change for contra, change in totals.items() if contra.startswith(_SETTLEMENT))
    return paid, paid - sum(totals.values())
