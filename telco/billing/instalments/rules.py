"""The rules of device instalments as pure functions: facts in, decision out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from telco.billing.instalments.model import AgreementState, Part, Sale
from telco.catalog.bonus import BASIS_POINTS, DevicePlan
from telco.kernel.calendar import add_months
from telco.kernel.i18n import Text
from telco.kernel.money import Tiyn, div_half_up


def schedule(price: Tiyn, down_payment: Tiyn, months: int, signed_on: date) -> tuple[Part, ...]:
    """Divide a price into the down payment (part 0, due at once) and a part a month, which add up to it to the tiyn.

    Parts differ by a tiyn at most, the larger ones first. The n-th is due n months after the day of signing; signed on
    the 31st, it is due on the last day of a shorter month and on the 31st again.

    Contract: PSC-3.2.12
    """
    each, more = divmod(price - down_payment, months)
    parts = [
        Part(number, add_months(signed_on, number), Tiyn(each + (number <= more))) for number in range(1, months + 1)
    ]
    if down_payment:
        parts.insert(0, Part(0, signed_on, down_payment))
    return tuple(part for part in parts if part.amount)


def least_down_payment(plan: DevicePlan, price: Tiyn) -> Tiyn:
    """Return the least down payment for a price, half up to the tiyn."""
    return Tiyn(div_half_up(price * plan.down_basis_points, BASIS_POINTS))


def sale_flaw(plan: DevicePlan, sale: Sale) -> tuple[str, Text] | None:
    """Say which field of a sale its plan does not allow, and why; None for none."""
    if not plan.least_price <= sale.price <= plan.most_price:
        return "price", Text("is outside the limits of the plan")
    if sale.months not in plan.months:
        return "months", Text("is not among the terms of the plan")
    if sale.down_payment < least_down_payment(plan, sale.price):
        return "down_payment", Text("is less than the plan demands")
    if sale.down_payment >= sale.price:
        return "down_payment", Text("leaves nothing to be paid in parts")
    if sale.price - sale.down_payment < sale.months:
        return "months", Text("has more parts than there are tiyn")
    return None


def may_return(state: AgreementState, signed_on: date, return_days: int, today: date) -> bool:
    """Say whether a device can be brought back: within so many calendar days after the sale, while it is not due.

    Contract: PSC-3.2.12
    """
    return state in (
        AgreementState.OPEN,
        AgreementState.REPAID,
        AgreementState.PAID,
    ) and today <= signed_on + timedelta(days=return_days)


def overdue_since(parts: Sequence[Part], overdue: Tiyn) -> date | None:
    """Return the day on which the oldest unpaid part fell due: money pays the oldest first, so the newest are unpaid.

    Contract: PSC-3.1.4, PSC-3.2.12
    """
    since, left = None, int(overdue)
    for part in sorted((p for p in parts if p.posted_at is not None), key=lambda p: p.part_no, reverse=True):
        if left <= 0:
            break
        since, left = part.due_on, left - part.amount
    return since
