"""The status of a sink of several lanes: as well as the worst of them, and all that they have done."""

from __future__ import annotations

from msgspec.structs import replace

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
