"""Times as events carry them, and the calendar days they fall on."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.moments import EARLIEST_MS, LATEST_MS, Days, day_iso, iso, parse_time

BERLIN = ZoneInfo("Europe/Berlin")
NOON = 1_795_176_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-20T19:11:01.249Z", "2026-11-20T19:11:01.249Z"),
        ("2026-11-20T19:11:01.2499999Z", "2026-11-20T19:11:01.249Z"),
        ("2026-11-20T19:11:01Z", "2026-11-20T19:11:01.000Z"),
        ("2026-11-20t19:11:01z", "2026-11-20T19:11:01.000Z"),
        ("2026-11-20 19:11:01 Z", "2026-11-20T19:11:01.000Z"),
        ("2026-11-20T19:11:01+01:00", "2026-11-20T18:11:01.000Z"),
        ("2026-11-20T19:11:01,5+0100", "2026-11-20T18:11:01.500Z"),
        ("20261120T191101Z", "2026-11-20T19:11:01.000Z"),
        (" 2026-11-20T19:11Z ", "2026-11-20T19:11:00.000Z"),
        (1_795_201_861, "2026-11-20T19:11:01.000Z"),
        (1_795_201_861_249, "2026-11-20T19:11:01.249Z"),
        (1_795_201_861_249.9, "2026-11-20T19:11:01.249Z"),
    ],
)
def test_iso_text_and_unix_numbers_are_read_to_the_millisecond(value: object, expected: str) -> None:
    time = parse_time(value, UTC)

    assert time is not None
    assert iso(time) == expected


def test_a_fraction_of_seconds_is_cut_by_its_decimal_digits() -> None:
    # As a double this product rounds up to the next millisecond.
    assert int(1_700_958_864.9029999 * 1_000) == 1_700_958_864_903

    assert parse_time(1_700_958_864.9029999, UTC) == 1_700_958_864_902
    assert parse_time(1_700_000_000.123, UTC) == 1_700_000_000_123


def test_a_time_without_a_zone_and_a_bare_date_are_in_the_configured_zone() -> None:
    assert parse_time("2026-07-01T12:00:00", BERLIN) == parse_time("2026-07-01T10:00:00Z", UTC)
    assert parse_time("2026-07-01", BERLIN) == parse_time("2026-06-30T22:00:00Z", UTC)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "soon",
            "yesterday",
            "1795201861",
            "2026-13-01",
            "2026-11-20T25:00:00Z",
            "2026-11-20x19:11",
            "20261120119",
        ),
        *(True, False, None, [], {}, 0, -1, 10**30, 1e300, float("inf"), float("nan")),
    ],
)
def test_what_is_no_time_is_absent(value: object) -> None:
    assert parse_time(value, UTC) is None


@pytest.mark.parametrize("unit", [1, 1_000])
def test_the_first_moment_of_2000_is_a_time_and_the_one_before_is_not(unit: int) -> None:
    assert parse_time("2000-01-01T00:00:00.000Z", UTC) == EARLIEST_MS
    assert parse_time("1999-12-31T23:59:59.999Z", UTC) is None
    assert parse_time(EARLIEST_MS // 1_000, UTC) == EARLIEST_MS
    assert parse_time(EARLIEST_MS // 1_000 - 1, UTC) is None


def test_unix_numbers_count_seconds_below_a_hundred_thousand_million_and_milliseconds_from_there() -> None:
    assert parse_time(10**11 - 1, UTC) == (10**11 - 1) * 1_000
    assert parse_time(10**11, UTC) is None  # in milliseconds this is 1973
    assert parse_time(EARLIEST_MS, UTC) == EARLIEST_MS


def test_times_beyond_the_calendar_are_absent() -> None:
    assert parse_time("9999-12-30T23:59:59.999Z", UTC) == LATEST_MS - 1
    assert parse_time("9999-12-31T00:00:00.000Z", UTC) is None
    assert parse_time("9999-12-31T23:59:59-12:00", UTC) is None
    assert parse_time(LATEST_MS, UTC) is None


@given(st.one_of(st.text(), st.floats(), st.integers(), st.datetimes().map(str)), st.sampled_from([UTC, BERLIN]))
def test_reading_a_time_never_raises(value: object, zone: ZoneInfo) -> None:
    time = parse_time(value, zone)

    assert time is None or EARLIEST_MS <= time < LATEST_MS


@given(st.integers(EARLIEST_MS, LATEST_MS - 1))
def test_a_moment_written_is_the_moment_read(time: int) -> None:
    assert parse_time(iso(time), UTC) == time


def test_the_day_changes_at_midnight_of_the_zone() -> None:
    midnight = parse_time("2026-07-01", BERLIN)
    assert midnight is not None
    days = Days(BERLIN)

    assert day_iso(days.day_of(midnight)) == "2026-07-01"
    assert day_iso(days.day_of(midnight - 1)) == "2026-06-30"


@given(
    st.integers(EARLIEST_MS, LATEST_MS - 1),
    st.integers(0, 7_200_000),
    st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_the_day_is_the_local_date_in_every_zone(time: int, step: int, name: str) -> None:
    days = Days(ZoneInfo(name))

    for moment in (time, time + step, time):
        local = datetime.fromtimestamp(moment // 1_000, ZoneInfo(name)).date()
        assert days.day_of(moment) == (local - date(1970, 1, 1)).days


def test_an_hour_in_which_the_clock_goes_back_over_midnight_has_both_days() -> None:
    # Until 2011 Newfoundland put its clock back at 00:01, to 23:01 of the day before.
    days = Days(ZoneInfo("America/St_Johns"))
    change = parse_time("2010-11-07T02:31:00Z", UTC)
    assert change is not None

    assert [day_iso(days.day_of(change + offset)) for offset in (-1, 0)] == ["2010-11-07", "2010-11-06"]


def test_days_in_utc_need_no_calendar() -> None:
    assert Days(UTC).day_of(NOON) == (date(2026, 11, 20) - date(1970, 1, 1)).days
