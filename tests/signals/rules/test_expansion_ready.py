"""Paying, and growing against what is paid for."""

from __future__ import annotations

import pytest

from signals.units import DAY_MS
from tests.signals.builders import River, day, team
from tests.signals.rules.billing_events import of, plan_changed, usage


def times(river: River) -> list[int]:
    return [firing.time for firing in river.signals if firing.signal == "expansion_ready"]


def test_a_paying_workspace_near_a_limit_fires() -> None:
    river = River()
    assert of("expansion_ready", river.feed(plan_changed(day(1), plan="pro"), usage(day(2), used=79))) == []

    (evidence,) = of("expansion_ready", river.feed(usage(day(2), used=80)))

    assert evidence == {
        "plan": "pro",
        "within": 1_209_600,
        "seat_limit": None,
        "usage_limit": "2026-03-03T12:00:00.000Z",
        "seat_growth": None,
    }


def test_one_near_its_seats_fires_and_one_that_does_not_pay_does_not() -> None:
    for plan, expected in (("pro", [day(2)]), ("free", [])):
        river = River()
        river.feed(plan_changed(day(1), plan=plan, seats=5), *team("acme", 4, day(2)))
        assert times(river) == expected


@pytest.mark.parametrize(("later", "fires"), [(14 * DAY_MS, True), (14 * DAY_MS + 1, False)])
def test_who_begins_to_pay_within_14_days_of_a_limit_fires(later: int, fires: bool) -> None:
    river = River()
    river.feed(usage(day(1), used=90))

    river.feed(plan_changed(day(1) + later, plan="pro"))

    assert bool(times(river)) is fires


@pytest.mark.parametrize(("later", "fires"), [(30 * DAY_MS, True), (30 * DAY_MS - 1, False)])
def test_it_is_said_once_in_30_days(later: int, fires: bool) -> None:
    river = River()
    river.feed(plan_changed(day(1), plan="pro"), usage(day(1), used=80))

    river.feed(usage(day(1) + later, used=80, metric="seconds"))

    assert times(river) == [day(1), day(1) + later][: 1 + fires]


def test_another_signal_is_no_reason_to_look_again() -> None:
    river = River({"signals": {"expansion_ready": {"cooldown": "1d"}}})
    river.feed(plan_changed(day(1), plan="pro"), usage(day(1), used=80))

    river.feed(*team("acme", 5, day(4)))

    assert times(river) == [day(1)]


def test_gap_says_what_must_happen_and_it_is_over_once_nobody_pays() -> None:
    river = River()
    river.feed(plan_changed(day(1), plan="free"))
    rule, workspace = river.engine.by_name["expansion_ready"], river.workspace("acme")
    missing = "seat_limit, usage_limit or seat_growth must fire"

    assert rule.gap(workspace, day(1), 0) == f"it must pay and {missing}"  # type: ignore[attr-defined]
    assert not rule.still_holds(workspace, 0)
    river.feed(plan_changed(day(2), plan="pro"))
    assert rule.gap(river.workspace("acme"), day(2), 0) == missing  # type: ignore[attr-defined]
    assert rule.still_holds(river.workspace("acme"), 0)
