"""Seats above and below the last known (SIGNALS A4 and A32)."""

from __future__ import annotations

import pytest

from signals.event import Event
from tests.signals.builders import River, day, names
from tests.signals.rules.billing_events import group, plan_changed


def raised(*events: Event) -> list[str]:
    return names(River().feed(*events))


@pytest.mark.parametrize("first", [plan_changed(seats=5), group(seats=5)])
def test_first_known_seats_are_a_baseline_whoever_brings_them(first: Event) -> None:
    assert raised(first) == []


def test_more_and_fewer_seats_than_last_known_are_said() -> None:
    signals = River().feed(*(plan_changed(seats=seats) for seats in (5, 6, 6, 4)))

    assert names(signals) == ["seats_added", "seats_removed"]
    assert [s.evidence for s in signals] == [{"seats": 6, "previous_seats": 5}, {"seats": 4, "previous_seats": 6}]


def test_seats_of_a_group_call_are_compared_too() -> None:
    assert raised(group(seats=5), group(seats=6)) == ["seats_added"]


def test_group_calls_no_longer_set_seats_that_a_plan_change_has_carried() -> None:
    assert raised(plan_changed(day(1), seats=5), group(day(2), seats=9), plan_changed(day(3), seats=6)) == [
        "seats_added"
    ]


def test_seats_of_an_earlier_time_are_ignored() -> None:
    assert raised(plan_changed(day(2), seats=5), plan_changed(day(2) - 1, seats=9)) == []


@pytest.mark.parametrize("seats", ["9", True, -1])
def test_seats_of_another_kind_are_as_if_absent(seats: str | float | bool) -> None:
    assert raised(plan_changed(seats=5), plan_changed(seats=seats), plan_changed(seats=5)) == []
