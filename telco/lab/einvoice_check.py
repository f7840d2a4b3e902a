"""What the lab's e-invoice system finds wrong with a document: its form, then what it says.

It knows the two forms from their public descriptions on its own; it shares no line with what writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from telco.kernel.iin_bin import check_digit

MAX_BODY: Final = 2_000_000
_DAY: Final = r"\d{2}\.\d{2}\.\d{4}"
_SUM: Final = r"-?\d{1,17}(\.\d{1,2})?"
_QUANTITY: Final = r"\d{1,12}(\.\d{1,6})?"
_TIN: Final = r"\d{12}"
_RATES: Final = frozenset({"0", "5", "10", "12", "16"})
"""Rates of VAT that the state has had or has."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """An error as the system names it."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """An element of a form. Elements stand in the order of their fields."""

    name: str
    required: bool = True
    pattern: str | None = None
    fields: Sequence[Field] = ()
    many: bool = False


def _optional(name: str, pattern: str | None = None) -> Field:
    return Field(name, required=False, pattern=pattern)


_PRODUCT: Final = (
    Field("catalogTruId"),
    Field("description"),
    _optional("exciseAmount", _SUM),
    Field("ndsAmount", pattern=_SUM),
    _optional("ndsRate", r"\d{1,2}"),
    Field("priceWithTax", pattern=_SUM),
    Field("priceWithoutTax", pattern=_SUM),
    _optional("quantity", _QUANTITY),
    _optional("tnvedName"),
    Field("truOriginCode", pattern="[1-6]"),
    Field("turnoverSize", pattern=_SUM),
    _optional("unitCode", r"\d{1,10}"),
    _optional("unitNomenclature", r"\d{1,4}"),
    _optional("unitPrice", _QUANTITY),
)
_RELATED: Final = (Field("date", pattern=_DAY), Field("num", pattern=r"\d{1,30}"), _optional("registrationNumber"))
_CUSTOMER: Final = (
    _optional("address"),
    Field("countryCode", pattern="[A-Z]{2}"),
    Field("name"),
    _optional("tin", _TIN),
)
_TERM: Final = (_optional("contractDate", _DAY), _optional("contractNum"), Field("hasContract", pattern="true|false"))
_SELLER: Final = (
    _optional("address"),
    _optional("bank"),
    _optional("bik"),
    _optional("certificateNum", r"\d{7}"),
    _optional("certificateSeries", r"\d{5}"),
    _optional("iik"),
    _optional("kbe", r"\d{2}"),
    Field("name"),
    Field("tin", pattern=_TIN),
)
INVOICE_V2: Final = (
    Field("date", pattern=_DAY),
    Field("invoiceType", pattern="ORDINARY_INVOICE|FIXED_INVOICE|ADDITIONAL_INVOICE"),
    Field("num", pattern=r"\d{1,30}"),
    Field("operatorFullname"),
    Field("relatedInvoice", required=False, fields=_RELATED),
    Field("turnoverDate", pattern=_DAY),
    Field("customers", fields=(Field("customer", fields=_CUSTOMER, many=True),)),
    Field("deliveryTerm", required=False, fields=_TERM),
    Field(
        "productSet",
        fields=(
            Field("currencyCode", pattern="[A-Z]{3}"),
            Field("products", fields=(Field("product", fields=_PRODUCT, many=True),)),
            Field("totalExciseAmount", pattern=_SUM),
            Field("totalNdsAmount", pattern=_SUM),
            Field("totalPriceWithTax", pattern=_SUM),
            Field("totalPriceWithoutTax", pattern=_SUM),
            Field("totalTurnoverSize", pattern=_SUM),
        ),
    ),
    Field("sellers", fields=(Field("seller", fields=_SELLER, many=True),)),
)

_BANK: Final = (_optional("bank"), _optional("bik"), _optional("iik"), _optional("kbe", r"\d{2}"))
_WORK: Final = (
    _optional("additionalInfo"),
    _optional("measureUnitCode", r"\d{1,4}"),
    Field("name"),
    _optional("ndsAmount", _SUM),
    Field("ndsRate", pattern=r"\d{1,2}"),
    _optional("quantity", _QUANTITY),
    Field("sumWithTax", pattern=_SUM),
    Field("sumWithoutTax", pattern=_SUM),
    Field("turnoverSize", pattern=_SUM),
    Field("unitPriceWithoutTax", pattern=_QUANTITY),
)
AWP_V1: Final = (
    Field("date", pattern=_DAY),
    Field("number", pattern=r"\d{1,30}"),
    Field("performedDate", pattern=_DAY),
    _optional("registrationNumber"),
    _optional("additionalInfo"),
    Field(
        "contract",
        fields=(_optional("date", _DAY), Field("isContract", pattern="true|false"), _optional("number")),
    ),
    Field(
        "recipients",
        fields=(
            Field(
                "recipient",
                many=True,
                fields=(
                    _optional("address"),
                    _optional("tin", _TIN),
                    Field("bankDetails", required=False, fields=_BANK),
                    Field("name"),
                    Field("nonResident", pattern="true|false"),
                    _optional("registrationType", "ENTERPRISE|ENTREPRENEUR|INDIVIDUAL"),
                ),
            ),
        ),
    ),
    Field(
        "senders",
        fields=(
            Field(
                "sender",
                many=True,
                fields=(
                    _optional("address"),
                    _optional("tin", _TIN),
                    Field("bankDetails", required=False, fields=_BANK),
                    _optional("certificateNum", r"\d{7}"),
                    _optional("certificateSeries", r"\d{5}"),
                    Field("name"),
                ),
            ),
        ),
    ),
    Field(
        "worksPerformed",
        fields=(
            Field("currencyCode", pattern="[A-Z]{3}"),
            Field("totalNdsAmount", pattern=_SUM),
            Field("totalSumWithTax", pattern=_SUM),
            Field("totalSumWithoutTax", pattern=_SUM),
            Field("totalTurnoverSize", pattern=_SUM),
            Field("works", fields=(Field("work", fields=_WORK, many=True),)),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Form:
    """A form: its root, its fields, and what its sums are called."""

    root: str
    fields: Sequence[Field]
    number: str
    turnover: str
    seller: str
    buyer: str
    line: str
    total: str
    net: str
    gross: str


FORMS: Final = {
    "InvoiceV2": Form(
        "{v2.esf}invoice", INVOICE_V2, "num", "turnoverDate", "sellers/seller", "customers/customer",
        "productSet/products/product", "productSet", "PriceWithoutTax", "PriceWithTax",
    ),
    "AwpV1": Form(
        "{v1.awp}awp", AWP_V1, "number", "performedDate", "senders/sender", "recipients/recipient",
        "worksPerformed/works/work", "worksPerformed", "SumWithoutTax", "SumWithTax",
    ),
}  # fmt: skip


def parse(body: str) -> Any:
    """Read a document.

    Raises:
        ValueError: too large, no XML, or XML that does what no document does.
    """
    if len(body.encode()) > MAX_BODY:
        raise ValueError("too large")
    try:
        return fromstring(body)
    except (SyntaxError, DefusedXmlException) as error:
        raise ValueError(str(error)) from error


def check(name: str, tree: Any, *, tin: str, today: date) -> list[Flaw]:
    """Find every flaw of a document that somebody with `tin` sent; what it says is looked at when its form is right."""
    form = FORMS[name]
    if tree.tag != form.root:
        return [Flaw("XML_SCHEMA", f"the root is {tree.tag}")]
    return list(_form(tree, form.fields, "")) or list(_meaning(form, tree, tin=tin, today=today))


def _form(element: Any, fields: Sequence[Field], path: str) -> Iterator[Flaw]:
    """Compare an element's children with the fields that it has to have, in their order."""
    known = {field.name: place for place, field in enumerate(fields)}
    last = -1
    for child in element:
        place = known.get(child.tag)
        if place is None:
            yield Flaw("XML_SCHEMA", f"{path}/{child.tag} is not of the form")
            continue
        if place < last or (place == last and not fields[place].many):
            yield Flaw("XML_SCHEMA", f"{path}/{child.tag} is out of place")
        last = max(last, place)
        yield from _content(child, fields[place], f"{path}/{child.tag}")
    present = {child.tag for child in element}
    for field in fields:
        if field.required and field.name not in present:
            yield Flaw("XML_SCHEMA", f"{path}/{field.name} is missing")


