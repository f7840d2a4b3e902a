"""What a number is to somebody who wants to pay or reach its user: in use, ended, ported out, or unknown."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.msisdn import Msisdn

_Q = queries.load("telco.subscribers", "standing.sql")
_PORTED_OUT = "ported_out"


class NumberStanding(StrEnum):
    IN_USE = "in_use"
    ENDED = "ended"
    """It had a user; the contract ended or the number was changed."""
    PORTED_OUT = "ported_out"
    UNKNOWN = "unknown"
    """Not ours, or never given to anybody."""


async def number_standing(database: Database, msisdn: Msisdn, now: datetime) -> NumberStanding:
    """Tell whether a number is in use and, where it is not, whether it ended or was ported out."""
    row = await database.fetchrow(_Q.number_standing, msisdn, now)
    if row is None:
        return NumberStanding.UNKNOWN
    if row["in_use"]:
        return NumberStanding.IN_USE
    if row["state"] == _PORTED_OUT:
        return NumberStanding.PORTED_OUT
    return NumberStanding.ENDED if row["was_used"] else NumberStanding.UNKNOWN
