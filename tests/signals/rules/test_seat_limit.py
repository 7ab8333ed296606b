"""Members near the number of seats (SIGNALS A10, A31 and A37)."""

from __future__ import annotations

import pytest

from signals.event import Event, Role
from signals.units import DAY_MS
from tests.signals.builders import River, day, event, team
from tests.signals.rules.billing_events import group, of, plan_changed


def gone(user: str, on: int) -> Event:
    return event(user, "acme", on=on, roles=[Role.MEMBER_REMOVED], name="Workspace Left")


def times(river: River) -> list[int]:
    return [firing.time for firing in river.signals if firing.signal == "seat_limit"]


def full_at(on: int) -> River:
    """Four of five seats taken, which has fired at `on`."""
    river = River()
    river.feed(plan_changed(on, seats=5), *team("acme", 4, on))
    assert times(river) == [on]
    return river


def test_fourth_member_of_five_seats_fires() -> None:
    river = River()
    assert of("seat_limit", river.feed(plan_changed(seats=5), *team("acme", 3, day(1)))) == []

    (evidence,) = of("seat_limit", river.feed(event("u3", "acme", on=day(1))))

    assert evidence == {"members": 4, "seats": 5, "ratio": 0.8, "threshold": 0.8}


@pytest.mark.parametrize(("seats", "fires"), [(5, True), (6, False)])
def test_four_members_are_near_five_seats_and_not_near_six(seats: int, fires: bool) -> None:
    signals = River().feed(plan_changed(seats=seats), *team("acme", 4, day(1)))

    assert bool(of("seat_limit", signals)) is fires


def test_seats_that_become_known_are_held_against_the_members() -> None:
    signals = River().feed(*team("acme", 4, day(1)), group(seats=5))

    assert len(of("seat_limit", signals)) == 1


def test_fewer_seats_fire() -> None:
    signals = River().feed(plan_changed(seats=6), *team("acme", 4, day(1)), plan_changed(seats=5))

    assert [firing.signal for firing in signals][-2:] == ["seat_limit", "seats_removed"]


@pytest.mark.parametrize(("seats", "fires"), [(2, True), (1, False), (0, False)])
def test_workspaces_with_fewer_than_two_seats_are_not_looked_at(seats: int, fires: bool) -> None:
    signals = River().feed(*team("acme", 2, day(1)), plan_changed(seats=seats))

    assert bool(of("seat_limit", signals)) is fires


def test_one_more_member_while_full_says_nothing_again() -> None:
    river = full_at(day(1))

    river.feed(event("u9", "acme", on=day(40)))

    assert times(river) == [day(1)]


@pytest.mark.parametrize(("later", "fires"), [(14 * DAY_MS, True), (14 * DAY_MS - 1, False), (-1, False)])
def test_full_again_after_exactly_the_cooldown_fires_again(later: int, fires: bool) -> None:
    river = full_at(day(20))
    river.feed(gone("u0", day(21)))

    river.feed(event("u8", "acme", on=day(20) + later))

    assert times(river) == [day(20), day(20) + later][: 1 + fires]


def test_full_inside_the_cooldown_neither_fires_nor_disarms() -> None:
    river = full_at(day(1))
    river.feed(gone("u0", day(2)), event("u8", "acme", on=day(3)))
    assert times(river) == [day(1)]

    # Full all the time since day 3: the next change after the cooldown fires.
    river.feed(event("u9", "acme", on=day(15)))

    assert times(river) == [day(1), day(15)]


def test_what_changes_neither_members_nor_seats_is_not_looked_at() -> None:
    river = full_at(day(1))
    river.feed(gone("u0", day(2)), event("u8", "acme", on=day(3)))

    river.feed(event("u1", "acme", on=day(16)), plan_changed(day(16), plan="pro", seats=5))

    assert times(river) == [day(1)]


def test_more_seats_arm_it_again() -> None:
    river = full_at(day(1))
    river.feed(plan_changed(day(2), seats=6), plan_changed(day(30), seats=4))

    assert times(river) == [day(1), day(30)]


def test_held_signal_is_over_once_enough_seats_are_free() -> None:
    river = full_at(day(1))
    rule = river.engine.by_name["seat_limit"]
    assert rule.still_holds(river.workspace("acme"), 0)

    river.feed(plan_changed(day(2), seats=6))

    assert not rule.still_holds(river.workspace("acme"), 0)
