"""Quiet hours: the nights and days on which nobody in sales reads alerts, in the zone where they work."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signals.selling import QuietHours

# A night into a day off into a night: one step each, and a week has no more.
_LONGEST_CHAIN = 16


class Quiet:
    """
    When alerts wait.

    Args:
        hours: What the config says; without a night and without days nothing ever waits.
        zone: Where its times are read.
    """

    def __init__(self, hours: QuietHours, zone: tzinfo) -> None:
        self._start, self._end = hours.start, hours.end
        self._days = frozenset(day.number for day in hours.days)
        self._zone = zone
        self._is_on = bool(self._days) or self._start is not None

    def ends(self, moment: int) -> int | None:
        """
        Tell when the quiet hours end that a moment lies in.

        Args:
            moment: Unix milliseconds.

        Returns:
            Unix milliseconds, later than `moment`; None if it lies in none.
        """
        if not self._is_on:
            return None
        at = moment
        for _ in range(_LONGEST_CHAIN):
            end = self._end_of(datetime.fromtimestamp(at / 1_000, self._zone))
            if end is None:
                break
            at = end
        return at if at > moment else None

    def _end_of(self, at: datetime) -> int | None:
        """The end of the one night or day off that `at` lies in."""
        today, tomorrow = at.date(), at.date() + timedelta(days=1)
        if at.weekday() in self._days:
            return self._instant(tomorrow, time())
        if self._start is None or self._end is None:
            return None
        now = at.time()
        if self._start < self._end:
            return self._instant(today, self._end) if self._start <= now < self._end else None
        if now >= self._start:
            return self._instant(tomorrow, self._end)
        return self._instant(today, self._end) if now < self._end else None

    def _instant(self, day: date, clock: time) -> int:
        # A time that the change of the clocks skips or repeats has two readings: the later one is never in the past.
        readings = (datetime.combine(day, clock, self._zone).replace(fold=fold).timestamp() for fold in (0, 1))
        return int(max(readings) * 1_000)
