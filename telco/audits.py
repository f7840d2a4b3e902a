"""Every audit of the service in one list: what `telco audit` prints and what a simulation is held against.

They are recomputed from the first operation on and look for missed deadlines besides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
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

AT_ONCE: Final = 3
"""Audits that read at the same time: the ledger's takes as long as all others."""
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


Audit = Callable[[], Awaitable[Sequence[_Finding]]]


async def audit_all(database: Database, now: datetime, calendar: Calendar) -> list[Found]:
    """Make every audit, some at once, each as of one moment of its own, and return what is wrong."""
    today = calendar.today(now)
    audits: list[tuple[str, Audit]] = [
        ("ledger", partial(ledger.audit, database)),
        ("bonus", partial(bonus.audit, database)),
        ("bonus", partial(bonus.missed_days, database, calendar, now, today - BONUS_DAYS)),
        ("instalments", partial(instalments.audit, database)),
        ("instalments", partial(instalments.missed_parts, database, today)),
        ("invoicing", partial(invoicing.audit, database)),
        ("payments", partial(payments.audit_payments, database)),
        ("collection", partial(collection.audit, database, now, calendar)),
        ("refunds", partial(refunds.audit, database, today)),
    ]
    at_once = asyncio.Semaphore(AT_ONCE)

    async def made(part: str, audit: Audit) -> list[Found]:
        async with at_once:
            return [Found(part, found.check, str(found)) for found in await audit()]

    return list(chain.from_iterable(await asyncio.gather(*(made(*one) for one in audits))))
