"""Rules of company payments as pure functions: what to allocate where nobody said it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from telco.billing.company.model import Debt, ProposedLine
from telco.billing.payments.model import Target
from telco.kernel.money import Tiyn


def propose(amount: Tiyn, debts: Sequence[Debt], advance_to: Target) -> tuple[ProposedLine, ...]:
    """Allocate a payment to the oldest debt first, over all accounts; what is more than is owed is an advance.

    Debts are taken by their last day of payment, invoices of one day by their number, and what is on no invoice last.

    Contract: PSC-3.2.4-4, PSC-3.1.7
    """
    left, lines = int(amount), []
    for debt in sorted(debts, key=lambda debt: (debt.invoice_id is None, debt.due_on, debt.invoice_id or 0)):
        share = min(left, debt.amount)
        if share <= 0:
            continue
        left -= share
        why = "debt on no invoice" if debt.invoice_id is None else f"invoice due {debt.due_on}"
        lines.append(
            ProposedLine(
                debt.account,
                debt.subscriber_id,
                debt.msisdn,
                Tiyn(share),
                debt.invoice_id,
                debt.invoice_number,
                why,
            )
        )
    if left:
        lines.append(
            ProposedLine(
                advance_to.account, advance_to.subscriber_id, advance_to.msisdn, Tiyn(left), None, "", "advance"
            )
        )
    return tuple(lines)


def mark_of(lines: Sequence[ProposedLine]) -> str:
    """Name exactly these lines, so that an acceptance of others is noticed."""
    figures = "|".join(f"{line.account}:{line.invoice_id}:{line.amount}" for line in lines)
    return sha256(figures.encode()).hexdigest()[:16]
