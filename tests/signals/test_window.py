"""The window-end ring agrees with counting anew, in any order of facts."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from signals.units import WINDOW_DAYS
from signals.user import Membership
from signals.window import WindowRing


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(100, 160)), max_size=80),
    st.sampled_from(WINDOW_DAYS),
)
def test_counts_are_the_distinct_users_of_each_window_in_any_order(active: list[tuple[int, int]], window: int) -> None:
    ring = WindowRing(kept_from=0)
    people: dict[int, Membership] = defaultdict(Membership)

    for user, number in active:
        new = people[user].add_day(number)
        if new is not None:
            before = {end: ring.count(end) for end in range(90, 200)}
            raised = ring.raise_ends(window, new.day, new.prev, new.next)
            assert [end for end in before if ring.count(end) > before[end]] == list(raised)

    for end in range(90, 200):
        assert ring.count(end) == len({user for user, number in active if end - window < number <= end})


def test_first_active_day_raises_every_end_of_its_window() -> None:
    assert WindowRing(kept_from=0).raise_ends(7, 100, None, None) == range(100, 107)


def test_day_between_two_near_ones_raises_nothing_that_they_cover() -> None:
    ring = WindowRing(kept_from=0)

    assert ring.raise_ends(7, 100, 97, 103) == range(0)
    assert ring.raise_ends(7, 100, 94, 103) == range(101, 103)


def test_lowest_counts_untouched_ends_as_empty() -> None:
    ring = WindowRing(kept_from=0)
    ring.raise_ends(7, 100, None, None)

    assert ring.lowest(after=99, before=107) == 1
    assert ring.lowest(after=99, before=108) == 0
    assert ring.lowest(after=98, before=107) == 0
    assert ring.lowest(after=100, before=101) is None


def test_forgotten_ends_are_no_longer_looked_at() -> None:
    ring = WindowRing(kept_from=0)
    ring.raise_ends(7, 100, None, None)

    ring.forget(104)

    assert (ring.first, ring.counts) == (104, [1, 1, 1])
    assert ring.lowest(after=90, before=107) == 1
    assert ring.lowest(after=90, before=104) is None


def test_ring_stays_within_its_days_whatever_comes() -> None:
    ring = WindowRing(kept_from=0)
    for number in (100, 5_000, 4_950, 90_000):
        ring.forget(number - 103)
        ring.raise_ends(28, number, None, None)

    assert len(ring.counts) <= 132
