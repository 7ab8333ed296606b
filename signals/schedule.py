"""A schedule: which subjects of a shard have a timer due when, for as few bytes as that can be kept in."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from signals.units import DAY_MS

# So many entries may be added beyond as many as there were, before those that count no more are looked for.
_SPARE = 1_000
_NOT_YET = -1


class Schedule:
    """
    Subjects by the time of their earliest timer. Nothing is taken out early: the subject's state tells what counts.

    Most timers are days away, and of those only the day is kept: a subject there takes 30 bytes, in a heap 135.

    Args:
        due_of: When a subject's earliest timer is due now, in Unix milliseconds; None or below 0 while it has none.
    """

    def __init__(self, due_of: Callable[[str], int | None]) -> None:
        self._due_of = due_of
        # Up to the day that was reached, (due time, subject); after it, by day, the subjects in the order of coming.
        self._soon: list[tuple[int, str]] = []
        self._later: dict[int, dict[str, None]] = {}
        self._day = _NOT_YET
        # How many more entries may be added until the next look.
        self._room = _SPARE

    def __len__(self) -> int:
        return len(self._soon) + sum(map(len, self._later.values()))

    def add(self, subject: str, due: int) -> None:
        """Have a subject taken at a time, and at no other."""
        day = due // DAY_MS
        if day > self._day:
            later = self._later.get(day)
            if later is None:
                later = self._later[day] = {}
            later[subject] = None
        else:
            heapq.heappush(self._soon, (due, subject))
        self._room -= 1
        if self._room < 0:
            # A subject whose timer moves at every event would fill the memory until all those times have come.
            self._drop_what_moved()

    def take(self, until: int) -> list[tuple[int, str]]:
        """Take the subjects due at or before a time, ordered by (due time, subject), each once."""
        day = until // DAY_MS
        if day > self._day:
            self._day = day
            for reached in [one for one in self._later if one <= day]:
                for subject in self._later.pop(reached):
                    due = self._due_of(subject)
                    if due is not None and due // DAY_MS == reached:
                        heapq.heappush(self._soon, (due, subject))
        taken: list[tuple[int, str]] = []
        soon = self._soon
        while soon and soon[0][0] <= until:
            entry = heapq.heappop(soon)
            # One whose timer moved away and came back stands here twice.
            if self._due_of(entry[1]) == entry[0] and (not taken or taken[-1] != entry):
                taken.append(entry)
        return taken

    def all(self) -> list[tuple[int, str]]:
        """All of them, ordered by (due time, subject), each once; they stay."""
        found = {entry for entry in self._soon if self._due_of(entry[1]) == entry[0]}
        for day, subjects in self._later.items():
            for subject in subjects:
                due = self._due_of(subject)
                if due is not None and due // DAY_MS == day:
                    found.add((due, subject))
        return sorted(found)

    def _drop_what_moved(self) -> None:
        entries = self.all()
        self._soon, self._later = [], {}
        for due, subject in entries:
            if due // DAY_MS > self._day:
                self._later.setdefault(due // DAY_MS, {})[subject] = None
            else:
                # They are in order, which a heap is content with.
                self._soon.append((due, subject))
        self._room = len(entries) + _SPARE
