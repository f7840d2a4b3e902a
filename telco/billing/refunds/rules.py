"""Rules of money back as pure functions: when it may and must be paid, to whom, how much."""

from __future__ import annotations

import re
from datetime import date, timedelta

from telco.billing.refunds.model import RefundTerms
from telco.kernel.calendar import add_months
from telco.kernel.money import Tiyn

_BIC = re.compile(r"[A-Z]{4}KZ[0-9A-Z]{2}(?:[0-9A-Z]{3})?", re.ASCII)
_KBE = re.compile(r"[12][1-9]", re.ASCII)


def is_bic(text: str) -> bool:
    """Tell whether this is the code of a bank of Kazakhstan (ISO 9362)."""
    return _BIC.fullmatch(text) is not None


def is_kbe(text: str) -> bool:
    """Tell whether this is a beneficiary's code: 1 for a resident or 2, and a sector of the economy, 1 to 9."""
    return _KBE.fullmatch(text) is not None


def kbe_of(iin_bin: str) -> str:
    """Return the beneficiary's code that an IIN or BIN tells, by its fifth digit.

    In an IIN it is of the day of birth, 0 to 3: households, 19. In a BIN 4 is a resident company, taken for a private
    one, 17; 5 one of a non-resident, 27; 6 entrepreneurs who have joined, households too. Whoever is another (a state
    body, a bank, a person who is no resident) has to say so.
    """
    match iin_bin[4]:
        case "4":
            return "17"
        case "5":
            return "27"
        case _:
            return "19"


def period_end(anchor: date, day: date) -> date:
    """Return the day after the accounting period in which `day` lies; periods are months counted from their anchor.

    Joined on 31 January, the period of 5 February ends with 27 February: the day after it is the 28th.

    Contract: PSC-1.1.26
    """
    months = max((day.year - anchor.year) * 12 + day.month - anchor.month, 0)
    while add_months(anchor, months) > day and months > 0:
        months -= 1
    return add_months(anchor, months + 1)


def not_before(registered_on: date, credit_period_end: date | None, terms: RefundTerms) -> date:
    """Return the first day on which a refund may be paid.

    Prepaid: at once. Credit: when the calendar days after the accounting period are over; they count from its last day,
    so a period up to and with 14 April is followed by 15 days up to the 29th, and the 30th is the first day.

    Contract: PSC-6.4
    """
    if credit_period_end is None:
        return registered_on
    return max(registered_on, credit_period_end + timedelta(days=terms.credit_wait_days))


def pay_by(registered_on: date, first_paid: date, terms: RefundTerms) -> date:
    """Return the last day on which a refund is in time: so many calendar days after the registration.

    Where credit has to wait longer than that, it is the first day on which it may be paid and banks pay: `first_paid`.

    Contract: PSC-6.4, PSC-7.7
    """
    return max(registered_on + timedelta(days=terms.refund_days), first_paid)


def compensation_left(limit: Tiyn, granted: Tiyn, loss: Tiyn) -> Tiyn:
    """Return the most that may still be granted: what is proven, within the limit for all that was granted.

    Contract: PSC-5.3
    """
    return Tiyn(max(min(loss, limit) - granted, 0))
