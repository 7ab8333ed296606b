"""Moments: reading the times that events carry, the calendar day a moment belongs to, and writing both for people."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache

from signals.units import DAY_MS

HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_DAY_S = 86_400
# 2000-01-01: what is earlier is a broken clock or a zero, not a time (SIGNALS A29).
EARLIEST_MS = 946_684_800_000
# 9999-12-31: the calendar ends there. One day short of it, so that a moment has a local day in every zone.
LATEST_MS = 253_402_214_400_000
# Below this a Unix number counts seconds (until the year 5138), from it on milliseconds (SIGNALS A29).
SECONDS_BELOW = 10**11

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
# `fromisoformat` takes any character between date and time, a digit too: only what is in use passes.
_ISO = re.compile(r"\d{4}-?(\d\d-?\d\d|W\d\d(-?\d)?)([T ][\d:.,]+ ?(Z|[+-][\d:.]+)?)?", re.ASCII)
_CACHED_HOURS = 4_096
_USUAL_LENGTH = 24
_MINUTES = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(24 * 60))
_from_iso = datetime.fromisoformat


def parse_time(value: object, zone: tzinfo) -> int | None:
    """
    Read a time as ISO 8601 text or as a Unix number.

    Args:
        value: Anything found in a record.
        zone: What a text without an offset, and a bare date, is in.

    Returns:
        Unix milliseconds, fractions of one cut off; None if it is no time, or one before the year 2000 or beyond the
        calendar.
    """
    if isinstance(value, str):
        time = parse_usual_time(value)
        if time is not None:
            return time
        parsed = _parse_text(value, zone)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        parsed = _parse_number(value)
    else:
        return None
    return parsed if parsed is not None and EARLIEST_MS <= parsed < LATEST_MS else None


def parse_usual_time(text: str) -> int | None:
    """Read a time in the usual form, `2026-11-20T19:11:01.249Z`, without the detours; None if it is no such."""
    if len(text) != _USUAL_LENGTH or text[10] != "T" or text[23] != "Z":
        return None
    try:
        since = _from_iso(text) - _EPOCH
    except ValueError:
        return None
    time = (since.days * _DAY_S + since.seconds) * 1_000 + since.microseconds // 1_000
    return time if EARLIEST_MS <= time < LATEST_MS else None


def iso(time: int) -> str:
    """Write a moment as RFC 3339 text in UTC: `2026-11-20T19:11:01.249Z`."""
    # Put together from texts that are there: to write a moment anew takes four times as long.
    day, rest = divmod(time, DAY_MS)
    minute, rest = divmod(rest, _MINUTE_MS)
    return f"{day_iso(day)}{_MINUTES[minute]}{rest // 1_000:02d}.{rest % 1_000:03d}Z"


@lru_cache(maxsize=1_024)
def day_iso(day: int) -> str:
    """Write a day number as a date: `2026-11-20`."""
    return date.fromordinal(day + _EPOCH_ORDINAL).isoformat()


class Days:
    """
    The calendar of one time zone: which day a moment falls on.

    A day is numbered by its date: days since 1970-01-01, whatever the zone.
    """

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._is_utc = zone is UTC
        # Hour of UTC -> its day, or None where the hour has two of them or a change of the clock.
        self._hours: dict[int, int | None] = {}

    def day_of(self, time: int) -> int:
        """The day of a moment given in Unix milliseconds."""
        if self._is_utc:
            return time // DAY_MS
        hour = time // HOUR_MS
        day = self._hours[hour] if hour in self._hours else self._remember(hour)
        return day if day is not None else self._local(time)[0]

    def _remember(self, hour: int) -> int | None:
        first, last = self._local(hour * HOUR_MS), self._local((hour + 1) * HOUR_MS - 1)
        if len(self._hours) >= _CACHED_HOURS:
            self._hours.clear()
        self._hours[hour] = day = first[0] if first == last else None
        return day

    def _local(self, time: int) -> tuple[int, timedelta | None]:
        local = (_EPOCH + timedelta(milliseconds=time)).astimezone(self.zone)
        return local.toordinal() - _EPOCH_ORDINAL, local.utcoffset()


def _parse_text(text: str, zone: tzinfo) -> int | None:
    text = text.strip().upper().replace(" Z", "Z")
    if _ISO.fullmatch(text) is None:
        return None
    try:
        moment = _from_iso(text)
        since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return since.days * DAY_MS + since.seconds * 1_000 + since.microseconds // 1_000


def _parse_number(value: float) -> int | None:
    if not EARLIEST_MS // 1_000 <= value < LATEST_MS:
        return None
    if isinstance(value, int):
        return value * 1_000 if value < SECONDS_BELOW else value
    # By its decimal digits: as a double, 1700958864.9029999 x 1,000 rounds up to a millisecond not reached.
    exact = Decimal(repr(value))
    return int(exact * 1_000 if exact < SECONDS_BELOW else exact)
