"""When fees fall due and what a part of a period costs: pure arithmetic on dates and tiyn."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from telco.catalog.measures import Interval
from telco.kernel.calendar import add_months
from telco.kernel.money import Tiyn, div_half_up, round_half_up

_DAYS = {Interval.DAY: 1, Interval.WEEK: 7, Interval.DAYS_28: 28, Interval.DAYS_30: 30}


def next_fee_date(anchor: date, interval: Interval, n: int) -> date:
    """Return the first day of the n-th period after the one that begins on `anchor`.

    Months are counted from the anchor: joined on the 31st, the fee falls on 28 February and again on 31 March.

    Contract: PSC-1.1.2, PSC-1.1.26, PSC-3.2.4
    """
    if interval is Interval.MONTH:
        return add_months(anchor, n)
    return anchor + timedelta(days=_DAYS[interval] * n)


def prorated(fee: Tiyn, first: date, after: date, period: tuple[date, date]) -> Tiyn:
    """Return the part of a period's fee for the days from `first` up to, not including, `after`; half up to tiyn.

    `period` is the whole period's first day and the day after its last. Days outside it cost nothing.

    Contract: PSC-1.1.2, PSC-3.2.4
    """
    start, end = period
    if start >= end:
        raise ValueError("a period has at least one day")
    days = (min(after, end) - max(first, start)).days
    return Tiyn(div_half_up(fee * max(days, 0), (end - start).days))


def vat_within(gross: Tiyn, rate: Decimal) -> Tiyn:
    """Return the VAT that a sum with VAT holds, half up to tiyn: 116.00 at 16 % holds 16.00.

    `rate` is the one in force on the day of the turnover (`Catalogue.vat`).
    """
    return Tiyn(round_half_up(gross * rate / (1 + rate)))
