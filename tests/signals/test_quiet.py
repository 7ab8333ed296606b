"""Quiet hours: nights, days off, both in a row, and the nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.quiet import Quiet
from signals.selling import QuietHours

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = {"start": "20:00", "end": "08:00"}


def moment(text: str, zone: ZoneInfo = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1_000)


def quiet(**hours: object) -> Quiet:
    return Quiet(QuietHours.model_validate(hours), BERLIN)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-02T19:59:59.999", None),
        ("2026-03-02T20:00:00", "2026-03-03T08:00:00"),
        ("2026-03-03T03:00:00", "2026-03-03T08:00:00"),
        ("2026-03-03T07:59:59.999", "2026-03-03T08:00:00"),
        ("2026-03-03T08:00:00", None),
    ],
)
def test_night_lasts_from_its_start_to_just_before_its_end(at: str, until: str | None) -> None:
    assert quiet(**NIGHT).ends(moment(at)) == (moment(until) if until else None)


@pytest.mark.parametrize(
    ("at", "until"),
    [("2026-03-02T11:59:59", None), ("2026-03-02T12:00:00", "2026-03-02T13:00:00"), ("2026-03-02T13:00:00", None)],
)
def test_quiet_hours_within_a_day_end_on_it(at: str, until: str | None) -> None:
    assert quiet(start="12:00", end="13:00").ends(moment(at)) == (moment(until) if until else None)


def test_friday_night_goes_on_through_the_weekend_until_monday_morning() -> None:
    weekend = quiet(**NIGHT, days=["sat", "sun"])

    assert weekend.ends(moment("2026-03-06T21:00:00")) == moment("2026-03-09T08:00:00")


def test_days_off_alone_end_at_midnight() -> None:
    assert quiet(days=["sat", "sun"]).ends(moment("2026-03-07T15:00:00")) == moment("2026-03-09T00:00:00")
    assert quiet(days=["sat", "sun"]).ends(moment("2026-03-06T23:59:59")) is None


def test_without_night_and_days_off_nothing_is_quiet() -> None:
    assert quiet().ends(moment("2026-03-07T03:00:00")) is None


def test_end_that_the_change_of_the_clocks_skips_is_still_ahead() -> None:
    # On 29 March 2026 the clocks in Berlin go from 2:00 to 3:00.
    ends = quiet(start="22:00", end="02:30").ends(moment("2026-03-29T01:59:00"))

    assert ends == int(datetime(2026, 3, 29, 1, 30, tzinfo=UTC).timestamp() * 1_000)


@given(st.integers(1_770_000_000_000, 1_800_000_000_000), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
def test_the_end_is_ahead_and_not_quiet_itself(at: int, zone: str) -> None:
    hours = Quiet(QuietHours.model_validate({"start": "22:15", "end": "02:30", "days": ["sun"]}), ZoneInfo(zone))

    until = hours.ends(at)

    if until is not None:
        assert until > at
        assert hours.ends(until) is None


@pytest.mark.parametrize(
    "hours",
    [
        {"start": "20:00"},
        {"start": "20:00", "end": "20:00"},
        {"start": "25:00", "end": "08:00"},
        {"start": 2000, "end": 800},
        {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
        {"days": ["someday"]},
    ],
)
def test_quiet_hours_that_make_no_sense_are_refused(hours: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"start|time of day|days"):
        QuietHours.model_validate(hours)
