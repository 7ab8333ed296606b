"""Rhythm: seeded chance, working hours and weekdays, and how a moment is written."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import lru_cache

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Unix day 0 was a Thursday; Monday first. Weekends are quiet in a product for work, not dead.
_BUSY = (1.0, 1.05, 1.05, 1.0, 0.85, 0.12, 0.08)
_FIRST_WEEKDAY = 3
_SATURDAY = 5
_OPENS, _CLOSES = 8, 18


def seeded(seed: int, *path: str | int) -> random.Random:
    """Chance of its own for one part of the world, so that a change of one part leaves the others as they were."""
    # Seeded by text, which Python hashes by SHA-512: the same on every machine, whatever PYTHONHASHSEED is.
    return random.Random("/".join(map(str, (seed, *path))))  # noqa: S311 - a play, not a secret


def chance(rng: random.Random, share: float) -> bool:
    """Throw the dice: True in `share` of all cases."""
    return rng.random() < share


def weekday(local: int) -> int:
    """Monday 0 to Sunday 6 of a local time in milliseconds."""
    return (local // DAY + _FIRST_WEEKDAY) % 7


def busyness(local: int) -> float:
    """How busy the day of a local time is, an ordinary Monday being 1."""
    return _BUSY[weekday(local)]


def working_moment(rng: random.Random, time: int, offset: int) -> int:
    """The moment itself if it falls into working hours of its place, else a random one in the next working day's."""
    local = time + offset
    hour = local % DAY // HOUR
    if not (_OPENS <= hour < _CLOSES):
        local = local // DAY * DAY + (DAY if hour >= _CLOSES else 0) + _random_working_time(rng)
    # A few people do work at the weekend.
    while weekday(local) >= _SATURDAY and not chance(rng, 0.1):
        local = local // DAY * DAY + DAY + _random_working_time(rng)
    return local - offset


def _random_working_time(rng: random.Random) -> int:
    return int(rng.uniform(_OPENS, _CLOSES) * HOUR)


@lru_cache(maxsize=4_096)
def _minute_text(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


def iso(time: int) -> str:
    """Unix milliseconds as RFC 3339 text with milliseconds and Z, as Segment writes it."""
    minute, rest = divmod(time, MINUTE)
    return f"{_minute_text(minute)}{rest // SECOND:02d}.{rest % SECOND:03d}Z"


def iso_day(time: int) -> str:
    """The UTC calendar day of Unix milliseconds, `2026-02-28`."""
    return _minute_text(time // MINUTE)[:10]
