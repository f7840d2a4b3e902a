"""What stands where on each kind of document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from telco.billing.documents.model import (
    BuyerKind,
    Document,
    Kind,
    Reconciliation,
    Refund,
    Statement,
    Supply,
)
from telco.billing.documents.pdf import style
from telco.billing.documents.pdf.sheet import BODY, Align, Column
from telco.billing.documents.pdf.writer import Writer
from telco.kernel.calendar import ZONE
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Tiyn


def to_pdf(document: Document, language: Language, translator: Translator, sha256: str) -> bytes:
    """Render a document; the same document and language give the same bytes. `sha256` is the document's, in hex."""
    writer = Writer(document, language, translator, sha256)
    writer.heading()
    match document.content:
        case Supply() as supply if document.kind is Kind.ACT:
            _act(writer, supply)
        case Supply() as supply:
            _invoice(writer, supply)
        case Statement() as statement:
            _statement(writer, statement)
        case Reconciliation() as reconciliation:
            _reconciliation(writer, reconciliation)
        case Refund() as refund:
            _refund(writer, refund)
    return writer.finish()


def _invoice(writer: Writer, supply: Supply) -> None:
    writer.parties(Text("Supplier"), Text("Customer"))
    more = []
    if supply.due_on is not None:
        more.append((writer.say(Text("To be paid by")), writer.day(supply.due_on)))
    writer.basis(more, bank=True)
    _supply(writer, supply)
    sums, to_pay = _vat_sums(writer, supply), Tiyn(abs(supply.gross - supply.advance))
    if supply.advance:
        sums.append((writer.say(Text("Total, tenge")), int(supply.gross)))
        sums.append((writer.say(Text("Paid in advance")), -int(supply.advance)))
    writer.sums(sums, (writer.say(_total_of(writer.document.kind)), to_pay))
    writer.in_words(Text("Amount in words"), to_pay)
    seller = writer.document.seller
    writer.signatures(
        (Text("Head"), seller.head.in_(writer.language)),
        (Text("Chief accountant"), seller.accountant.in_(writer.language)),
    )


def _total_of(kind: Kind) -> Text:
    """Say what an invoice's sum is: what an e-invoice is of was paid for before it was given."""
    match kind:
        case Kind.CREDIT_NOTE:
            return Text("Invoice lowered by, tenge")
        case Kind.EINVOICE:
            return Text("Total, tenge")
        case _:
            return Text("Total to pay, tenge")


def _act(writer: Writer, supply: Supply) -> None:
    writer.parties(Text("Contractor"), Text("Customer"))
    more = []
    if supply.invoice_number is not None:
        more.append((writer.say(Text("Invoice")), supply.invoice_number))
    writer.basis(more)
    _supply(writer, supply)
    writer.sums(_vat_sums(writer, supply), (writer.say(Text("Total, tenge")), supply.gross))
    writer.in_words(Text("Amount in words"), supply.gross)
    writer.sheet.paragraph(
        writer.say(Text("The services were given in full and in time; the customer has no claims to their quality.")),
        BODY,
        after=2,
    )
    document = writer.document
    writer.signatures(
        (Text("Handed over by (contractor)"), document.seller.head.in_(writer.language)),
        (Text("Accepted by (customer)"), document.buyer.name),
        both_seal=True,
    )


def _supply(writer: Writer, supply: Supply) -> None:
    right = Align.RIGHT
    columns = [
        Column(writer.say(Text("No.")), width=8, align=right),
        Column(writer.say(Text("Service")), share=1, wrap=True),
        Column(writer.say(Text("Unit of measure")), width=15, align=Align.CENTER),
        Column(writer.say(Text("Qty")), width=20, align=right),
        Column(writer.say(Text("Cost without VAT, tenge")), width=24, align=right),
        Column(writer.say(Text("VAT, %")), width=13, align=right),
        Column(writer.say(Text("VAT, tenge")), width=20, align=right),
        Column(writer.say(Text("Cost with VAT, tenge")), width=24, align=right),
    ]

    def rows() -> Iterator[Sequence[str]]:
        language = writer.language
        for item in supply.items:
            name = item.name.in_(language)
            yield (
                str(item.line_no),
                name if item.msisdn is None else f"{name}, +{item.msisdn}",
                item.unit.in_(language),
                style.quantity(item.quantity, language),
                writer.money(item.net),
                _rate(writer, item.vat_percent),
                writer.money(item.vat),
                writer.money(item.gross),
            )
        net, vat, gross = (writer.money(amount) for amount in (supply.net, supply.vat, supply.gross))
        yield ("", writer.say(Text("Total")), "", "", net, "", vat, gross)

    writer.sheet.table(columns, rows(), strong_last=True)


def _vat_sums(writer: Writer, supply: Supply) -> list[tuple[str, int]]:
    sums = [(writer.say(Text("Total without VAT")), int(supply.net))]
    for group in supply.groups:
        if group.vat_percent is not None:
            sums.append(
                (writer.say(Text("VAT {rate}", rate=style.percent(group.vat_percent, writer.language))), int(group.vat))
            )
    return sums


def _rate(writer: Writer, vat_percent: Decimal | None) -> str:
    return writer.say(Text("no VAT")) if vat_percent is None else style.percent(vat_percent, writer.language)


