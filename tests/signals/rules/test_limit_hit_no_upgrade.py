"""A limit that was used up and nothing came of it (SIGNALS A24): at the time and a millisecond before."""

from __future__ import annotations

import json

import pytest

from signals.event import Event, Role, Source, Tick
from signals.facts import Firing, Note
from signals.units import DAY_MS
from tests.signals.builders import River, day, event
from tests.signals.rules.billing_events import plan_changed, usage

AFTER = 3 * DAY_MS
PLANS: dict[str, object] = {"plans": {"order": ["pro", "team"]}}


def unanswered(*records: Event | Tick, settings: dict[str, object] | None = None) -> list[Firing]:
    river = River(PLANS | (settings or {}))
    for number, record in enumerate(records):
        if isinstance(record, Event):
            # In this order, whichever was made first.
            record.source = Source("events", 0, number)
    river.feed(*records, Tick(day(200)))
    return [one for one in river.signals if one.signal == "limit_hit_no_upgrade"]


@pytest.mark.parametrize(("time", "fires"), [(day(1) + AFTER, True), (day(1) + AFTER - 1, False)])
def test_three_days_after_the_limit_was_hit_it_fires(time: int, fires: bool) -> None:
    hit = usage(day(1), used=100)

    raised = River().feed(hit, Tick(time))[1:]

    expected = [("limit_hit_no_upgrade", day(1) + AFTER, hit.id)][:fires]
    assert [(one.signal, one.time, one.event_id) for one in raised] == expected


def test_evidence_names_the_limit_that_was_hit_and_the_use_by_now() -> None:
    (signal,) = unanswered(usage(day(1), used=100), usage(day(2), used=130))

    assert signal.evidence == {
        "metric": "calls",
        "period": "2026-03",
        "used": 130,
        "limit": 100,
        "hit_at": "2026-03-02T12:00:00.000Z",
        "after": 259_200,
    }
    assert json.loads(signal.key) == ["calls", "2026-03"]


@pytest.mark.parametrize(("used", "fires"), [(100, True), (99.999, False)])
def test_only_the_whole_limit_counts(used: float, fires: bool) -> None:
    assert bool(unanswered(usage(day(1), used=used))) is fires


@pytest.mark.parametrize("levels", [[0.5], [2.0], [1.0]])
def test_it_counts_from_the_whole_limit_whatever_the_levels_are(levels: list[float]) -> None:
    settings: dict[str, object] = {"signals": {"usage_limit": {"levels": levels}}}

    assert len(unanswered(usage(day(1), used=100), settings=settings)) == 1


def test_it_counts_from_the_first_hit_and_once_per_metric_and_period() -> None:
    hits = [usage(day(number), used=100 + number) for number in (1, 2, 3, 8)]

    signals = unanswered(*hits, usage(day(9), used=100, metric="rows"), usage(day(40), used=100))

    assert [(one.evidence["metric"], one.evidence["period"]) for one in signals] == [
        ("calls", "2026-03"),
        ("rows", "2026-03"),
        ("calls", "2026-04"),
    ]
    assert signals[0].time == day(1) + AFTER


def test_a_period_that_comes_back_is_not_waited_for_anew_nor_said_again() -> None:
    back = [usage(day(number), used=100, period=period) for number, period in ((1, "a"), (2, "b"), (3, "a"))]

    signals = unanswered(*back, usage(day(20), used=100, period="b"))

    assert [(one.evidence["period"], one.time) for one in signals] == [("a", day(1) + AFTER), ("b", day(2) + AFTER)]


def test_the_end_of_the_period_does_not_cancel_it() -> None:
    assert len(unanswered(usage(day(1), used=100, period="day"), usage(day(2), used=1, period="day"))) == 1


@pytest.mark.parametrize(
    ("limit", "metric", "fires"),
    [(100, "calls", True), (100.5, "calls", False), (50, "calls", True), (500, "rows", True)],
)
def test_a_higher_limit_of_the_same_metric_cancels(limit: float, metric: str, fires: bool) -> None:
    later = usage(day(2), used=10, limit=limit, metric=metric)

    assert bool(unanswered(usage(day(1), used=100), later)) is fires


def test_a_report_too_old_to_count_cancels_nothing() -> None:
    assert len(unanswered(usage(day(1), used=100), usage(day(1) - 1, used=10, limit=900))) == 1


