"""Durations and windows as people write them in the config: `10m`, `24h`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
WINDOW_DAYS = (1, 7, 14, 28)
DAY_MS = 86_400_000


def parse_duration(value: object) -> timedelta:
    """
    Read `90s`, `10m`, `24h` or `7d`; a timedelta passes through.

    Raises:
        ValueError: Anything else, bare numbers included: nobody can tell their unit.
    """
    if isinstance(value, timedelta):
        return value
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"a duration is a number and a unit, such as 90s, 10m, 24h or 7d; got {value!r}")
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise ValueError(f"a duration is some years at most; got {value!r}") from None


def parse_window(value: object) -> int:
    """
    Read a window of whole days: `1d`, `7d`, `14d` or `28d`.

    Returns:
        Its length in days.

    Raises:
        ValueError: The window is not one of the four that the state keeps.
    """
    days = parse_duration(value) / timedelta(days=1) if isinstance(value, str | timedelta) else None
    if days is None or days not in WINDOW_DAYS:
        raise ValueError(f"a window is one of 1d, 7d, 14d or 28d; got {value!r}")
    return int(days)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError(f"must be longer than 0s, got {format_duration(value)}")
    return value


def format_duration(value: timedelta) -> str:
    """Write a duration the way it is read, in its largest whole unit."""
    seconds = value.total_seconds()
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{seconds:g}s"


def seconds(value: timedelta) -> int | float:
    """A duration as people read it in evidence: whole seconds without a fraction."""
    exact = value / timedelta(seconds=1)
    return int(exact) if exact.is_integer() else exact


def milliseconds(value: timedelta) -> int:
    """A duration in whole milliseconds."""
    return value // timedelta(milliseconds=1)


_DURATION_SCHEMA = {"type": "string", "pattern": rf"^\s*{_TEXT.pattern}\s*$", "examples": ["90s", "10m", "24h", "7d"]}
_WINDOW_SCHEMA = {"type": "string", "enum": [f"{days}d" for days in WINDOW_DAYS]}

Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration), WithJsonSchema(_DURATION_SCHEMA)
]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Window = Annotated[
    int,
    BeforeValidator(parse_window),
    PlainSerializer(lambda days: f"{days}d", return_type=str),
    WithJsonSchema(_WINDOW_SCHEMA),
]


def plural(count: int, thing: str) -> str:
    """A number of things, for people: `1 more active day`, `2 more active days`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
