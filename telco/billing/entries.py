"""How an operation of a personal account is called when it is shown to the subscriber."""

from __future__ import annotations

from collections.abc import Mapping

from telco.catalog.labels import describe
from telco.kernel.i18n import Text
from telco.ledger.model import Kind
from telco.ledger.views import StatementEntry

CHARGES = (Kind.DEBIT, Kind.USE, Kind.PURCHASE)
"""Operations that take something."""
PAYMENTS = (Kind.CREDIT, Kind.REVERSE)
"""Operations among which money comes in, or is taken back because it came by mistake."""

_LABELS: Mapping[str, Text] = {
    "bonus.taken_back": Text("Bonuses taken back"),
    "instalment": Text("Device instalment"),
    "fee.plan": Text("Plan fee"),
    "fee.service": Text("Service fee"),
    "fee.refund": Text("Unused days of the plan given back"),
    "number.price": Text("Price of the number"),
    "trust.consumed": Text("Trust payment repaid"),
    "trust.price": Text("Fee of the trust payment"),
}
_WAYS_IN: Mapping[str, Text] = {
    "cash.card": Text("Payment card"),
    "cash.terminal": Text("Terminal"),
    "cash.bank": Text("Bank transfer"),
    "cash.desk": Text("Cash desk"),
    "cash.office": Text("Paid in the office"),
}
_CASH = "cash."


def is_payment(entry: StatementEntry) -> bool:
    """Whether money came in, or was taken back because it came by mistake. Contract: PSC-4.1, PSC-3.1.8"""
    return entry.kind in PAYMENTS and entry.contra.startswith(_CASH)


def name(entry: StatementEntry) -> Text:
    """Say what an operation was."""
    if is_payment(entry):
        return Text("Payment corrected") if entry.kind is Kind.REVERSE else _WAYS_IN.get(entry.contra, Text("Payment"))
    label = str(entry.details.get("label", ""))
    if label in _LABELS:
        return _LABELS[label]
    if entry.kind is Kind.REVERSE:
        return Text("Charge corrected")
    if entry.kind is Kind.CREDIT:
        return Text("Credited")
    try:
        return describe(label) if label else Text("Charge")
    except ValueError:  # a label of another feature
        return Text("Charge")
