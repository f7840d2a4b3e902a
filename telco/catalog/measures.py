"""How catalogue files write volumes, rating units and terms: ``"20 GB"``, ``"60 s"``, ``"30 days"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum

from telco.kernel.calendar import ZONE, add_months
from telco.kernel.units import GIGABYTE, KILOBYTE, MEGABYTE, MINUTE_S, Unit

_NAMES: dict[str, tuple[Unit, int]] = {
    "B": (Unit.BYTES, 1),
    "kB": (Unit.BYTES, KILOBYTE),
    "MB": (Unit.BYTES, MEGABYTE),
    "GB": (Unit.BYTES, GIGABYTE),
    "s": (Unit.SECONDS, 1),
    "min": (Unit.SECONDS, MINUTE_S),
    "h": (Unit.SECONDS, 60 * MINUTE_S),
    "SMS": (Unit.MESSAGES, 1),
    "event": (Unit.MESSAGES, 1),
}
_QUANTITY = re.compile(r"(?:(\d{1,15}(?:\.\d{1,6})?) )?([A-Za-z]+)", re.ASCII)
_SPAN = re.compile(r"(\d{1,4}) (hour|day|month)s?", re.ASCII)


class MeasureFormatError(ValueError):
    """A volume or a term is not written as the catalogue writes it; the message says how to."""


def parse_quantity(text: str) -> tuple[Unit, int]:
    """Read a volume or rating unit: ``"20 GB"``, ``"300 min"``, ``"100 SMS"``, ``"min"`` (one minute).

    1 kB is 1,000 B, as the operators of the country count.

    Raises:
        MeasureFormatError: another form, an unknown unit, zero, or a fraction of the smallest unit.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _NAMES:
        raise MeasureFormatError(
            f'is not a volume: write a number, a space and one of {", ".join(_NAMES)}, such as "20 GB"'
        )
    unit, factor = _NAMES[match[2]]
    quantity = Decimal(match[1] or 1) * factor
    if quantity <= 0 or quantity != quantity.to_integral_value():
        raise MeasureFormatError("must be a whole number above zero of its smallest unit (B, s, SMS)")
    return unit, int(quantity)


class Interval(StrEnum):
    """How often a fee is taken."""

    DAY = "day"
    WEEK = "week"
    DAYS_28 = "28 days"
    DAYS_30 = "30 days"
    MONTH = "month"


class SpanUnit(StrEnum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Span:
    """A term counted from a moment: hours to the second, days and months to the end of their last day.

    A term of n days counted from a day starts on the following day, so a 30-day pack bought on 1 March at noon ends
    with 31 March, in the zone of Kazakhstan.
    """

    count: int
    unit: SpanUnit

    def end(self, start: datetime) -> datetime:
        """Return the first moment (UTC) after the term that is counted from `start`."""
        if self.unit is SpanUnit.HOUR:
            return start.astimezone(UTC) + timedelta(hours=self.count)
        return start_of_day(self._last_day(start.astimezone(ZONE).date()) + timedelta(days=1))

    def _last_day(self, day: date) -> date:
        if self.unit is SpanUnit.MONTH:
            return add_months(day, self.count)
        return day + timedelta(days=self.count)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count != 1 else ''}"


def parse_span(text: str) -> Span:
    """Read a term: ``"24 hours"``, ``"30 days"``, ``"6 months"``.

    Raises:
        MeasureFormatError: another form, or zero.
    """
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise MeasureFormatError('is not a term: write it like "24 hours", "30 days" or "6 months"')
    return Span(int(match[1]), SpanUnit(match[2]))


def start_of_day(day: date) -> datetime:
    """Return the first moment of a day in Kazakhstan, in UTC: when a dated price takes effect."""
    return datetime.combine(day, time.min, tzinfo=ZONE).astimezone(UTC)
