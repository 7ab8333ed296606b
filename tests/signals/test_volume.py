"""Core events by day: exact sums over the days that are kept."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from signals.moments import Days
from signals.names import zone_of
from signals.volume import COMPARED_DAYS, KEPT_DAYS, Volume, add_core, has_history
from tests.signals.builders import FIRST_DAY, day

_additions = st.lists(st.tuples(st.integers(1_000, 1_000 + KEPT_DAYS - 1), st.integers(1, 50)), min_size=1, max_size=40)


@given(_additions, st.integers())
def test_sums_are_exact_in_every_order_and_however_the_additions_are_split(
    core: list[tuple[int, int]], seed: int
) -> None:
    volume = add_core(None, core)
    shuffled = list(core)
    random.Random(seed).shuffle(shuffled)
    again: Volume | None = None
    for one in shuffled:
        again = add_core(again, [one])

    assert volume == again
    assert volume is not None
    expected = Counter[int]()
    for at, added in core:
        expected[at] += added
    assert [volume.total(at, 1) for at in range(990, 1_060)] == [expected[at] for at in range(990, 1_060)]


def test_a_day_of_six_weeks_ago_still_counts_and_one_before_them_does_not() -> None:
    volume = add_core(None, [(1_000, 5), (1_000 - KEPT_DAYS + 1, 3), (1_000 - KEPT_DAYS, 7)])

    assert volume is not None
    assert (volume.total(1_000 - KEPT_DAYS, 1), volume.total(1_000 - KEPT_DAYS + 1, 1)) == (0, 3)


def test_old_days_leave_and_a_long_pause_leaves_nothing_behind() -> None:
    volume = add_core(None, [(1_000, 5), (1_000 + KEPT_DAYS, 1)])
    assert volume == Volume(1_001, [0] * (KEPT_DAYS - 1) + [1])

    assert add_core(volume, [(9_000, 2)]) == Volume(9_000, [2])


def test_a_week_is_compared_with_the_mean_of_the_four_before() -> None:
    volume = add_core(None, [(100, 4), (93, 3), (94, 5), (93 - 27, 1), (93 - 28, 100)])

    assert volume is not None
    assert (volume.week(100), volume.usual_week(100)) == (9, 1.0)


def test_there_is_history_from_the_35th_day_on() -> None:
    days = Days(zone_of("UTC"))

    assert not has_history(day(1), FIRST_DAY + COMPARED_DAYS - 2, days)
    assert has_history(day(1), FIRST_DAY + COMPARED_DAYS - 1, days)
    assert not has_history(None, FIRST_DAY + COMPARED_DAYS, days)
