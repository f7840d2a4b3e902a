"""What this feature asks of the ledger, and what the ledger's answers mean to it."""

from __future__ import annotations

from telco.catalog.bonus import WITHOUT_BONUS
from telco.db.pool import Connection
from telco.kernel.money import Money, Tiyn
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.model import Op, Outcome, Status
from telco.ledger.service import Ledger
from telco.subscribers import store_numbers
from telco.subscribers.desk import Work
from telco.subscribers.errors import AccountRefusedError, NotEnoughMoneyError, NumberCategoryError
from telco.subscribers.model import RegistrationSheet, Subscription

CASH_OFFICE = "cash.office"
REVENUE_NUMBER = "revenue.number"
REVENUE_PLAN = "revenue.plan"
REVENUE_SERVICE = "revenue.service"
REVENUE_CONTENT = "revenue.content"
BREAKAGE = "breakage"


async def apply(ledger: Ledger, conn: Connection, op: Op) -> Outcome:
    """Carry one operation out in the caller's transaction."""
    (outcome,) = await ledger.apply(conn, [op])
    return outcome


async def carry_out(ledger: Ledger, work: Work, op: Op, price: Tiyn) -> Outcome:
    """Carry an operation out in the command's transaction, or refuse the whole command.

    Raises:
        NotEnoughMoneyError, AccountRefusedError
    """
    outcome = await apply(ledger, work.conn, op)
    if outcome.status is Status.INSUFFICIENT_FUNDS:
        raise NotEnoughMoneyError(price=Money(price), balance=Money(outcome.main_after))
    if outcome.status is not Status.OK:
        raise AccountRefusedError(why=outcome.status.name.lower())
    return outcome


async def pay_for_number(ledger: Ledger, work: Work, subscription: Subscription, msisdn: Msisdn) -> Tiyn:
    """Take the price of a number's category, once for this subscription and number.

    Raises:
        NotEnoughMoneyError
    """
    number = await store_numbers.number(work.conn, msisdn)
    if number is None:
        raise NumberCategoryError(category=msisdn)
    if number.price > 0:
        op = ledger_model.debit(
            subscription.account,
            f"number:{subscription.subscriber_id}:{msisdn}:{work.today.isoformat()}",
            ledger_model.sum_charge(number.price, money=WITHOUT_BONUS),
            contra=REVENUE_NUMBER,
            details={"label": "number.price", "category": number.category, "number": msisdn},
        )
        await carry_out(ledger, work, op, number.price)
    return number.price


async def take_initial_payment(
    ledger: Ledger, work: Work, subscription: Subscription, sheet: RegistrationSheet
) -> None:
    """Credit the cash that came with the registration sheet, or what a starter pack holds. Contract: PSC-4.1"""
    op = ledger_model.credit(
        subscription.account,
        f"sheet:{sheet.request_id}",
        sheet.initial_payment,
        contra=CASH_OFFICE,
        details={"label": "accession.payment"},
    )
    await carry_out(ledger, work, op, sheet.initial_payment)
