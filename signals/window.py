"""The window-end ring: the distinct users active in the N days up to each day, exact in any order of facts."""

from __future__ import annotations

import msgspec

# A user-day this much older than the workspace's newest active day changes no window end (SIGNALS A9).
TOO_OLD_DAYS = 90
# The oldest end still judged is newest - 89; `seat_growth` compares it with the end a window before, 28 days at most.
KEPT_DAYS = TOO_OLD_DAYS - 1 + 28


class WindowRing(msgspec.Struct, array_like=True, gc=False):
    """
    The counts of one window length, by window end.

    `counts[0]` belongs to the end `first`; an end that is kept but not in the list counts 0. Ends before `kept_from`
    are forgotten. Days are numbered as in `signals.moments.Days`.
    """

    kept_from: int
    first: int = 0
    counts: list[int] = []

    def count(self, end: int) -> int:
        """The distinct users active in the window that ends with the day `end`."""
        index = end - self.first
        return self.counts[index] if 0 <= index < len(self.counts) else 0

    def lowest(self, after: int, before: int) -> int | None:
        """The lowest count of the ends strictly between two days, of those not forgotten; None if there are none."""
        start = max(after + 1, self.kept_from)
        if start >= before:
            return None
        if not self.counts or start < self.first or before > self.first + len(self.counts):
            return 0
        return min(self.counts[start - self.first : before - self.first])

    def raise_ends(self, window: int, day: int, previous: int | None, following: int | None) -> range:
        """
        Count a user's new active day at every window end that did not have that user yet.

        Args:
            window: The length of the window in days.
            day: The day the user was active on, for the first time.
            previous: The user's newest active day before `day`, if any: its window covers the ends up to N - 1 later.
            following: The user's oldest active day after `day`, if any: its window covers the ends from there on.

        Returns:
            The ends whose count rose, in rising order; maybe none.
        """
        start, stop = day, day + window
        if previous is not None and previous + window > day:
            start = previous + window
        if following is not None and following < stop:
            stop = following
        if start >= stop:
            return range(0)
        counts = self.counts
        at, beyond = start - self.first, stop - self.first
        if at < 0 or beyond > len(counts) or not counts:
            self._cover(start, stop)
            at, beyond = start - self.first, stop - self.first
        if beyond - at == 1:
            # Most often: who was active the day before raises the one end that is new.
            counts[at] += 1
        else:
            counts[at:beyond] = [count + 1 for count in counts[at:beyond]]
        return range(start, stop)

    def forget(self, before: int) -> None:
        """Drop the ends before a day."""
        if before <= self.kept_from:
            return
        self.kept_from = before
        gone = before - self.first
        if self.counts and gone > 0:
            del self.counts[:gone]
            self.first = before

    def _cover(self, start: int, stop: int) -> None:
        if not self.counts:
            self.first = start
        elif start < self.first:
            self.counts[:0] = [0] * (self.first - start)
            self.first = start
        missing = stop - self.first - len(self.counts)
        if missing > 0:
            self.counts.extend([0] * missing)
