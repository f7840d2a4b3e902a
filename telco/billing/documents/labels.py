"""What things are called on documents: lines of invoices, movements of accounts, units.

A name is written into the document in three languages when it is issued, so a later change of a word changes no
document. Codes are the ledger's operator accounts and the invoice lines'; an unknown one keeps the name it came with.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from telco.billing.documents.model import Words
from telco.catalog.labels import describe
from telco.catalog.numbering import Names, Service
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.units import MEGABYTE, MINUTE_S, Unit

NAMES: Mapping[str, Text] = {
    "fee.plan": Text("Subscription fee of the tariff plan"),
    "fee.refund": Text("Subscription fee given back"),
    "fee.service": Text("Subscription fee of an additional service"),
    "number.price": Text("Choice of a number"),
    "carried": Text("Debt of earlier periods"),
    "topup.correction": Text("Corrected payment"),
    "correction.move": Text("Payment moved to another account"),
    "correction.write_off": Text("Mistaken payment written off"),
    "correction.invoice": Text("Credit note"),
    "trust.given": Text("Trust payment"),
    "trust.consumed": Text("Trust payment repaid"),
    "trust.price": Text("Trust payment: price of the service"),
    "revenue.plan": Text("Subscription fee of the tariff plan"),
    "revenue.change_plan": Text("Change of the tariff plan"),
    "revenue.service": Text("Additional services"),
    "revenue.content": Text("Services of third parties"),
    "revenue.number": Text("Choice of a number"),
    "revenue.voice": Text("Voice calls"),
    "revenue.sms": Text("Short messages"),
    "revenue.data": Text("Mobile data"),
    "revenue.roaming": Text("Services in roaming"),
    "revenue.trust_payment": Text("Trust payment: price of the service"),
    "revenue.penalty": Text("Penalty for late payment"),
    "receivable.device": Text("Device instalment"),
    "cash.terminal": Text("Payment by terminal or bank application"),
    "cash.bank": Text("Payment by bank transfer"),
    "cash.desk": Text("Payment at the cash desk"),
    "cash.office": Text("Payment at the cash desk"),
    "cash.card": Text("Payment card"),
    "payable.refund": Text("Refund"),
    "transfer": Text("Transfer between personal accounts"),
    "bonus.cost": Text("Bonus"),
    "breakage": Text("Expired balance"),
}

_SERVICES = frozenset(Service)
_UNITS: Mapping[Unit, Text] = {
    Unit.MONEY: Text("service"),
    Unit.BYTES: Text("MB"),
    Unit.SECONDS: Text("min"),
    Unit.MESSAGES: Text("pcs"),
}
_SIZES: Mapping[Unit, tuple[int, Decimal]] = {
    Unit.BYTES: (MEGABYTE, Decimal("0.001")),
    Unit.SECONDS: (MINUTE_S, Decimal("0.01")),
}


def in_three(translator: Translator, text: Text) -> Words:
    """Say a text in every language."""
    return Words(*(translator.render(text, language) for language in (Language.KK, Language.RU, Language.EN)))


def name_of(translator: Translator, label: str, code: str, given: Names | None = None) -> Words:
    """Name a charge or movement by its label, or by the operator's account where the label says nothing.

    `given` is the name of the plan or service that it is of.
    """
    text = NAMES.get(label)
    if text is None and label.partition(".")[0] in _SERVICES:
        text = describe(label)
    text = text or NAMES.get(code)
    if text is None:
        return Words.same(label or code)
    words = in_three(translator, text)
    if given is None:
        return words
    return Words(f"{words.kk}: {given.kk}", f"{words.ru}: {given.ru}", f"{words.en}: {given.en}")


def unit_of(translator: Translator, unit: Unit) -> Words:
    """Name the unit in which documents state quantities of `unit`: minutes, not seconds."""
    return in_three(translator, _UNITS[unit])


def stated(unit: Unit, quantity: int) -> Decimal:
    """Write a quantity of the ledger in the unit of documents: 7,340 seconds are 122.33 minutes."""
    size, least = _SIZES.get(unit, (1, Decimal(1)))
    return (Decimal(quantity) / size).quantize(least, ROUND_HALF_UP)
