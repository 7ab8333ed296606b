"""Enough people in the same window, and when it may be said again (SIGNALS A8 to A11)."""

from __future__ import annotations

import pytest

from signals.event import Role
from signals.rules.multi_user import MultiUserParams
from tests.signals.builders import River, day, event, team


def multi_user(river: River, *events: object) -> list[object]:
    return [signal.evidence["window_end"] for signal in river.feed(*events) if signal.signal == "multi_user"]  # type: ignore[arg-type]


def test_fifth_active_user_in_a_week_raises_multi_user() -> None:
    river = River()
    assert multi_user(river, *team("acme", 4, day(1))) == []

    (signal,) = river.feed(event("u4", "acme", on=day(7)))

    assert signal.signal == "multi_user"
    assert signal.evidence == {"active_users": 5, "threshold": 5, "window": 7, "window_end": "2026-03-08"}
    assert signal.time == day(7)


def test_fifth_active_user_a_day_after_the_week_raises_nothing() -> None:
    river = River()

    assert multi_user(river, *team("acme", 4, day(1)), event("u4", "acme", on=day(8))) == []


def test_late_event_counts_at_the_window_end_where_it_belongs() -> None:
    river = River()
    river.feed(*team("acme", 4, day(1)), event("u0", "acme", on=day(20)))

    assert multi_user(river, event("late", "acme", on=day(1))) == ["2026-03-02"]


def test_same_user_on_two_days_is_one_active_user() -> None:
    river = River()

    assert multi_user(river, *team("acme", 4, day(1)), *team("acme", 4, day(2))) == []


def test_users_removed_since_still_count_for_the_days_they_were_active() -> None:
    river = River()
    river.feed(*team("acme", 4, day(1)), event("u0", "acme", on=day(2), roles=[Role.MEMBER_REMOVED]))

    assert multi_user(river, event("u4", "acme", on=day(2))) == ["2026-03-03"]


def test_multi_user_fires_again_after_quiet_and_cooldown_at_exactly_thirty_days() -> None:
    river = River()
    river.feed(*team("acme", 5, day(1)))

    # The end of day 31 is 30 days after that of day 1; the days between count 0.
    assert multi_user(river, *team("acme", 5, day(31))) == ["2026-04-01"]


def test_multi_user_one_day_inside_its_cooldown_waits_for_the_first_end_after_it() -> None:
    river = River()
    river.feed(*team("acme", 5, day(1)))

    # Day 30 is too early, but the window that ends on day 31 still holds the five.
    assert multi_user(river, *team("acme", 5, day(30))) == ["2026-04-01"]


def test_multi_user_does_not_fire_again_without_quiet_between() -> None:
    river = River()
    for number in range(1, 60):
        # Four of five come every day: never as few as three in a week.
        river.feed(*team("acme", 4, day(number)))
        river.feed(*team("acme", 5, day(number)) if number in {1, 31, 45} else [])

    assert [signal.signal for signal in river.signals if signal.signal == "multi_user"] == ["multi_user"]


def test_three_in_a_week_is_quiet_enough() -> None:
    river = River()
    river.feed(*team("acme", 5, day(1)))
    for number in range(1, 40):
        river.feed(*team("acme", 3, day(number)))

    assert multi_user(river, *team("acme", 5, day(40))) == ["2026-04-10"]


def test_quiet_that_the_ring_has_forgotten_arms_again() -> None:
    river = River({"signals": {"multi_user": {"rearm_at": 3}}})
    river.feed(*team("acme", 5, day(1)))
    # A quiet week, then four people every day until it is more than 104 days ago.
    for number in range(15, 200):
        river.feed(*team("acme", 4, day(number)))
    last = river.workspace("acme").fired["multi_user"]
    assert last.low == 0

    assert multi_user(river, event("u4", "acme", on=day(199))) == ["2026-09-16"]


def test_steady_crowd_that_the_ring_has_forgotten_does_not_arm() -> None:
    river = River()
    for number in range(1, 200):
        river.feed(*team("acme", 5 if number < 8 else 4, day(number)))

    assert multi_user(river, event("u4", "acme", on=day(199))) == []


def test_event_ninety_days_older_than_the_newest_changes_no_window_end() -> None:
    river = River()
    river.feed(*team("acme", 4, day(1)), event("u9", "acme", on=day(91)))

    assert multi_user(river, event("u4", "acme", on=day(1))) == []
    assert river.workspace("acme").members == 6


def test_event_eighty_nine_days_older_than_the_newest_is_judged() -> None:
    river = River()
    river.feed(*team("acme", 4, day(1)), event("u9", "acme", on=day(90)))

    assert multi_user(river, event("u4", "acme", on=day(1))) == ["2026-03-02"]


def test_passive_events_are_no_activity() -> None:
    river = River()
    river.feed(*team("acme", 4, day(1)))

    assert multi_user(river, event("u4", "acme", on=day(1), roles=[Role.PLAN_CHANGED])) == []
    assert multi_user(river, event("u5", "acme", on=day(1), passive=True)) == []


def test_days_are_those_of_the_configured_time_zone() -> None:
    river = River({"time_zone": "America/New_York"})
    # 02:00 UTC on day 8 is still day 7 in New York.
    river.feed(*team("acme", 4, day(1)))

    assert multi_user(river, event("u4", "acme", on=day(8, hour=2))) == ["2026-03-08"]


@pytest.mark.parametrize("rearm_at", [5, 6])
def test_multi_user_that_could_repeat_at_every_event_is_refused(rearm_at: int) -> None:
    with pytest.raises(ValueError, match=r"rearm_at\n.*must be less than active_users"):
        MultiUserParams(rearm_at=rearm_at)


@pytest.mark.parametrize(("people", "again"), [(3, ["2026-09-16"]), (4, [])])
def test_forgotten_ends_arm_exactly_at_rearm_at(people: int, again: list[str]) -> None:
    river = River()
    for number in range(1, 200):
        # Five on the first day; the quietest week, the third, is forgotten long before the end.
        here = 5 if number == 1 else people if 8 < number < 22 else 4
        river.feed(*team("acme", here, day(number)))

    assert multi_user(river, event("u4", "acme", on=day(199))) == again
