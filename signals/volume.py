"""Volume: how many core events a workspace had on each of its last days."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from signals.moments import Days

# A week, and the four before it that it is held against; `usage_drop` leaves out the newest day.
WEEK = 7
COMPARED_DAYS = 5 * WEEK
# A week more, in which late events still count where they belong.
KEPT_DAYS = COMPARED_DAYS + 1 + WEEK


class Volume(msgspec.Struct, array_like=True, gc=False):
    """Counts by day: `counts[0]` belongs to the day `first`. Days are numbered as in `signals.moments.Days`."""

    first: int
    counts: list[int] = []

    @property
    def newest(self) -> int:
        """The newest day that had core events."""
        return self.first + len(self.counts) - 1

    def total(self, first: int, days: int) -> int:
        """The core events on so many days from `first` on; a day that is not kept has none."""
        start, stop = first - self.first, first + days - self.first
        return sum(self.counts[max(start, 0) : max(stop, 0)])

    def week(self, end: int) -> int:
        """The core events in the 7 days that end with `end`."""
        return self.total(end - WEEK + 1, WEEK)

    def usual_week(self, end: int) -> float:
        """The mean of the four 7-day blocks before those 7 days: exact, a quarter of a whole number."""
        return self.total(end - COMPARED_DAYS + 1, COMPARED_DAYS - WEEK) / 4


def add_core(volume: Volume | None, core: Iterable[tuple[int, int]]) -> Volume | None:
    """
    Count core events on their days.

    Args:
        volume: What has been counted so far, changed in place; None for nothing.
        core: Days, and how many more core events each had. Those of days no longer kept count no more.

    Returns:
        The counts of the newest `KEPT_DAYS` days; the same for every order of the same additions, as far as they are
        kept.
    """
    for day, added in core:
        if volume is None:
            volume = Volume(day, [added])
            continue
        counts = volume.counts
        if day < volume.first:
            if day <= volume.newest - KEPT_DAYS:
                continue
            counts[:0] = [0] * (volume.first - day)
            volume.first = day
        missing = day - volume.newest
        if missing > KEPT_DAYS:
            volume.first, volume.counts = day, [added]
            continue
        if missing > 0:
            counts.extend([0] * missing)
        counts[day - volume.first] += added
        gone = len(counts) - KEPT_DAYS
        if gone > 0:
            del counts[:gone]
            volume.first += gone
    return volume


def has_history(since: int | None, end: int, days: Days) -> bool:
    """
    Whether there is enough to compare a week with: a workspace that is younger than five weeks had empty ones.

    Args:
        since: Its oldest event time, Unix milliseconds.
        end: The last day of the week.
        days: The calendar.
    """
    return since is not None and end - days.day_of(since) + 1 >= COMPARED_DAYS
