"""The status of a sink of several lanes: as well as the worst of them, and all that they have done."""

from __future__ import annotations

from msgspec.structs import replace

from sinks.durations import Durations
from sinks.status import SinkStatus, together

FINE = SinkStatus("slack-sales", 0.2, True, 3, 1, 40, 1, 2, False, 0.0)


def test_lanes_are_one_sink_whose_work_is_summed_up() -> None:
    other = replace(FINE, sink="slack-success", turned_s=0.1, partitions=2, in_hand=0, delivered=2, parked=0, outages=0)

    assert together([FINE, other]) == SinkStatus("slack", 0.2, True, 5, 1, 42, 1, 2, False, 0.0)


def test_one_lane_that_waits_hangs_or_has_not_joined_shows() -> None:
    waits = replace(FINE, is_waiting=True, outage_age_s=8.5)
    hangs = replace(FINE, turned_s=99.0, is_member=False)

    found = together([FINE, waits, hangs])

    assert (found.is_waiting, found.outage_age_s, found.turned_s, found.is_member) == (True, 8.5, 99.0, False)


def test_the_oldest_record_of_all_lanes_counts_and_refusals_and_waits_are_summed_up() -> None:
    first, second = Durations((1.0,)), Durations((1.0,))
    first.observe(0.5)
    second.observe(0.25)
    second.observe(3.0)
    slow = replace(FINE, oldest_s=12.5, refusals={"bad_alert": 1}, alert_waits=first)
    other = replace(FINE, oldest_s=0.5, refusals={"bad_alert": 1, "no_channel": 2}, alert_waits=second)

    found = together([slow, other])

    assert (found.oldest_s, found.refusals) == (12.5, {"bad_alert": 2, "no_channel": 2})
    assert found.alert_waits == Durations((1.0,), [2, 1], 3.75)
