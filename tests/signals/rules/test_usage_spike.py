"""Far more core events than in the weeks before."""

from __future__ import annotations

import pytest

from signals.units import DAY_MS
from tests.signals.builders import River, day
from tests.signals.rules.billing_events import of
from tests.signals.rules.core_events import SETTINGS, core, usual


def times(river: River) -> list[int]:
    return [firing.time for firing in river.signals if firing.signal == "usage_spike"]


def grown(weekly: int, now: int, users: int = 2, on: int = 35) -> River:
    """Four usual weeks, and then so many people with so many core events on day 35."""
    river = River(SETTINGS)
    usual(river, weekly)
    for number in range(users):
        river.feed_fact(core(on, 0, user=f"u{number}", active=True))
    river.feed_fact(core(on, now))
    return river


@pytest.mark.parametrize(("now", "fires"), [(24, True), (23, False)])
def test_twice_the_usual_week_fires(now: int, fires: bool) -> None:
    assert bool(times(grown(12, now))) is fires


@pytest.mark.parametrize(("now", "fires"), [(20, True), (19, False)])
def test_it_takes_twenty_core_events(now: int, fires: bool) -> None:
    assert bool(times(grown(4, now))) is fires


@pytest.mark.parametrize(("users", "fires"), [(2, True), (1, False)])
def test_it_takes_two_active_people(users: int, fires: bool) -> None:
    assert bool(times(grown(12, 24, users))) is fires


@pytest.mark.parametrize(("on", "fires"), [(35, True), (34, False)])
def test_it_takes_35_days_of_history(on: int, fires: bool) -> None:
    assert bool(times(grown(12, 50, on=on))) is fires


def test_weeks_without_any_are_nothing_to_compare_with() -> None:
    river = River(SETTINGS)
    river.feed_fact(core(1, 0, active=True))
    for user in ("ann", "bob"):
        river.feed_fact(core(40, 30, user=user, active=True))

    assert times(river) == []


def test_evidence_holds_what_was_observed_against_the_threshold() -> None:
    (evidence,) = of("usage_spike", grown(12, 30).signals)

    assert evidence == {
        "core_events": 30,
        "mean": 12.0,
        "ratio": 2.5,
        "threshold": 2.0,
        "active_users": 2,
        "window_end": "2026-04-05",
    }


@pytest.mark.parametrize(("later", "fires"), [(14 * DAY_MS, True), (14 * DAY_MS - 1, False)])
def test_it_is_said_once_in_14_days(later: int, fires: bool) -> None:
    river = grown(12, 24)
    for user in ("u0", "u1"):
        river.feed_fact(core(48, 0, user=user, active=True))

    river.feed_fact(core(49, 100, at=day(35) + later))

    assert times(river) == [day(35), day(35) + later][: 1 + fires]


def test_more_inside_the_cooldown_prolongs_nothing_and_late_events_count_on_their_day() -> None:
    river = grown(12, 23)
    assert times(river) == []

    river.feed_fact(core(30, 1, at=day(36)))

    assert times(river) == [day(36)]


def test_without_core_events_in_the_config_it_is_off() -> None:
    river = River()
    usual(river, 12)
    for user in ("ann", "bob"):
        river.feed_fact(core(35, 12, user=user, active=True))

    assert times(river) == []


def test_gap_says_how_much_is_missing() -> None:
    river = grown(12, 20, users=1)
    rule = river.engine.by_name["usage_spike"]

    assert rule.gap(river.workspace("acme"), day(35), day(35) // DAY_MS) == (  # type: ignore[attr-defined]
        "4 more core events and 1 more active users within 7 days"
    )
    assert not rule.still_holds(river.workspace("acme"), day(35) // DAY_MS)
    assert rule.still_holds(grown(12, 24).workspace("acme"), day(35) // DAY_MS)
