"""What people are told is missing for a signal of a workspace to fire."""

from __future__ import annotations

import pytest

from signals.rule import WorkspaceRule
from signals.units import DAY_MS
from tests.signals.builders import River, day, event, team
from tests.signals.rules.billing_events import plan_changed, usage


def gap(river: River, signal: str, on: int = day(1)) -> str | None:
    rule = river.engine.by_name[signal]
    assert isinstance(rule, WorkspaceRule)
    return rule.gap(river.workspace("acme"), on, on // DAY_MS)


def test_members_until_the_second() -> None:
    river = River()
    river.feed(plan_changed(plan="free"))
    assert gap(river, "second_user") == "2 more members"
    river.feed(event("ann", "acme", on=day(1)))
    assert gap(river, "second_user") == "1 more member"
    river.feed(event("bob", "acme", on=day(1)))
    assert gap(river, "second_user") is None


@pytest.mark.parametrize(
    ("people", "told"),
    [
        (3, "2 more active users within 7 days"),
        (4, "1 more active user within 7 days"),
        (5, "armed again by 3 or fewer active users within 7 days, 5 now"),
    ],
)
def test_active_users_until_the_team(people: int, told: str) -> None:
    river = River()
    river.feed(*team("acme", people, day(1)))

    assert gap(river, "multi_user") == told


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (50, "0.3 of the limit of calls left until 0.8"),
        (80, "0.15 of the limit of calls left until 0.95"),
        (100, None),
    ],
)
def test_share_of_the_limit_until_the_next_level(used: int, told: str | None) -> None:
    river = River()
    river.feed(usage(used=used))

    assert gap(river, "usage_limit") == told


@pytest.mark.parametrize(
    ("seats", "told"),
    [
        (None, "the number of seats is not known"),
        (1, "at least 2 seats"),
        (10, "6 more members until 0.8 of 10 seats"),
        (3, "1 more member until 0.8 of 3 seats"),
        (2, None),
    ],
)
def test_members_until_the_seats_are_taken(seats: int | None, told: str | None) -> None:
    river = River()
    river.feed(*team("acme", 2, day(1)))
    if seats is not None:
        river.feed(plan_changed(plan="pro", seats=seats))

    assert gap(river, "seat_limit") == told


def test_of_moments_nothing_is_missing() -> None:
    river = River()
    river.feed(plan_changed(plan="pro"))

    assert [gap(river, signal) for signal in ("procurement", "cancelled", "champion_left")] == [None, None, None]


def test_timers_say_what_puts_them_off() -> None:
    rules = River().engine.workspace_timers.values()

    assert {rule.name: rule.unless for rule in rules} == {
        "went_silent": "unless somebody is active before",
        "trial_ending": "unless they pay, or the trial ends, before",
        "limit_hit_no_upgrade": "unless they upgrade, or get a higher limit, before",
    }
