"""Every audit of the service in one list: what `telco audit` prints and what a simulation is held against.

They are recomputed from the first operation on and look for missed deadlines besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from telco.billing.bonus import audit as bonus
from telco.billing.collection import audit as collection
from telco.billing.instalments import audit as instalments
from telco.billing.invoicing import audit as invoicing
from telco.billing.payments import audit as payments
from telco.billing.refunds import audit as refunds
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.ledger import audit as ledger

BONUS_DAYS: Final = timedelta(days=100)
"""How far back days that were not read for bonuses are looked for."""


class Found(NamedTuple):
    """Something that is not right: the part of the service that it is in, which check found it, and a sentence."""

    part: str
    check: str
    text: str


class _Finding(Protocol):
    @property
    def check(self) -> str: ...


async def audit_all(database: Database, now: datetime, calendar: Calendar) -> list[Found]:
    """Make every audit, each as of one moment of its own, and return what is wrong."""
    today = calendar.today(now)
    parts: dict[str, Sequence[_Finding]] = {
        "ledger": await ledger.audit(database),
        "bonus": [
            *await bonus.audit(database),
            *await bonus.missed_days(database, calendar, now, today - BONUS_DAYS),
        ],
        "instalments": [*await instalments.audit(database), *await instalments.missed_parts(database, today)],
        "invoicing": await invoicing.audit(database),
        "payments": await payments.audit_payments(database),
        "collection": await collection.audit(database, now, calendar),
        "refunds": await refunds.audit(database, today),
    }
    return [Found(part, one.check, str(one)) for part, found in parts.items() for one in found]
