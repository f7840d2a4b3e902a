"""Why a register or letter waits, in words for who sent it, and what to do."""

from __future__ import annotations

from telco.billing.company import model
from telco.billing.company.model import Sheet, Unclear, Wait
from telco.billing.payments.model import DocumentReason
from telco.kernel.i18n import Text
from telco.kernel.money import Money


def explain(wait: Wait, sheet: Sheet) -> Text:
    """Say why a sheet was not followed yet.

    Contract: PSC-3.2.4-2, PSC-3.2.4-3, PSC-3.2.4-4
    """
    order = sheet.order
    match wait.reason:
        case model.PAYMENT_MISSING:
            return Text(
                "No payment by the order {number} of {day} from {bin} is there yet; when it comes, it is allocated by "
                "this. If your bank has sent it, compare the order's number, day and BIN.",
                number=order.number,
                day=order.date.isoformat(),
                bin=order.bin,
            )
        case DocumentReason.COMPANY:
            return Text("The payment is there and will be looked at within minutes.")
        case Unclear.SHEET_DIFFERS:
            return Text(
                "The payment is {paid} and this adds up to {total}, so it is not followed. Have it withdrawn, then "
                "send one that adds up to the payment.",
                paid=Money(wait.paid),
                total=Money(sheet.amount),
            )
        case Unclear.CONTRADICTION:
            return Text(
                "The payment's purpose names something else: {purpose}. An accountant finds out which is meant; have "
                "this withdrawn if the purpose is right.",
                purpose=wait.detail,
            )
        case Unclear.PAYEE_REFUSED:
            return Text(
                "By now nothing can be credited to {payees}. Have it withdrawn, then send one that names others.",
                payees=wait.detail,
            )
        case reason:
            return Text("The payment is there and waits for an accountant: {reason}.", reason=reason)
