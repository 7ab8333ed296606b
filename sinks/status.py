"""How a sink stands at one moment, for whoever asks from another thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from sinks import durations
from sinks.durations import Durations


class SinkStatus(msgspec.Struct, frozen=True):
    """
    A sink at one moment.

    `turned_s` counts seconds since the loop last went round, 0 before its first; `is_member` tells whether the group
    has taken it in; `in_hand` counts records read and not finished; `oldest_s` is how long the oldest of them has
    waited since it was sent, in seconds, 0 without one; `refusals` counts what was parked by reason; `alert_waits` are
    the times from sent to delivered, of alerts; the rest is as in `sinks.delivery.DeliveryReport`.
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
    oldest_s: float = 0.0
    refusals: Mapping[str, int] = {}
    alert_waits: Durations = msgspec.field(default_factory=Durations)


def together(lanes: Sequence[SinkStatus]) -> SinkStatus:
    """
    The status of a sink of several lanes: as well as the worst of them, and what they have done summed up.

    Its name is that of the lanes up to the first `-`, behind which their routes stand.
    """
    return SinkStatus(
        sink=lanes[0].sink.partition("-")[0],
        turned_s=max(lane.turned_s for lane in lanes),
        is_member=all(lane.is_member for lane in lanes),
        partitions=sum(lane.partitions for lane in lanes),
        in_hand=sum(lane.in_hand for lane in lanes),
        delivered=sum(lane.delivered for lane in lanes),
        parked=sum(lane.parked for lane in lanes),
        outages=sum(lane.outages for lane in lanes),
        is_waiting=any(lane.is_waiting for lane in lanes),
        outage_age_s=max(lane.outage_age_s for lane in lanes),
        oldest_s=max(lane.oldest_s for lane in lanes),
        refusals=dict(sum((Counter(lane.refusals) for lane in lanes), Counter[str]())),
        alert_waits=durations.together(lane.alert_waits for lane in lanes),
    )
