"""Score: 0 to 100, from the company that a workspace belongs to and from the signals that fired in it (SIGNALS 5)."""

from __future__ import annotations

import msgspec


class Points(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one signal has added: so many points at `time` (Unix milliseconds), fading from there."""

    points: float
    time: int
