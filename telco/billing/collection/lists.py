"""What a day's lists say of a debt: the file for collectors, and the letters that go by post."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from telco.billing.collection.model import Debt, Row, Step
from telco.kernel.calendar import Calendar
from telco.kernel.money import json_money
from telco.subscribers.accounts import Holder

HANDOVER_COLUMNS = (
    "case",
    "debt",
    "contract",
    "debtor_kind",
    "iin_bin",
    "name",
    "postal_address",
    "contact_phone",
    "email",
    "number",
    "debt_number",
    "due_on",
    "sum",
    "penalty",
    "acknowledged_on",
)
"""What a collector needs to claim a debt, and nothing else: no calls, no locations, no other payments."""
LETTER_COLUMNS = ("debt", "step", "language", "name", "postal_address", "debt_number", "due_on", "sum", "answer_until")
WITHDRAWAL_COLUMNS = ("case", "debt", "debt_number", "withdrawn_on")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def handover_data(debt: Debt, holder: Holder, open_tiyn: int, penalty_tiyn: int, calendar: Calendar) -> dict[str, str]:
    """A debt as a collector gets it. Contract: PSC-3.1.4"""
    acknowledged = "" if debt.acknowledged_at is None else calendar.today(debt.acknowledged_at).isoformat()
    return {
        "contract": str(holder.contract_id),
        "debtor_kind": holder.party_kind,
        "iin_bin": holder.iin_bin,
        "name": holder.full_name,
        "postal_address": holder.postal_address or "",
        "contact_phone": holder.contact_phone or "",
        "email": holder.email or "",
        "number": holder.msisdn or "",
        "debt_number": debt.number,
        "due_on": debt.due_on.isoformat(),
        "sum": json_money(open_tiyn),
        "penalty": json_money(penalty_tiyn),
        "acknowledged_on": acknowledged,
    }


def letter_data(debt: Debt, holder: Holder, open_tiyn: int, step: Step) -> dict[str, str]:
    """What is printed and sent of a step."""
    return {
        "step": step.action,
        "language": holder.language,
        "name": holder.full_name,
        "postal_address": holder.postal_address or "",
        "debt_number": debt.number,
        "due_on": debt.due_on.isoformat(),
        "sum": json_money(open_tiyn),
        "answer_until": "" if debt.answer_until is None else debt.answer_until.isoformat(),
    }


def as_csv(rows: Iterable[Row], columns: tuple[str, ...]) -> str:
    """Write a list as CSV with ``;``. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        known = {
            **row.data,
            "case": "" if row.case_id is None else str(row.case_id),
            "debt": str(row.debt_id),
            "withdrawn_on": "" if row.withdrawn_on is None else row.withdrawn_on.isoformat(),
        }
        writer.writerow([_harmless(known.get(column, "")) for column in columns])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