def _content(element: Any, field: Field, path: str) -> Iterator[Flaw]:
    text = (element.text or "").strip()
    if field.fields:
        yield from _form(element, field.fields, path)
    elif len(element):
        yield Flaw("XML_SCHEMA", f"{path} has elements")
    elif not text:
        yield Flaw("EMPTY_FIELD", f"{path} is empty")
    elif field.pattern is not None and not re.fullmatch(field.pattern, text):
        yield Flaw("INVALID_FORMAT", f"{path}: {text[:40]}")
    elif field.pattern is _SUM and "." in text and text.endswith("0"):
        yield Flaw("INSIGNIFICANT_ZEROS", f"{path}: {text[:40]}")
    elif field.pattern is _TIN and check_digit(text[:11]) != int(text[11]):
        yield Flaw("INVALID_TIN", f"{path}: {text}")


def _meaning(form: Form, tree: Any, *, tin: str, today: date) -> Iterator[Flaw]:
    seller, buyer = tree.findtext(f"{form.seller}/tin"), tree.findtext(f"{form.buyer}/tin")
    if seller != tin:
        yield Flaw("SENDER_TIN", f"the seller {seller} is not the sender {tin}")
    if seller == buyer:
        yield Flaw("SAME_PARTIES", "the seller and the buyer are the same")
    if tree.findtext(f"{form.total}/currencyCode") != "KZT":
        yield Flaw("INVALID_CURRENCY", "only KZT is checked here")
    yield from _days(form, tree, today)
    yield from _sums(form, tree)
    related = tree.find("relatedInvoice") is not None
    if related != (tree.findtext("invoiceType") in ("FIXED_INVOICE", "ADDITIONAL_INVOICE")):
        yield Flaw("RELATED_INVOICE", "a corrected or additional invoice names the one it is about, and no other does")
    lowers = Decimal(tree.findtext(f"{form.total}/total{form.gross}")) < 0
    if lowers and tree.findtext("invoiceType") != "ADDITIONAL_INVOICE":
        yield Flaw("NEGATIVE_TOTAL", "only an additional invoice lowers a turnover")


