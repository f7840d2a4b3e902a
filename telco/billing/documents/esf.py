"""E-invoices and e-acts of the state's system (IS ESF of the State Revenue Committee) as XML.

The forms are `InvoiceV2` (namespace ``v2.esf``) and `AwpV1` (``v1.awp``). Their elements, the order of these and their
spelling follow what is public about the developer's kit of the system: its sample "One InvoiceV2.xml", and descriptions
of the two schemas in published integrations. docs/documents.md says what could be checked and what could not. Elements
beside the root have no namespace; days are dd.MM.yyyy; sums have no needless zeros.

The name of goods and services is Russian, as the system's own samples have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape

from telco.billing.documents import rules
from telco.billing.documents.model import Bank, Document, Item, Kind, Related, Seller, Supply, VatCertificate
from telco.kernel.i18n import Language
from telco.kernel.money import to_decimal

FORMS: Mapping[Kind, str] = {
    Kind.INVOICE: "InvoiceV2",
    Kind.CREDIT_NOTE: "InvoiceV2",
    Kind.EINVOICE: "InvoiceV2",
    Kind.ACT: "AwpV1",
}
LANGUAGE = Language.RU
CURRENCY = "KZT"
COUNTRY = "KZ"
SERVICE_ORIGIN = "6"
"""The sign of origin: works and services, which have no customs code."""
CATALOGUE_ID = "1"
"""The identifier in the catalogue of goods and services; 1 where there is none, as in the system's sample."""
PIECE = "796"
"""The unit of measure "piece", as in the system's sample; a service is one of it."""
MAX_NAME = 400

Node = tuple[str, "str | Sequence[Node]"]
"""An element: its name, and its text or its children."""


def to_body(document: Document, related: Related | None = None) -> str:
    """Write what is signed and sent: one invoice or act.

    A correction of a registered document is a `FIXED_INVOICE` that names it, a credit note an `ADDITIONAL_INVOICE` with
    negative sums; `related` is what it names, None where the system registered nothing of the kind: a correction is
    then the first that the system sees.

    Raises:
        ValueError: a document of another kind.
    """
    content = document.content
    if not isinstance(content, Supply) or document.kind not in FORMS:
        raise ValueError(f"a document of the kind {document.kind} does not go to the state's system")
    supply = rules.only_supplies(content)
    if document.kind is not Kind.CREDIT_NOTE:
        supply = rules.netted(supply)
    if document.kind is Kind.ACT:
        head = '<v1:awp xmlns:aawp="abstractAwp.awp" xmlns:v1="v1.awp">'
        return head + _write(_act(document, supply, related)) + "</v1:awp>"
    head = '<v2:invoice xmlns:a="abstractInvoice.esf" xmlns:v2="v2.esf">'
    return head + _write(_invoice(document, supply, related)) + "</v2:invoice>"


def to_file(document: Document, related: Related | None = None) -> bytes:
    """Write a document as a file that the system's site takes: invoices in a container, an act as it is."""
    body = to_body(document, related)
    if document.kind is not Kind.ACT:
        head = '<esf:invoiceContainer xmlns:esf="esf"><invoiceSet>'
        body = f"{head}{body}</invoiceSet></esf:invoiceContainer>"
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{body}\n'.encode()


def day(value: date) -> str:
    return f"{value:%d.%m.%Y}"


def amount(tiyn: int) -> str:
    """Write a sum in tenge without needless zeros: 6887.93, 1200.5, 600000."""
    return _plain(to_decimal(tiyn))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# Invoices


def _invoice(document: Document, supply: Supply, related: Related | None) -> Iterator[Node]:
    """The order is the schema's: first what every version has, then what InvoiceV2 adds."""
    yield "date", day(document.issued_on)
    changes = "ADDITIONAL_INVOICE" if document.kind is Kind.CREDIT_NOTE else "FIXED_INVOICE"
    yield "invoiceType", "ORDINARY_INVOICE" if related is None else changes
    yield "num", rules.esf_number(document.number)
    yield "operatorFullname", document.seller.esf_operator
    if related is not None:
        yield "relatedInvoice", _related(related)
    yield "turnoverDate", day(rules.turnover_on(document.period, document.issued_on))
    yield "customers", [("customer", list(_customer(document)))]
    yield "deliveryTerm", _contract_term(document)
    yield "productSet", list(_products(supply))
    yield "sellers", [("seller", list(_seller(document.seller)))]


def _related(related: Related) -> list[Node]:
    return [
        ("date", day(related.issued_on)),
        ("num", rules.esf_number(related.number)),
        ("registrationNumber", related.registration),
    ]


def _customer(document: Document) -> Iterator[Node]:
    buyer = document.buyer
    if buyer.address is not None:
        yield "address", buyer.address
    yield "countryCode", COUNTRY
    yield "name", buyer.name
    yield "tin", buyer.iin_bin


def _contract_term(document: Document) -> list[Node]:
    return [
        ("contractDate", day(document.basis.contract_on)),
        ("contractNum", document.basis.contract),
        ("hasContract", "true"),
    ]


