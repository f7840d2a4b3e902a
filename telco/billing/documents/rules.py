"""Rules of documents as pure functions: facts in, decision out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

from telco.billing.documents.model import (
    Item,
    Kind,
    Period,
    Supply,
    VatGroup,
)
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn

SERIES: Mapping[Kind, str] = {
    Kind.INVOICE: "ICR",
    Kind.ACT: "ACT",
    Kind.EINVOICE: "ESF",
    Kind.STATEMENT: "STM",
    Kind.REFUND_ORDER: "RFO",
    Kind.RECONCILIATION: "REC",
}
"""The series of each kind: three letters, for two are a brand's invoices. Invoices and credit notes have numbers of
their own; ICR is of invoices' corrections."""

GIVEN = frozenset({Kind.INVOICE, Kind.CREDIT_NOTE, Kind.ACT})
"""What a company is given to read: an e-invoice is for the state's system, and says what its act says."""

ACT_TERM_DAYS = 20
"""Calendar days after the services were given."""
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)
MAX_STATEMENT_DAYS = 366
_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9-]*")


def number_of(series: str, year: int, number: int) -> str:
    """Write a number of a series: ``ACT-2026-0000001``."""
    return f"{series}-{year}-{number:07d}"


def source_of(kind: Kind, made_of: int) -> str:
    """Name what a document is made of: ``invoice:42``. The same source is issued once."""
    return f"{kind}:{made_of}"


def source_of_month(kind: Kind, account: AccountRef, month: date) -> str:
    """Name what a document of an account's month is made of: ``act:2:417:2026-03-01``."""
    return f"{kind}:{account}:{month.isoformat()}"


def einvoice_of_act(source: str) -> str | None:
    """Name what the e-invoice of the services of an act is made of: the act's invoice, or the month's e-invoice.

    None for what is made of no act. ``act:42`` has ``invoice:42``, ``act:2:417:2026-03-01`` has
    ``einvoice:2:417:2026-03-01``.
    """
    match source.split(":"):
        case [Kind.ACT, invoice_id]:
            return f"{Kind.INVOICE}:{invoice_id}"
        case [Kind.ACT, *of_month]:
            return ":".join((Kind.EINVOICE, *of_month))
    return None


def duty_due_on(supplied_until: date) -> date:
    """Return the last day to issue a document of services; `supplied_until` is the day after them.

    Services until 1 March (`supplied_until` is 2 March): an act is due within 20 calendar days after, on 21 March at
    the latest. The invoice has the same term: the contract gives the act's, and both say the same. So has a credit
    note, from the day on which the invoice was found too high.

    Contract: PSC-4.5
    """
    return supplied_until - timedelta(days=1) + timedelta(days=ACT_TERM_DAYS)


def turnover_on(period: Period | None, issued_on: date) -> date:
    """Return the day on which services were supplied: the last of the period, or the day of issue without one."""
    return issued_on if period is None else period.end - timedelta(days=1)


def supply_of(items: Iterable[Item], due_on: date | None, invoice_number: str | None = None) -> Supply:
    """Add the lines up, in all and by rate of VAT, the highest rate first."""
    lines = tuple(items)
    groups = []
    rates = {item.vat_percent for item in lines if item.vat_percent is not None}
    for percent in (*sorted(rates, reverse=True), None):
        of_rate = [item for item in lines if item.vat_percent == percent]
        if of_rate:
            groups.append(VatGroup(percent, *_sums(of_rate)))
    net, vat, gross = _sums(lines)
    return Supply(lines, tuple(groups), net, vat, gross, due_on, invoice_number)


def only_supplies(supply: Supply) -> Supply:
    """Leave out what is no service: instalments of a device, penalties, older debts. They bear no VAT.

    An act and the state's e-invoice state what was supplied; the invoice states all that has to be paid.
    """
    items = [item for item in supply.items if item.vat_percent is not None]
    numbered = (replace(item, line_no=number) for number, item in enumerate(items, 1))
    return supply_of(numbered, supply.due_on, supply.invoice_number)


def netted(supply: Supply) -> Supply:
    """Take what was given back off what it was given back of: a line of the state's forms is never negative.

    What is given back at a rate of VAT is taken off the largest line at that rate. Where that is not enough, everything
    at the rate becomes one line; the sums by rate are the same. 4829.03 for a plan and -1770.65 for its unused days is
    a line of 3058.38.
    """
    items: list[Item] = []
    for group in supply.groups:
        of_rate = [item for item in supply.items if item.vat_percent == group.vat_percent]
        back = [item for item in of_rate if item.gross < 0]
        kept = [item for item in of_rate if item.gross >= 0]
        largest = max(of_rate, key=lambda item: item.gross)
        net, vat, gross = _sums([largest, *back]) if largest not in back else (group.net, group.vat, group.gross)
        if gross < 0 or net < 0 or vat < 0:
            net, vat, gross, kept = group.net, group.vat, group.gross, [largest]
        lowered = replace(largest, net=net, vat=vat, gross=gross)
        items += [lowered if item is largest else item for item in kept or [largest]]
    ordered = sorted(items, key=lambda item: item.line_no)
    return supply_of(
        (replace(item, line_no=number) for number, item in enumerate(ordered, 1)), supply.due_on, supply.invoice_number
    )


def _sums(items: Iterable[Item]) -> tuple[Tiyn, Tiyn, Tiyn]:
    net = vat = 0
    for item in items:
        net, vat = net + item.net, vat + item.vat
    return Tiyn(net), Tiyn(vat), Tiyn(net + vat)


def next_try(attempts: int, now: datetime) -> datetime:
    """Return when an e-invoice that failed for a passing reason is sent again: 1, 2, 4 minutes ... at most an hour."""
    doublings = min(attempts - 1, 10)
    return now + min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def esf_number(number: str) -> str:
    """Write a document's number in digits only, as the state's system takes it; different numbers stay different.

    A letter becomes two digits, A = 10 to Z = 35: ``KC-2026-0000001`` is ``201220260000001``.

    Raises:
        ValueError: a number that is not letters, digits and hyphens, or too long.
    """
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"{number} cannot be a number of the state's system")
    letters = (letter for letter in number if letter != "-")
    digits = "".join(letter if letter.isdigit() else str(ord(letter) - ord("A") + 10) for letter in letters)
    if len(digits) > 30:
        raise ValueError(f"{number} cannot be a number of the state's system: it is too long")
    return digits
