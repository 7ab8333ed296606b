"""Levels of a limit, each once per metric and period (SIGNALS A12 and A37)."""

from __future__ import annotations

import pytest

from signals.event import Event, Scalar
from tests.signals.builders import River, day, engine, names
from tests.signals.rules.billing_events import usage


def levels(*reports: Event, settings: dict[str, object] | None = None) -> list[Scalar | None]:
    return [firing.evidence["level"] for firing in River(settings).feed(*reports)]


@pytest.mark.parametrize(("used", "fires"), [(80, True), (79.999, False)])
def test_use_that_reaches_a_level_fires(used: float, fires: bool) -> None:
    signals = River().feed(usage(used=used))

    assert (names(signals) == ["usage_limit"]) is fires


def test_evidence_names_use_limit_and_level() -> None:
    (signal,) = River().feed(usage(used=85))

    assert signal.evidence == {
        "metric": "calls",
        "period": "2026-03",
        "used": 85,
        "limit": 100,
        "ratio": 0.85,
        "level": 0.8,
    }


def test_each_level_fires_once_in_its_period() -> None:
    reports = [usage(used=used) for used in (80, 94, 95, 99, 100, 120, 10, 90)]

    assert levels(*reports) == [0.8, 0.95, 1.0]


def test_of_several_levels_passed_at_once_only_the_highest_fires_and_all_are_spent() -> None:
    assert levels(usage(used=97), usage(used=10), usage(used=85), usage(used=101)) == [0.95, 1.0]


def test_every_metric_is_counted_by_itself_and_a_missing_one_is_the_blank_one() -> None:
    reports = [usage(used=80), usage(used=80, metric="rows"), usage(used=80, metric=""), usage(used=80, metric=7)]

    assert [s.evidence["metric"] for s in River().feed(*reports)] == ["calls", "rows", ""]


def test_another_period_gives_every_level_back() -> None:
    reports = [usage(used=80, period="a"), usage(used=80, period="b"), usage(used=80, period="a")]

    signals = River().feed(*reports)

    assert [s.evidence["period"] for s in signals] == ["a", "b", "a"]
    # One period per metric is kept; the numbers of the firings are, too.
    assert [s.n for s in signals] == [1, 1, 2]
    assert len({s.id for s in signals}) == 3


@pytest.mark.parametrize(
    ("period", "same", "other"),
    [
        ("day", day(1, 23.9), day(2, 0)),
        ("Daily", day(1, 23.9), day(2, 0)),
        ("week", day(7, 23.9), day(8, 0)),
        ("weekly", day(7, 23.9), day(8, 0)),
        ("month", day(30, 23.9), day(31, 0)),
        ("monthly", day(30, 23.9), day(31, 0)),
        (None, day(30, 23.9), day(31, 0)),
        (" ", day(30, 23.9), day(31, 0)),
        (3, day(30, 23.9), day(31, 0)),
        ("year", day(305, 23.9), day(306, 0)),
        ("annual", day(305, 23.9), day(306, 0)),
        ("yearly", day(305, 23.9), day(306, 0)),
    ],
)
def test_calendar_unit_means_that_of_the_events_day(period: Scalar | None, same: int, other: int) -> None:
    extra: dict[str, Scalar] = {} if period is None else {"period": period}

    assert levels(usage(day(1), used=80, **extra), usage(same, used=80, **extra)) == [0.8]
    assert levels(usage(day(1), used=80, **extra), usage(other, used=80, **extra)) == [0.8, 0.8]


def test_calendar_unit_goes_by_the_time_zone() -> None:
    for zone, fired in (("Europe/Berlin", [0.8, 0.8]), ("UTC", [0.8])):
        reports = usage(day(1), used=80, period="day"), usage(day(1, 23), used=80, period="day")

        assert levels(*reports, settings={"time_zone": zone}) == fired


def test_week_belongs_to_the_year_of_its_thursday() -> None:
    # 2026-12-28 to 2027-01-03 is one week.
    (first,) = River().feed(usage(day(302), used=80, period="week"))
    (last,) = River().feed(usage(day(308), used=80, period="week"))

    assert first.evidence["period"] == last.evidence["period"] == "2026-W53"


def test_higher_limit_gives_back_the_levels_that_are_no_longer_reached() -> None:
    reports = [usage(used=96), usage(used=99, limit=120), usage(used=96, limit=100), usage(used=114, limit=120)]

    # 99 of 120 is above 0.8 still, so only 0.95 comes back; a lower limit gives nothing back.
    assert levels(*reports) == [0.95, 0.95]