def test_a_higher_limit_in_another_period_cancels_those_before_it() -> None:
    hits = usage(day(1), used=100, period="a"), usage(day(2), used=100, period="b")

    assert unanswered(*hits, usage(day(3), used=1, limit=101, period="c")) == []


def test_after_a_higher_limit_that_is_hit_too_it_counts_from_there() -> None:
    hits = [usage(day(1), used=100), usage(day(2), used=110, limit=200), usage(day(3), used=200, limit=200)]

    assert [one.time for one in unanswered(*hits)] == [day(3) + AFTER]


@pytest.mark.parametrize(
    ("before", "after", "fires"),
    [("free", "pro", False), ("pro", "team", False), ("team", "pro", True), ("pro", "free", True), ("x", "y", True)],
)
def test_a_conversion_or_an_upgrade_cancels(before: str, after: str, fires: bool) -> None:
    plans = plan_changed(day(1), plan=before), plan_changed(day(2), plan=after)

    assert bool(unanswered(plans[0], usage(day(1), used=100), plans[1])) is fires


def test_it_is_the_move_that_cancels_whether_its_signal_is_on_or_not() -> None:
    off: dict[str, object] = {"signals": {"plan_upgraded": {"enabled": False}, "converted_to_paid": {"enabled": False}}}
    plans = plan_changed(day(1), plan="free"), plan_changed(day(2), plan="pro"), plan_changed(day(4), plan="team")

    assert unanswered(plans[0], usage(day(1), used=100), plans[1], settings=off) == []
    assert unanswered(plans[1], usage(day(3), used=100), plans[2], settings=off) == []


@pytest.mark.parametrize(("on", "fires"), [(day(1) + AFTER, False), (day(1) + AFTER + 1, True)])
def test_an_upgrade_at_the_due_time_comes_before_it(on: int, fires: bool) -> None:
    upgrade = plan_changed(on, plan="pro")

    assert bool(unanswered(plan_changed(day(1), plan="free"), usage(day(1), used=100), upgrade)) is fires


def test_who_hits_the_limit_and_upgrades_by_the_same_event_has_upgraded() -> None:
    both = event(None, "acme", on=day(1), roles=[Role.PLAN_CHANGED, Role.USAGE_REPORTED], name="Subscription Updated")
    both.properties = {"plan": "pro", "metric": "calls", "used": 100, "limit": 100}

    assert unanswered(plan_changed(day(1), plan="free"), both) == []


def test_metrics_and_periods_may_be_called_anything() -> None:
    odd = [usage(day(1), used=100, metric=metric, period=period) for metric, period in (("a|b", "c"), ("a", "b|c"))]

    assert [(one.evidence["metric"], one.evidence["period"]) for one in unanswered(*odd)] == [
        ("a", "b|c"),
        ("a|b", "c"),
    ]


def test_pending_ones_are_capped_with_the_metrics_and_the_oldest_hit_leaves() -> None:
    river = River({"limits": {"metrics_per_workspace": 3}})
    river.feed(*(usage(day(1) + number, used=100, metric=f"m{number}") for number in range(5)))

    river.feed(Tick(day(9)))

    signals = [one for one in river.signals if one.signal == "limit_hit_no_upgrade"]
    assert [one.evidence["metric"] for one in signals] == ["m2", "m3", "m4"]
    assert river.notes.count(Note.METRIC_FORGOTTEN) == 2


def test_alert_stands_after_that_of_the_limit_itself() -> None:
    river = River({"alerts": {"cooldown": "0s"}})
    river.feed(usage(day(1), used=100), Tick(day(9)))
    rule, limit = river.engine.by_name["limit_hit_no_upgrade"], river.engine.by_name["usage_limit"]
    hit, unanswered_hit = river.signals
    family, rank = rule.family(unanswered_hit.evidence) or ("", 0.0)

    assert [alert.signal for alert in river.alerts] == ["usage_limit", "limit_hit_no_upgrade"]
    assert limit.family(hit.evidence) == (family, 1.0)
    assert rank > 1.0
    assert rule.still_holds(river.workspace("acme"), 0)
    river.feed(usage(day(10), used=100, limit=1_000))
    assert not rule.still_holds(river.workspace("acme"), 0)
