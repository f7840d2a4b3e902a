"""The contract's rules of invoices as pure functions: periods, the settlement term, VAT."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from telco.billing.invoicing.model import CreditedLine, InvoiceLine
from telco.kernel.calendar import Calendar, add_months
from telco.kernel.money import Tiyn, div_half_up

SETTLEMENT_TERM_DAYS = 30
"""Calendar days. Contract: PSC-1.1.17"""
FOUND_TERM_WORKING_DAYS = 10
"""Contract: PSC-7.6"""
MILLIONTHS = 1_000_000
"""A rate of VAT is stored as a whole number of these."""
PENALTY = "revenue.penalty"
"""What penalties for late payment are charged to."""
CREDIT_NOTES = "CRN"
"""The series of credit notes. Only those of invoices have two letters: the first two of the brand's code."""
UNTAXED = (PENALTY,)
"""Revenue that is no turnover for VAT: a penalty compensates, it sells nothing. Contract: PSC-5.4"""


def period(anchor: date, number: int) -> tuple[date, date]:
    """Return the first day of the accounting period `number` since joining, and the first day after it.

    From the day of joining to the same day of the next month; one that begins on the 31st ends with a shorter month's
    last day and returns to the 31st.

    Contract: PSC-1.1.26
    """
    return add_months(anchor, number), add_months(anchor, number + 1)


def due_on(period_end: date) -> date:
    """Return the last day on which the invoice of a period is paid in time. Contract: PSC-1.1.17"""
    return period_end + timedelta(days=SETTLEMENT_TERM_DAYS)


def found_due_on(issued_on: date, calendar: Calendar) -> date:
    """Return the last day to pay what was found after all numbers of an account were ported out.

    Nothing was owed when they left (PSC-7.2), so what an invoice is of was found since; its issue is the notice.

    Contract: PSC-7.6
    """
    return calendar.add_working_days(issued_on, FOUND_TERM_WORKING_DAYS)


def vat_in(gross: Tiyn, rate: Decimal) -> Tiyn:
    """Return the VAT in a sum that includes it: gross * rate / (1 + rate), half up, once per invoice and rate.

    1,160.00 at 16 %: 1160 * 0.16 / 1.16 = 160.00. What is given back is rounded like what was charged.
    """
    millionths = int(rate * MILLIONTHS)
    vat = div_half_up(abs(gross) * millionths, MILLIONTHS + millionths)
    return Tiyn(vat if gross >= 0 else -vat)


def credited(lines: Sequence[InvoiceLine], amount: Tiyn) -> list[CreditedLine]:
    """Share what an invoice is lowered by among its lines, by what is left of each; the shares add up to it.

    What then remains bears the VAT of an invoice of just that, so an invoice that is taken back whole, at once or in
    parts, leaves no tiyn of VAT. `amount` is at most what is left of the lines.

    1,160.00 of voice and 580.00 of data at 16 %, lowered by 870.00: by 580.00 and 290.00. 870.00 remain with a VAT of
    120.00, where the 1,740.00 had 240.00.
    """
    total = sum(line.amount for line in lines)
    shared = upto = 0
    shares: list[int] = []
    for line in lines:
        upto += line.amount
        shares.append((2 * amount * upto + total) // (2 * total) - shared)
        shared += shares[-1]
    left = [(line.vat_rate, Tiyn(line.amount - share)) for line, share in zip(lines, shares, strict=True)]
    return [
        CreditedLine(line, Tiyn(share), Tiyn(line.vat - vat))
        for line, share, vat in zip(lines, shares, shared_vat(left), strict=True)
    ]


def shared_vat(lines: Sequence[tuple[Decimal | None, Tiyn]]) -> list[Tiyn]:
    """Share the VAT among lines, each given by its rate and sum: worked out once per rate, and the shares add up to it.

    0.04 and 0.04 at 16 % are 0.08 with a VAT of 0.01, which the first line has; None is a rate that bears none.
    """
    sums: defaultdict[Decimal, int] = defaultdict(int)
    shares: list[Tiyn] = []
    for rate, amount in lines:
        if rate is None:
            shares.append(Tiyn(0))
            continue
        before = vat_in(Tiyn(sums[rate]), rate)
        sums[rate] += amount
        shares.append(Tiyn(vat_in(Tiyn(sums[rate]), rate) - before))
    return shares
