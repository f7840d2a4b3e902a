"""The payments' scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.payments.bank_transfers import BankTransfers
from telco.db.jobs import Job


def jobs(transfers: BankTransfers) -> list[Job]:
    """Return the jobs: what a request or a crash left of a bank file is finished."""

    async def finish_bank_documents(_: datetime) -> dict[str, object]:
        return {"finished": await transfers.process_pending()}

    return [Job("payments.bank_documents", timedelta(minutes=1), finish_bank_documents)]
