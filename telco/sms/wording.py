"""How amounts and moments are written in messages: briefly, and never more than there is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from telco.kernel.calendar import ZONE
from telco.kernel.i18n import Number, Text
from telco.kernel.units import GIGABYTE, KILOBYTE, MEGABYTE, MINUTE_S, Unit

_LAST_MOMENT = timedelta(microseconds=1)


def quantity(unit: Unit, amount: int) -> Text:
    """Write a volume in its usual unit, rounded down: 12,5 GB, 350 MB, 45 min, 100 SMS."""
    if unit is Unit.MESSAGES:
        return Text("{n} SMS", n=amount)
    if unit is Unit.SECONDS:
        return Text("{n} min", n=amount // MINUTE_S) if amount >= MINUTE_S else Text("{n} s", n=amount)
    if amount >= GIGABYTE:
        return Text("{n} GB", n=Number(Decimal(amount * 10 // GIGABYTE).scaleb(-1)))
    if amount >= MEGABYTE:
        return Text("{n} MB", n=amount // MEGABYTE)
    return Text("{n} kB", n=amount // KILOBYTE)


def last_day(end: datetime, now: datetime) -> str:
    """Write the last day of something that ends at `end`: 31.03, with its year or its hour where these matter."""
    return _last_day(end, now.astimezone(ZONE).year)


@lru_cache(maxsize=4096)  # allowances of a plan end on the same few days for everybody
def _last_day(end: datetime, this_year: int) -> str:
    local = end.astimezone(ZONE)
    if local.hour or local.minute:
        return f"{_day(local, this_year)} {local:%H:%M}"
    return _day(local - _LAST_MOMENT, this_year)


def day(moment: datetime, now: datetime) -> str:
    """Write the day of a moment as the calendar of Kazakhstan has it."""
    return _day(moment.astimezone(ZONE), now.astimezone(ZONE).year)


def _day(local: datetime, this_year: int) -> str:
    return f"{local:%d.%m}" if local.year == this_year else f"{local:%d.%m.%Y}"


def time(moment: datetime) -> str:
    """Write an hour: 14:05."""
    return f"{moment.astimezone(ZONE):%H:%M}"


def joined(names: Iterable[str]) -> str:
    """Write a list of names."""
    return ", ".join(names)
