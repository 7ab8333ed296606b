"""A schedule: each timer comes out once, in order, whichever day it is on, and moving one leaves no trail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signals.schedule import Schedule
from signals.units import DAY_MS

SUBJECTS = st.sampled_from(["a", "b", "c", "d"])
# Some on one day, some on others, some exactly at midnight.
TIMES = st.integers(0, 24).map(lambda n: n * DAY_MS // 4)
MOVE = st.tuples(st.just("move"), SUBJECTS, st.none() | TIMES)
TAKE = st.tuples(st.just("take"), st.just(""), TIMES)


@given(st.lists(MOVE | TAKE, max_size=60), st.integers(0, 5))
def test_what_is_taken_is_what_a_map_of_timers_says(steps: list[tuple[str, str, int | None]], spare: int) -> None:
    timers: dict[str, int] = {}
    schedule = Schedule(timers.get)
    schedule._room = spare
    for step, subject, time in steps:
        if step == "take":
            assert time is not None
            expected = sorted((due, one) for one, due in timers.items() if due <= time)
            assert schedule.take(time) == expected
            for _due, one in expected:
                del timers[one]
        elif time is None:
            timers.pop(subject, None)
        else:
            timers[subject] = time
            schedule.add(subject, time)
        assert schedule.all() == sorted((due, one) for one, due in timers.items())


def test_a_timer_that_moves_within_the_day_that_was_reached_leaves_no_trail() -> None:
    timers: dict[str, int] = {}
    schedule = Schedule(timers.get)
    schedule.take(DAY_MS)

    for n in range(50_000):
        timers["a"] = DAY_MS + n
        schedule.add("a", timers["a"])

    assert len(schedule) < 2_000
    assert schedule.take(DAY_MS + 49_999) == [(DAY_MS + 49_999, "a")]


def test_a_timer_that_moves_from_day_to_day_leaves_no_trail() -> None:
    timers: dict[str, int] = {}
    schedule = Schedule(timers.get)

    for n in range(5_000):
        timers["a"] = n * DAY_MS
        schedule.add("a", timers["a"])

    assert len(schedule) < 2_000
    assert len(schedule._later) < 2_000