def _statement(writer: Writer, statement: Statement) -> None:
    writer.parties(Text("Operator"), Text("Subscriber"))
    writer.basis()
    writer.sums(
        [
            (writer.say(Text("Balance at the beginning")), statement.opening),
            (writer.say(Text("Money in")), statement.money_in),
            (writer.say(Text("Money out")), -statement.money_out),
        ],
        (writer.say(Text("Balance at the end, tenge")), statement.closing),
    )
    right = Align.RIGHT
    columns = [
        Column(writer.say(Text("No.")), width=11, align=right),
        Column(writer.say(Text("Date and time")), width=29),
        Column(writer.say(Text("Service")), share=1, wrap=True),
        Column(writer.say(Text("Volume")), width=23, align=right),
        Column(writer.say(Text("Amount, tenge")), width=23, align=right),
        Column(writer.say(Text("Balance, tenge")), width=25, align=right),
    ]
    language = writer.language
    names = {named.code: named for named in statement.names}

    def rows() -> Iterator[Sequence[str]]:
        for number, entry in enumerate(statement.entries, 1):
            named = names[entry.code]
            volume = ""
            if entry.quantity is not None:
                volume = f"{style.quantity(entry.quantity, language)} {named.unit.in_(language)}"
            yield (
                str(number),
                style.moment(entry.at.astimezone(ZONE)),
                named.name.in_(language) if entry.to is None else f"{named.name.in_(language)}, {entry.to}",
                volume,
                writer.money(entry.amount),
                writer.money(entry.balance),
            )

    if statement.entries:
        writer.sheet.table(columns, rows())
    else:
        writer.sheet.paragraph(writer.say(Text("There were no movements in the period.")), BODY)


def _reconciliation(writer: Writer, act: Reconciliation) -> None:
    writer.parties(Text("Operator"), Text("Customer"))
    writer.basis()
    right = Align.RIGHT
    columns = [
        Column(writer.say(Text("Date")), width=22),
        Column(writer.say(Text("Document")), share=1, wrap=True),
        Column(writer.say(Text("Debit, tenge")), width=34, align=right),
        Column(writer.say(Text("Credit, tenge")), width=34, align=right),
    ]
    language = writer.language

    def rows() -> Iterator[Sequence[str]]:
        opening = act.opening
        yield (
            "",
            writer.say(Text("Balance at the beginning")),
            style.blank_or_money(max(opening, 0), language),
            style.blank_or_money(max(-opening, 0), language),
        )
        for turn in act.turns:
            yield (
                style.day(turn.on),
                f"{turn.name.in_(language)} {turn.number}".strip(),
                style.blank_or_money(turn.debit, language),
                style.blank_or_money(turn.credit, language),
            )
        yield ("", writer.say(Text("Turnover of the period")), writer.money(act.debit), writer.money(act.credit))

    writer.sheet.table(columns, rows(), strong_last=True)
    closing = Text("Neither side owes the other.")
    if act.closing > 0:
        closing = Text("The customer owes the operator {sum}.", sum=writer.tenge(act.closing))
    elif act.closing < 0:
        closing = Text("The operator owes the customer {sum}.", sum=writer.tenge(-act.closing))
    writer.sums([], (writer.say(Text("Balance at the end, tenge")), act.closing))
    writer.sheet.paragraph(writer.say(closing), BODY, after=1)
    if act.closing:
        writer.in_words(Text("Amount in words"), Tiyn(abs(act.closing)))
    if act.not_invoiced:
        left_over = writer.tenge(act.not_invoiced)
        note = Text("Services used and not yet invoiced: {sum}; not in the sums above.", sum=left_over)
        writer.sheet.paragraph(writer.say(note), BODY, after=2)
    document = writer.document
    writer.signatures(
        (Text("For the operator"), document.seller.accountant.in_(language)),
        (Text("For the customer"), document.buyer.name),
        both_seal=document.buyer.kind is BuyerKind.COMPANY,
    )


def _refund(writer: Writer, refund: Refund) -> None:
    writer.parties(Text("Payer"), Text("Payee"))
    where = writer.say(Text("At the cash desk"))
    if refund.iban is not None:
        where = writer.say(Text("Bank transfer"))
    more = [
        (
            writer.say(Text("Application")),
            writer.say(Text("No. {number} dated {day}", number=refund.application, day=style.day(refund.applied_on))),
        ),
        (writer.say(Text("Ground")), refund.ground.in_(writer.language)),
        (writer.say(Text("To be paid by")), writer.day(refund.pay_by)),
        (writer.say(Text("Payee")), f"{refund.payee}, {refund.payee_iin_bin}"),
        (writer.say(Text("Way of payment")), where),
        (writer.say(Text("Account (IIK)")), "" if refund.iban is None else style.iban(refund.iban)),
        (writer.say(Text("BIK")), refund.bik or ""),
    ]
    writer.basis(more)
    writer.sums([], (writer.say(Text("To be returned, tenge")), refund.amount))
    writer.in_words(Text("Amount in words"), refund.amount)
    seller = writer.document.seller
    writer.signatures(
        (Text("Head"), seller.head.in_(writer.language)),
        (Text("Chief accountant"), seller.accountant.in_(writer.language)),
    )
