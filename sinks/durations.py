"""Durations: how long something took each time, counted by upper bounds; what a histogram is read from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import msgspec

# Seconds that somebody waits for an alert: what a person would call at once, a moment, a coffee, too late.
WAITS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)


class Durations(msgspec.Struct):
    """
    Observed durations.

    `counts[n]` counts those above `bounds[n - 1]` and up to `bounds[n]`, the last of them all above the last bound.
    Written by one thread, read by others.

    Args:
        bounds: Seconds, rising.
    """

    bounds: tuple[float, ...] = WAITS_S
    counts: list[int] = []
    total_s: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count one; clocks of two machines may be apart, so below 0 is 0."""
        waited_s = max(0.0, seconds)
        self.counts[bisect_left(self.bounds, waited_s)] += 1
        self.total_s += waited_s

    def cumulated(self) -> list[tuple[str, float]]:
        """Upper bounds as Prometheus writes them, each with the number of durations up to it."""
        found, total = [], 0
        for bound, count in zip((*self.bounds, float("inf")), list(self.counts), strict=True):
            total += count
            found.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        return found


def together(parts: Iterable[Durations]) -> Durations:
    """All durations of several that have the same bounds."""
    found = Durations()
    for number, part in enumerate(parts):
        if number == 0:
            found = Durations(part.bounds)
        found.counts = [a + b for a, b in zip(found.counts, part.counts, strict=True)]
        found.total_s += part.total_s
    return found
