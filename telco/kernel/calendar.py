"""Contract days: computed in the zone of Kazakhstan, with its holidays and moved working days.

"wd" in a contract is a working day, "cd" a calendar day; a term of n days counted from a day starts on the following
day, so that 5 wd from a Friday end on the next Friday.
"""

from __future__ import annotations

import calendar as month_calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays

ZONE = ZoneInfo("Asia/Almaty")
_WEEKEND = (5, 6)


def add_months(anchor: date, months: int) -> date:
    """Return the same day `months` later, or the last day of a shorter month.

    Periods are counted from their anchor: one that starts on the 31st ends on 30 April and returns to 31 May.
    """
    year, month_index = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    month = month_index + 1
    last_day = month_calendar.monthrange(year, month)[1]
    return date(year, month, min(anchor.day, last_day))


class Calendar:
    """The working calendar of Kazakhstan; `overrides` says of single dates whether they are worked.

    Overrides exist because Kurban Ait is only estimated ahead and the government moves days each year.
    """

    def __init__(self, overrides: Mapping[date, bool] | None = None) -> None:
        self._overrides = dict(overrides or {})
        self._holidays = holidays.country_holidays("KZ")

    def local(self, moment: datetime) -> datetime:
        """Return the same moment as the clocks of Kazakhstan show it."""
        return moment.astimezone(ZONE)

    def today(self, now: datetime) -> date:
        """Return the date in Kazakhstan at `now`."""
        return self.local(now).date()

    def start_of_day(self, day: date) -> datetime:
        """Return the first moment of a day in Kazakhstan, in UTC."""
        return datetime.combine(day, time.min, tzinfo=ZONE).astimezone(UTC)

    def is_working_day(self, day: date) -> bool:
        override = self._overrides.get(day)
        if override is not None:
            return override
        return day.weekday() not in _WEEKEND and day not in self._holidays

    def add_working_days(self, day: date, count: int) -> date:
        """Return the last day of a term of `count` working days counted from `day`."""
        while count > 0:
            day += timedelta(days=1)
            count -= self.is_working_day(day)
        return day
