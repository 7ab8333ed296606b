"""Each kind of request once a cooldown, in the right workspace (SIGNALS A6, A8 and A35)."""

from __future__ import annotations

import pytest

from signals.event import EventType, Role
from signals.units import DAY_MS
from tests.signals.builders import HOUR, River, day, event, names

MSA = (Role.PROCUREMENT_REQUESTED,)


def test_each_procurement_request_fires_with_its_name_as_type() -> None:
    signals = River().feed(
        event("ann", "acme", roles=MSA, name="MSA Requested"), event("ann", "acme", roles=MSA, name="DPA Requested")
    )

    assert [s.evidence for s in signals] == [{"request": "MSA Requested"}, {"request": "DPA Requested"}]


@pytest.mark.parametrize(("later", "fires"), [(7 * DAY_MS, True), (7 * DAY_MS - 1, False), (-1, False)])
def test_same_request_fires_again_after_exactly_seven_days(later: int, fires: bool) -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(10), roles=MSA, name="MSA Requested"))

    signals = river.feed(event("bob", "acme", on=day(10) + later, roles=MSA, name="MSA Requested"))

    assert ("procurement" in names(signals)) is fires


def test_request_inside_the_cooldown_prolongs_nothing() -> None:
    river = River()
    for at in (day(1), day(7), day(8)):
        river.feed(event("ann", "acme", on=at, roles=MSA, name="MSA Requested"))

    assert [s.time for s in river.signals] == [day(1), day(8)]


def test_request_of_a_back_end_without_a_user_counts() -> None:
    (signal,) = River().feed(event(None, "acme", roles=MSA, name="PO Requested"))

    assert (signal.signal, signal.user_id, signal.workspace_id) == ("procurement", None, "acme")


def test_ambiguous_request_goes_to_the_workspace_of_the_last_activity() -> None:
    river = River()
    river.feed(
        event("ann", "one", on=day(5)),
        event("ann", "two", on=day(1)),
        event("ann", "one", on=day(6), kind=EventType.PAGE),
    )

    (signal,) = river.feed(event("ann", None, on=day(7), roles=MSA, name="MSA Requested"))

    # By the order in which they were applied, not by their times; the page call is no activity.
    assert signal.workspace_id == "two"


def test_ambiguous_request_never_goes_to_a_workspace_that_was_left() -> None:
    river = River()
    river.feed(event("ann", "one"), event("ann", "two"), event("ann", "three"))
    river.feed(event("ann", "three", on=day(1, 13), roles=[Role.MEMBER_REMOVED]))

    (signal,) = river.feed(event("ann", None, on=day(2), roles=MSA, name="MSA Requested"))

    assert signal.workspace_id == "two"


def test_rule_that_is_switched_off_says_nothing() -> None:
    river = River({"signals": {"procurement": {"enabled": False}}})

    assert river.feed(event("ann", "acme", roles=MSA, name="MSA Requested", on=day(1) + HOUR)) == []
