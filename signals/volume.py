"""Volume: how many core events a workspace had on each of its last days."""

from __future__ import annotations

import msgspec


class Volume(msgspec.Struct, array_like=True, gc=False):
    """Counts by day: `counts[0]` belongs to the day `first`. Days are numbered as in `signals.moments.Days`."""

    first: int
    counts: list[int] = []