def _products(supply: Supply) -> Iterator[Node]:
    yield "currencyCode", CURRENCY
    yield "products", [("product", list(_product(item))) for item in supply.items]
    yield "totalExciseAmount", "0"
    yield "totalNdsAmount", amount(supply.vat)
    yield "totalPriceWithTax", amount(supply.gross)
    yield "totalPriceWithoutTax", amount(supply.net)
    yield "totalTurnoverSize", amount(supply.net)


def _product(item: Item) -> Iterator[Node]:
    """A line is one service at its price: what it is made of (minutes, megabytes) has a price for each unit begun.

    What is given back has no quantity and price of its own: those are never negative.
    """
    yield "catalogTruId", CATALOGUE_ID
    yield "description", item.name.in_(LANGUAGE)[:MAX_NAME]
    yield "ndsAmount", amount(item.vat)
    if item.vat_percent is not None:
        yield "ndsRate", _plain(item.vat_percent)
    yield "priceWithTax", amount(item.gross)
    yield "priceWithoutTax", amount(item.net)
    if item.net >= 0:
        yield "quantity", "1"
    yield "truOriginCode", SERVICE_ORIGIN
    yield "turnoverSize", amount(item.net)
    if item.net >= 0:
        yield "unitNomenclature", PIECE
        yield "unitPrice", amount(item.net)


def _seller(seller: Seller) -> Iterator[Node]:
    yield "address", seller.address.in_(LANGUAGE)
    yield "bank", seller.bank.name.in_(LANGUAGE)
    yield "bik", seller.bank.bik
    yield from _certificate(seller.vat_certificate)
    yield "iik", seller.bank.iban
    yield "kbe", seller.bank.kbe
    yield "name", seller.name.in_(LANGUAGE)
    yield "tin", seller.bin


def _certificate(certificate: VatCertificate | None) -> Iterator[Node]:
    if certificate is not None:
        yield "certificateNum", certificate.number
        yield "certificateSeries", certificate.series


# Acts


def _act(document: Document, supply: Supply, related: Related | None) -> Iterator[Node]:
    yield "date", day(document.issued_on)
    yield "number", rules.esf_number(document.number)
    yield "performedDate", day(rules.turnover_on(document.period, document.issued_on))
    earlier = related or document.corrects
    if earlier is not None:
        yield "additionalInfo", f"Взамен акта № {rules.esf_number(earlier.number)} от {day(earlier.issued_on)}"
    yield (
        "contract",
        [
            ("date", day(document.basis.contract_on)),
            ("isContract", "true"),
            ("number", document.basis.contract),
        ],
    )
    yield "recipients", [("recipient", list(_recipient(document)))]
    yield "senders", [("sender", list(_sender(document.seller)))]
    yield "worksPerformed", list(_works(supply))


def _recipient(document: Document) -> Iterator[Node]:
    buyer = document.buyer
    if buyer.address is not None:
        yield "address", buyer.address
    yield "tin", buyer.iin_bin
    yield "name", buyer.name
    yield "nonResident", "false"
    yield "registrationType", "ENTERPRISE"


def _sender(seller: Seller) -> Iterator[Node]:
    yield "address", seller.address.in_(LANGUAGE)
    yield "tin", seller.bin
    yield "bankDetails", _bank(seller.bank)
    yield from _certificate(seller.vat_certificate)
    yield "name", seller.name.in_(LANGUAGE)


def _bank(bank: Bank) -> list[Node]:
    return [("bank", bank.name.in_(LANGUAGE)), ("bik", bank.bik), ("iik", bank.iban), ("kbe", bank.kbe)]


def _works(supply: Supply) -> Iterator[Node]:
    yield "currencyCode", CURRENCY
    yield "totalNdsAmount", amount(supply.vat)
    yield "totalSumWithTax", amount(supply.gross)
    yield "totalSumWithoutTax", amount(supply.net)
    yield "totalTurnoverSize", amount(supply.net)
    yield "works", [("work", list(_work(item))) for item in supply.items]


def _work(item: Item) -> Iterator[Node]:
    yield "measureUnitCode", PIECE
    yield "name", item.name.in_(LANGUAGE)[:MAX_NAME]
    yield "ndsAmount", amount(item.vat)
    yield "ndsRate", "0" if item.vat_percent is None else _plain(item.vat_percent)
    yield "quantity", "1"
    yield "sumWithTax", amount(item.gross)
    yield "sumWithoutTax", amount(item.net)
    yield "turnoverSize", amount(item.net)
    yield "unitPriceWithoutTax", amount(item.net)


def _write(nodes: Iterator[Node]) -> str:
    return "".join(_element(*node) for node in nodes)


def _element(name: str, content: str | Sequence[Node]) -> str:
    inner = escape(content) if isinstance(content, str) else "".join(_element(*node) for node in content)
    return f"<{name}>{inner}</{name}>"