def _days(form: Form, tree: Any, today: date) -> Iterator[Flaw]:
    try:
        issued, turnover = (
            datetime.strptime(tree.findtext(name), "%d.%m.%Y").date()  # noqa: DTZ007 (a day has no zone)
            for name in ("date", form.turnover)
        )
    except ValueError as error:
        yield Flaw("INVALID_DATE", str(error))
        return
    if issued > today:
        yield Flaw("DATE_AHEAD", f"issued on {issued}, which lies ahead")
    if turnover > issued:
        yield Flaw("TURNOVER_AHEAD", f"the turnover on {turnover} is after the issue on {issued}")


def _sums(form: Form, tree: Any) -> Iterator[Flaw]:
    """Lines add up and have the VAT of their rate, within what rounding of a whole document leaves; so do totals."""
    net = vat = gross = Decimal(0)
    net_name, gross_name = form.net[0].lower() + form.net[1:], form.gross[0].lower() + form.gross[1:]
    for number, line in enumerate(tree.iterfind(form.line), 1):
        line_net, line_vat = Decimal(line.findtext(net_name)), Decimal(line.findtext("ndsAmount") or 0)
        line_gross, rate = Decimal(line.findtext(gross_name)), line.findtext("ndsRate") or "0"
        if line_net + line_vat != line_gross:
            yield Flaw("LINE_SUM", f"line {number}: {line_net} + {line_vat} is not {line_gross}")
        if rate not in _RATES:
            yield Flaw("INVALID_NDS_RATE", f"line {number}: {rate}")
        elif abs(line_net * int(rate) / 100 - line_vat) > Decimal("0.05"):
            yield Flaw("NDS_AMOUNT", f"line {number}: {rate} % of {line_net} is not {line_vat}")
        net, vat, gross = net + line_net, vat + line_vat, gross + line_gross
    stated = {
        f"total{form.net}": net, "totalNdsAmount": vat, f"total{form.gross}": gross, "totalTurnoverSize": net,
    }  # fmt: skip
    for name, total in stated.items():
        if Decimal(tree.findtext(f"{form.total}/{name}")) != total:
            yield Flaw("TOTAL_SUM", f"{name} is not {total}")
