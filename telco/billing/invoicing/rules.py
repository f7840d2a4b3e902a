"""The contract's rules of invoices as pure functions: periods, the settlement term, VAT."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from telco.kernel.calendar import add_months
from telco.kernel.money import Tiyn, div_half_up

SETTLEMENT_TERM_DAYS = 30
"""Calendar days. Contract: PSC-1.1.17"""
MILLIONTHS = 1_000_000
"""A rate of VAT is stored as a whole number of these."""
PENALTY = "revenue.penalty"
"""What penalties for late payment are charged to."""
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


def vat_in(gross: Tiyn, rate: Decimal) -> Tiyn:
    """Return the VAT in a sum that includes it: gross * rate / (1 + rate), half up, once per invoice and rate.

    1,160.00 at 16 %: 1160 * 0.16 / 1.16 = 160.00. What is given back is rounded like what was charged.
    """
    millionths = int(rate * MILLIONTHS)
    vat = div_half_up(abs(gross) * millionths, MILLIONTHS + millionths)
    return Tiyn(vat if gross >= 0 else -vat)
