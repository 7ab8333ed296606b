"""The first invitation of a user (SIGNALS A7, A8 and A20)."""

from __future__ import annotations

from signals.event import Event, Role
from tests.signals.builders import River, day, event


def invited(on: int, user: str | None = "ann", workspace: str | None = "acme") -> Event:
    return event(user, workspace, on=on, roles=[Role.INVITE_SENT], name="Invite Sent", anonymous="a1")


def subjects(river: River) -> list[tuple[str, int]]:
    return [(firing.subject, firing.time) for firing in river.signals if firing.signal == "first_invite"]


def test_first_invitation_fires_once_ever() -> None:
    river = River()

    river.feed(invited(day(1)), invited(day(1)), invited(day(400), workspace="other"))

    assert subjects(river) == [("ann", day(1))]


def test_first_is_the_one_applied_first() -> None:
    river = River()

    river.feed(invited(day(2)), invited(day(1)))

    assert subjects(river) == [("ann", day(2))]


def test_every_user_has_a_first_one() -> None:
    river = River()

    river.feed(invited(day(1)), invited(day(1), "bob"))

    assert subjects(river) == [("ann", day(1)), ("bob", day(1))]


def test_visitors_and_our_own_staff_invite_nobody() -> None:
    assert River({"internal": {"user_ids": ["staff"]}}).feed(invited(day(1), None), invited(day(1), "staff")) == []
