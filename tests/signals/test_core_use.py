"""Volume as the user side tells it: a day's running total at 1, 5, 10, 20, 40 ..., the rest with the next day."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.core_use import STEPS, count_core
from signals.event import Event, EventType, Role
from signals.facts import Fact
from signals.user import Membership
from tests.signals.builders import ACTIVATION, FIRST_DAY, River, day, event

OURS = {**ACTIVATION, "internal": {"user_ids": ["boss"]}}


def core(on: int, user: str = "ann", *, passive: bool = False, workspace: str | None = "acme") -> Event:
    return event(user, workspace, on=on, roles=[Role.CORE], name="Report Viewed", passive=passive)


def told(river: River) -> list[tuple[tuple[int, int], ...]]:
    return [fact.core for fact in river.facts if fact.core]


def test_steps_are_one_and_five_doubled() -> None:
    assert [count for count in range(1, 100) if count in STEPS] == [1, 5, 10, 20, 40, 80]


def test_a_day_is_told_at_its_steps() -> None:
    river = River(OURS)
    river.feed(*[core(day(1) + n) for n in range(20)])

    assert told(river) == [((FIRST_DAY, added),) for added in (1, 4, 5, 10)]


def test_the_first_event_of_a_later_day_brings_the_rest_of_the_last() -> None:
    river = River(OURS)
    river.feed(*[core(day(1) + n) for n in range(9)], core(day(3)))

    assert told(river)[-1] == ((FIRST_DAY, 4), (FIRST_DAY + 2, 1))


def test_a_day_without_a_rest_is_not_named_again() -> None:
    river = River(OURS)
    river.feed(*[core(day(1) + n) for n in range(5)], core(day(2)))

    assert told(river)[-1] == ((FIRST_DAY + 1, 1),)


def test_a_late_event_of_an_earlier_day_is_told_at_once() -> None:
    river = River(OURS)
    river.feed(core(day(5)), core(day(2)), core(day(5)))

    assert told(river) == [((FIRST_DAY + 4, 1),), ((FIRST_DAY + 1, 1),)]


def test_each_workspace_is_told_its_own() -> None:
    river = River(OURS)
    river.feed(core(day(1)), core(day(1), workspace="other"), core(day(1)))

    assert told(river) == [((FIRST_DAY, 1),), ((FIRST_DAY, 1),)]


def test_what_is_no_activity_is_no_volume() -> None:
    river = River(OURS)
    page = event("ann", "acme", on=day(1), kind=EventType.PAGE)
    river.feed(core(day(1), passive=True), core(day(1), "boss"), page)

    assert told(river) == []


def test_facts_say_whether_their_user_was_active() -> None:
    river = River(OURS)
    river.feed(core(day(1)), core(day(2), passive=True), event("ann", "acme", on=day(2), roles=[Role.PLAN_CHANGED]))

    assert [fact.as_fact().active if not isinstance(fact, Fact) else fact.active for fact in river.facts] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("days", [[1] * 45, [1, 2, 1, 2, 1, 3], [3, 2, 1]])
def test_nothing_is_told_twice_and_only_the_last_days_rest_is_open(days: list[int]) -> None:
    _agrees(days)


@given(st.lists(st.integers(0, 4), max_size=200))
def test_the_sums_are_those_of_the_events_but_for_the_rest_of_the_newest_day(days: list[int]) -> None:
    _agrees(days)


def _agrees(days: list[int]) -> None:
    membership, told = Membership(), Counter[int]()
    for number in days:
        for day_told, added in count_core(membership, number):
            assert added > 0
            told[day_told] += added
    if membership.core_day is not None:
        told[membership.core_day] += membership.core_count - membership.core_told
    assert told == Counter(days)
