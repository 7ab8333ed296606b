"""More people than a window before: judged at window ends, at the threshold and one below (SIGNALS A9, A33, A34)."""

from __future__ import annotations

import pytest

from signals.event import Role
from tests.signals.builders import River, day, event, names, team
from tests.signals.rules.billing_events import of


def grown(before: int, after: int, on: int = 15, settings: dict[str, object] | None = None) -> River:
    """A workspace of so many people on day 1, and of so many others on another day."""
    river = River(settings)
    river.feed(*team("acme", before, day(1), "old"), *team("acme", after, day(on), "new"))
    return river


@pytest.mark.parametrize(("before", "after", "fires"), [(1, 3, False), (1, 4, True), (0, 9, False)])
def test_three_more_people_than_the_window_before_fire(before: int, after: int, fires: bool) -> None:
    assert ("seat_growth" in names(grown(before, after).signals)) is fires


@pytest.mark.parametrize(("after", "fires"), [(11, False), (12, True)])
def test_growth_must_be_half_of_who_was_there(after: int, fires: bool) -> None:
    # Of 8: 11 are 3 more, which is less than half.
    assert ("seat_growth" in names(grown(8, after).signals)) is fires


def test_evidence_names_both_counts_and_the_window_end() -> None:
    (evidence,) = of("seat_growth", grown(2, 5).signals)

    assert evidence == {
        "active_users": 5,
        "earlier_active_users": 2,
        "growth": 3,
        "threshold": 3,
        "ratio": 1.5,
        "ratio_threshold": 0.5,
        "window": 14,
        "window_end": "2026-03-16",
    }


def test_it_is_the_fifth_persons_event_that_fires_and_once() -> None:
    river = River()
    river.feed(*team("acme", 2, day(1), "old"))

    raised = [names(river.feed(made)).count("seat_growth") for made in team("acme", 9, day(15), "new")]

    assert raised == [0, 0, 0, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(("after", "ends"), [(0, []), (1, ["2026-03-30"])])
def test_next_end_is_a_cooldown_after_the_last_that_fired(after: int, ends: list[str]) -> None:
    # The last end that the event raises is 13 days after its own: one day later it is 14 after the one that fired.
    river = grown(1, 4)
    river.feed(*team("acme", 20, day(15 + after), "more"))

    assert [evidence["window_end"] for evidence in of("seat_growth", river.signals)[1:]] == ends


def test_a_late_event_counts_at_the_end_where_it_belongs() -> None:
    river = River()
    river.feed(*team("acme", 1, day(1), "old"), *team("acme", 3, day(15), "new"), event("far", "acme", on=day(60)))

    (late,) = river.feed(event("new9", "acme", on=day(15)))

    assert (late.signal, late.evidence["window_end"], late.time) == ("seat_growth", "2026-03-16", day(15))


@pytest.mark.parametrize(("age", "fires"), [(89, True), (90, False)])
def test_the_oldest_end_that_is_judged_still_has_an_end_to_be_compared_with(age: int, fires: bool) -> None:
    settings: dict[str, object] = {"signals": {"seat_growth": {"window": "28d"}}}
    river = River(settings)
    # The last end before the window of day 101 that the two old ones are in: nothing of it may be forgotten.
    river.feed(*team("acme", 1, day(101 - 28), "old"), *team("acme", 3, day(101), "new"))
    river.feed(event("far", "acme", on=day(101 + age)))

    raised = river.feed(event("new9", "acme", on=day(101)))

    assert ("seat_growth" in names(raised)) is fires


def test_who_was_removed_since_still_counts() -> None:
    river = River()
    river.feed(*team("acme", 1, day(1), "old"), *team("acme", 3, day(15), "new"))
    river.feed(event("new0", "acme", on=day(15, 13), roles=[Role.MEMBER_REMOVED]))

    assert names(river.feed(event("new9", "acme", on=day(15, 14)))) == ["seat_growth"]


def test_share_is_compared_as_a_quotient() -> None:
    # 3 of 30 is 0.1, although 0.1 x 30 is more than 3.
    settings: dict[str, object] = {"signals": {"seat_growth": {"ratio": 0.1}, "multi_user": {"enabled": False}}}

    assert len(of("seat_growth", grown(30, 33, settings=settings).signals)) == 1


def test_gap_counts_who_is_missing() -> None:
    river = grown(2, 4)
    (rule,) = [one for one in river.engine._workspace_rules if one.name == "seat_growth"]
    workspace, today = river.workspace("acme"), day(15) // 86_400_000

    assert rule.gap(workspace, day(15), today) == "1 more active user within 14 days"
    assert rule.gap(workspace, day(1), today - 14) == "1 active in the 14 days before, for something to grow from"
    assert rule.still_holds(workspace, today) is False
    river.feed(*team("acme", 5, day(15), "new"))
    assert rule.gap(workspace, day(15), today) is None
    assert rule.still_holds(workspace, today) is True


def test_while_an_alert_about_the_whole_team_is_open_growth_is_no_news() -> None:
    river = grown(1, 6)

    growth = next(one for one in river.signals if one.signal == "seat_growth")
    assert river.engine.by_name["seat_growth"].family(growth.evidence) == ("team", 1.5)
