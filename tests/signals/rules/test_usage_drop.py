"""Far fewer core events than in the weeks before, where somebody pays."""

from __future__ import annotations

import pytest

from signals.units import DAY_MS
from tests.signals.builders import MONDAY, River, day
from tests.signals.rules.billing_events import of, plan_changed
from tests.signals.rules.core_events import SETTINGS, core, usual


def fallen(weekly: int, now: int, plan: str | None = "pro", on: int = 36) -> River:
    """Four usual weeks, one of so many core events at its begin, and somebody at work on the day after it."""
    river = River(SETTINGS)
    if plan is not None:
        river.feed(plan_changed(MONDAY, plan=plan))
    usual(river, weekly)
    if now:
        river.feed_fact(core(29, now))
    river.feed_fact(core(on, 0, active=True))
    return river


def times(river: River) -> list[int]:
    return [firing.time for firing in river.signals if firing.signal == "usage_drop"]


@pytest.mark.parametrize(("now", "fires"), [(10, True), (11, False), (0, True)])
def test_half_the_usual_week_fires(now: int, fires: bool) -> None:
    assert bool(times(fallen(20, now))) is fires


@pytest.mark.parametrize(("weekly", "fires"), [(10, True), (9, False)])
def test_it_takes_a_usual_week_of_ten(weekly: int, fires: bool) -> None:
    assert bool(times(fallen(weekly, 1))) is fires


@pytest.mark.parametrize(("plan", "fires"), [("pro", True), ("free", False), (None, False)])
def test_only_a_paying_workspace_is_a_risk(plan: str | None, fires: bool) -> None:
    assert bool(times(fallen(20, 1, plan))) is fires


@pytest.mark.parametrize(("on", "fires"), [(36, True), (35, False)])
def test_it_takes_35_whole_days_of_history(on: int, fires: bool) -> None:
    assert bool(times(fallen(40, 1, on=on))) is fires


def test_the_day_under_way_is_left_out() -> None:
    # Used on Mondays: on the next Monday morning, the last seven whole days have one.
    river = fallen(20, 20)

    river.feed_fact(core(36, 1))

    assert times(river) == []


def test_evidence_holds_what_was_observed_against_the_threshold() -> None:
    (evidence,) = of("usage_drop", fallen(20, 5).signals)

    assert evidence == {
        "core_events": 5,
        "mean": 20.0,
        "ratio": 0.25,
        "threshold": 0.5,
        "window_end": "2026-04-05",
    }


@pytest.mark.parametrize(("later", "fires"), [(14 * DAY_MS, True), (14 * DAY_MS - 1, False)])
def test_it_is_said_once_in_14_days(later: int, fires: bool) -> None:
    river = fallen(80, 5)
    assert times(river) == [day(36)]

    river.feed_fact(core(50, 1, at=day(36) + later, active=True))

    assert times(river) == [day(36), day(36) + later][: 1 + fires]


def test_it_is_over_once_the_use_is_back_and_the_gap_says_how_far_it_is() -> None:
    river = fallen(20, 11)
    rule, today = river.engine.by_name["usage_drop"], day(36) // DAY_MS

    assert rule.gap(river.workspace("acme"), day(36), today) == "at most 10 core events in 7 days, not 11"  # type: ignore[attr-defined]
    assert not rule.still_holds(river.workspace("acme"), today)
    assert rule.still_holds(fallen(20, 10).workspace("acme"), today)
