"""The second member, once ever (SIGNALS A19)."""

from __future__ import annotations

import pytest

from signals.event import EventType, Role
from tests.signals.builders import River, day, event, names, team


def test_second_member_raises_second_user() -> None:
    river = River()
    assert names(river.feed(event("ann", "acme"))) == []

    (signal,) = river.feed(event("bob", "acme"))

    assert (signal.signal, signal.workspace_id, signal.evidence) == ("second_user", "acme", {"members": 2})


def test_second_user_is_said_once_ever() -> None:
    river = River()
    river.feed(*team("acme", 2, day(1)), event("u1", "acme", on=day(2), roles=[Role.MEMBER_REMOVED]))

    assert river.feed(event("u1", "acme", on=day(3)), event("u2", "acme", on=day(3))) == []


def test_member_removed_before_the_second_came_makes_no_second() -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(1)), event("ann", "acme", on=day(2), roles=[Role.MEMBER_REMOVED]))

    assert river.feed(event("bob", "acme", on=day(3))) == []


@pytest.mark.parametrize("kind", [EventType.GROUP, EventType.IDENTIFY, EventType.PAGE])
def test_calls_that_are_no_track_make_nobody_a_member(kind: EventType) -> None:
    river = River()

    assert river.feed(event("ann", "acme"), event("bob", "acme", kind=kind)) == []
    assert river.workspace("acme").members == 1


def test_joining_makes_a_member_without_activity() -> None:
    river = River()

    signals = river.feed(event("ann", "acme"), event("bob", "acme", roles=[Role.MEMBER_JOINED]))

    assert names(signals) == ["second_user"]
