"""What the parts of the programme work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from telco.catalog.catalogue import Catalogue
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.ledger.service import Ledger


@dataclass(frozen=True, slots=True)
class BonusDesk:
    """The database, the time, the rules in force, and the ledger that moves the bonuses."""

    database: Database
    clock: Clock
    calendar: Calendar
    catalogue: Callable[[], Catalogue]
    ledger: Ledger
