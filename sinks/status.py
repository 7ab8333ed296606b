"""How a sink stands at one moment, for whoever asks from another thread."""

from __future__ import annotations

import msgspec


class SinkStatus(msgspec.Struct, frozen=True):
    """
    A sink at one moment.

    `turned_s` counts seconds since the loop last went round, 0 before its first; `is_member` tells whether the group
    has taken it in; `in_hand` counts records read and not finished; the rest is as in `sinks.delivery.DeliveryReport`.
    """

    sink: str
    turned_s: float
    is_member: bool
    partitions: int
    in_hand: int
    delivered: int
    parked: int
    outages: int
    is_waiting: bool
    outage_age_s: float
