"""A refund order for each refund that was ordered.

Contract: PSC-6.4, PSC-7.7
"""

from __future__ import annotations

from telco.billing.documents.drafts import RefundFacts
from telco.billing.documents.model import Issued
from telco.billing.documents.service import Documents
from telco.billing.refunds.model import Refund, RefundId
from telco.billing.refunds.service import Refunds
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.i18n import Text

SOURCE = "refund:{refund_id}"


class RefundOrders:
    """Issues refund orders, each once."""

    def __init__(self, database: Database, calendar: Calendar, documents: Documents, refunds: Refunds) -> None:
        self._database = database
        self._calendar = calendar
        self._documents = documents
        self._refunds = refunds

    async def on_ordered(self, event: OutboxEvent) -> None:
        """Consume "refunds.ordered". Without the operator's requisites the event waits until they are there.

        Raises:
            RequisitesMissingError
        """
        refund = await self._refunds.get(RefundId(event.payload["refund_id"]))

        async def body(connection: Connection) -> Issued:
            return await self._documents.issue_refund_order(connection, self._facts(refund), actor="system:documents")

        await self._database.transact("documents.refund_order", body)

    def _facts(self, refund: Refund) -> RefundFacts:
        assert refund.amount is not None  # it is ordered
        return RefundFacts(
            source=SOURCE.format(refund_id=refund.refund_id),
            account=refund.account,
            amount=refund.amount,
            application=refund.reference,
            applied_on=self._calendar.today(refund.registered_at),
            pay_by=refund.pay_by,
            payee=refund.applicant,
            payee_iin_bin=refund.iin_bin,
            iban=refund.payee.iban,
            bik=refund.payee.bic,
            ground=Text("Refund"),
        )
