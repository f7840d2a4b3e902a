"""What a number is to somebody who wants to pay or reach its user: in use, ended, ported out, or unknown."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from telco.db import queries
from telco.db.pool import Database, Record
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


async def number_standings(
    database: Database, msisdns: Collection[Msisdn], now: datetime
) -> dict[Msisdn, NumberStanding]:
    """Tell which numbers are in use and, of the others, which ended or were ported out; the unknown are left out."""
    rows = await database.fetch(_Q.number_standings, list(msisdns), now)
    return {Msisdn(row["msisdn"]): _standing(row) for row in rows}


def _standing(row: Record) -> NumberStanding:
    if row["in_use"]:
        return NumberStanding.IN_USE
    if row["state"] == _PORTED_OUT:
        return NumberStanding.PORTED_OUT
    return NumberStanding.ENDED if row["was_used"] else NumberStanding.UNKNOWN