def test_lower_limit_gives_nothing_back() -> None:
    assert levels(usage(used=80), usage(used=70, limit=99), usage(used=80, limit=99)) == [0.8]


def test_report_older_than_the_newest_of_its_metric_does_not_count() -> None:
    river = River()
    river.feed(usage(day(2), used=10))

    assert river.feed(usage(day(2) - 1, used=80)) == []
    assert names(river.feed(usage(day(1), used=80, metric="rows"))) == ["usage_limit"]
    assert names(river.feed(usage(day(2), used=80))) == ["usage_limit"]


@pytest.mark.parametrize(
    "wrong",
    [{"used": -1}, {"used": "99"}, {"used": True}, {"limit": 0}, {"limit": -1}, {"limit": "100"}, {"limit": True}],
)
def test_report_without_use_and_limit_does_not_count(wrong: dict[str, Scalar]) -> None:
    # Were it counted, the report after it would be older than the newest.
    broken = usage(day(3), **({"used": 99} | wrong))

    assert levels(broken, usage(day(2), used=80)) == [0.8]


def test_no_use_of_a_limit_is_a_report_that_counts() -> None:
    assert levels(usage(day(3), used=0), usage(day(2), used=99)) == []


def test_full_limit_is_tracked_where_it_is_no_level_and_raises_nothing() -> None:
    low = {"signals": {"usage_limit": {"levels": [0.5]}}}
    river = River(low)

    signals = river.feed(usage(used=100), usage(used=101))

    assert [s.evidence["level"] for s in signals] == [0.5]
    assert river.workspace("acme").billing.usage["calls"].passed == 1.01


def test_metric_not_reported_for_longest_is_forgotten_first() -> None:
    river = River({"limits": {"metrics_per_workspace": 2}})
    river.feed(*(usage(used=80, metric=metric) for metric in ("one", "two", "one", "three")))

    assert list(river.workspace("acme").billing.usage) == ["one", "three"]


def test_what_has_fired_stays_bounded() -> None:
    river = River({"limits": {"fired_keys": 10}})
    river.feed(*(usage(day(number), used=80, period=f"p{number}") for number in range(1, 31)))

    keys = [key for key in river.workspace("acme").fired if key.startswith("usage_limit|")]
    assert len(keys) == 11
    assert any('"p30"' in key for key in keys)


def test_reasons_hold_the_ratio_against_its_level() -> None:
    rule = River().engine.by_name["usage_limit"]
    (signal,) = River().feed(usage(used=2, limit=2.4))

    reasons = [(why.fact, why.value, why.threshold) for why in rule.why(signal.evidence)]

    assert reasons == [("usage_ratio", 0.833, 0.8), ("usage", 2, 2.4), ("metric", "calls", None)]
    assert rule.headline(signal.evidence) == "2 of 2.4 calls used"


FEW_KEYS: dict[str, object] = {"limits": {"fired_keys": 10}}
METRICS = [f"m{number}" for number in range(8)]


def test_level_whose_firing_is_forgotten_does_not_fire_again_in_its_period() -> None:
    river = River(FEW_KEYS)
    first = river.feed(*(usage(used=used, metric=one) for one in METRICS for used in (80, 95)))

    again = river.feed(*(usage(used=96, metric=one, on=day(2)) for one in METRICS))

    assert len(first) == 16
    assert len([key for key in river.workspace("acme").fired if key.startswith("usage_limit|")]) < 16
    assert again == []
    # What is newly passed fires as ever.
    full = river.feed(*(usage(used=100, metric=one, on=day(3)) for one in METRICS))
    assert [s.evidence["metric"] for s in full if s.signal == "usage_limit"] == METRICS


def test_short_periods_of_one_metric_do_not_let_the_long_period_of_another_fire_again() -> None:
    river = River(FEW_KEYS)
    yearly = usage(used=80, metric="seats", period="year")
    days = [usage(used=90, metric="calls", period="day", on=day(n)) for n in range(2, 20)]

    signals = river.feed(yearly, *days, usage(used=80, metric="seats", period="year", on=day(20)))

    assert [s.evidence["metric"] for s in signals] == ["seats"] + ["calls"] * len(days)
    assert len({s.id for s in signals}) == len(signals)


def test_level_that_is_lowered_fires_where_all_firings_are_remembered() -> None:
    river = River({"signals": {"usage_limit": {"levels": [0.9]}}, **FEW_KEYS})
    assert river.feed(usage(used=85)) == []
    river.engine = engine({"signals": {"usage_limit": {"levels": [0.8]}}, **FEW_KEYS})

    assert [s.evidence["level"] for s in river.feed(usage(used=85), usage(used=86))] == [0.8]
