"""Active days: on which of the last 120 days somebody was active, as a bitmap that late events fit into."""

from __future__ import annotations

from typing import Protocol

import msgspec

# Active days are kept this far back from the newest; the ring judges nothing that is older than 90 days.
DAY_BITS = 120
_DAY_MASK = (1 << DAY_BITS) - 1


class ActiveDay(msgspec.Struct, frozen=True, gc=False):
    """A day on which a user was active for the first time, with his active days next to it."""

    day: int
    prev: int | None = None
    next: int | None = None


class HasDays(Protocol):
    """Bit i of `days`, little-endian: active on the day `newest_day` - i."""

    newest_day: int | None
    days: bytes


def is_new_day(state: HasDays, day: int) -> bool:
    """Whether `add_day` would remember the day: it is not known, and not too old."""
    newest = state.newest_day
    if newest is None or day > newest:
        return True
    back = newest - day
    return back < DAY_BITS and not int.from_bytes(state.days, "little") >> back & 1


def add_day(state: HasDays, day: int) -> ActiveDay | None:
    """Remember an active day; None if it was known, or is too old to be remembered."""
    newest = state.newest_day
    if newest == day:
        return None
    if newest is None or day > newest:
        shift = day - newest if newest is not None else DAY_BITS
        bits = (int.from_bytes(state.days, "little") << shift) & _DAY_MASK if shift < DAY_BITS else 0
        state.newest_day = day
        _keep(state, bits | 1)
        return ActiveDay(day, prev=newest)
    back = newest - day
    bits = int.from_bytes(state.days, "little")
    if back >= DAY_BITS or bits >> back & 1:
        return None
    _keep(state, bits | 1 << back)
    newer, older = bits & ((1 << back) - 1), bits >> back
    return ActiveDay(
        day,
        # The lowest bit of `older` is the day nearest before, the highest of `newer` the nearest after.
        prev=day - ((older & -older).bit_length() - 1) if older else None,
        next=newest - (newer.bit_length() - 1),
    )


def days_in(state: HasDays, first: int, last: int) -> int:
    """Count the active days from `first` to `last`, both included; those forgotten are none."""
    newest = state.newest_day
    if newest is None or last < first:
        return 0
    bits, back = int.from_bytes(state.days, "little"), newest - last
    bits = bits >> back if back >= 0 else bits << -back
    return (bits & ((1 << (last - first + 1)) - 1)).bit_count()


def _keep(state: HasDays, bits: int) -> None:
    state.days = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
