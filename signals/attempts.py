"""What a user was refused: the features that his plan does not include, and on which days he tried them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

# The days remembered of one feature, the oldest leave first: twice the longest window, for attempts told late.
KEPT_DAYS = 56


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try at a feature, the blank one where the event names none (SIGNALS A26)."""

    feature: str
    day: int


class Counted(NamedTuple):
    """What counting an attempt did: its feature was new, and another one made room for it."""

    is_new: bool
    has_forgotten: bool


def add_attempt(gated: dict[str, dict[int, int]], attempt: Attempt, features: int) -> Counted:
    """
    Count an attempt.

    Args:
        gated: By feature and day, how often; the feature tried last is at the end.
        attempt: What was tried, and when.
        features: How many features are remembered; the one not tried for longest leaves first.
    """
    days = gated.pop(attempt.feature, None)
    is_new = days is None
    has_forgotten = is_new and len(gated) >= features
    if days is None:
        if has_forgotten:
            del gated[next(iter(gated))]
        days = {}
    elif attempt.day not in days and len(days) >= KEPT_DAYS:
        del days[min(days)]
    days[attempt.day] = days.get(attempt.day, 0) + 1
    gated[attempt.feature] = days
    return Counted(is_new, has_forgotten)


def attempts_in(days: Mapping[int, int], window: int, end: int) -> int:
    """Count the attempts on the `window` days up to and including the day `end`."""
    return sum(times for day, times in days.items() if end - window < day <= end)
