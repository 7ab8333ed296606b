"""A habit: active on three of the first seven calendar days, that of the sign-up being the first (SIGNALS A11, A27)."""

from __future__ import annotations

import pytest

from signals.event import Event, EventType, Role
from signals.facts import Firing
from tests.signals.builders import River, day, event, names

ON = {"internal": {"domains": ["oursaas.example"]}}


def signed_up(on: int, email: str | None = None) -> Event:
    return event("ann", "acme", on=on, roles=[Role.SIGNED_UP], email=email)


def active(*days: float) -> list[Event]:
    return [event("ann", "acme", on=day(1) + int((number - 1) * 86_400_000)) for number in days]


def habits(firings: list[Firing]) -> list[Firing]:
    return [firing for firing in firings if firing.signal == "habit_formed"]


def test_third_active_day_is_a_habit() -> None:
    river = River()
    river.feed(signed_up(day(1)), *active(2))

    (signal,) = river.feed(*active(3))

    assert (signal.signal, signal.subject, signal.time) == ("habit_formed", "ann", day(3))
    assert signal.evidence == {"active_days": 3, "threshold": 3, "within": 7}


def test_two_active_days_are_none_however_much_is_done_in_them() -> None:
    assert habits(River().feed(signed_up(day(1)), *active(2, 2.1, 2.2, 2.3))) == []


@pytest.mark.parametrize(("third", "is_habit"), [(7, True), (8, False)])
def test_the_seventh_day_counts_and_the_eighth_does_not(third: int, is_habit: bool) -> None:
    signals = River().feed(signed_up(day(1)), *active(2, third))

    assert bool(habits(signals)) is is_habit


def test_days_are_those_of_the_calendar() -> None:
    # 23:59 and 00:01 are two days, although two minutes apart; day 7 ends at midnight.
    signals = River().feed(
        signed_up(day(1, 23.99)), event("ann", "acme", on=day(2, 0.01)), event("ann", "acme", on=day(7, 23.99))
    )

    assert [signal.time for signal in habits(signals)] == [day(7, 23.99)]


def test_days_are_those_of_the_time_zone() -> None:
    # 23:30 and 00:30 in New York are 03:30 and 04:30 of one day in UTC.
    river = River({"time_zone": "America/New_York", "signals": {"habit_formed": {"active_days": 2}}})

    signals = river.feed(signed_up(day(2, 4.5)), event("ann", "acme", on=day(2, 5.5)))

    assert len(habits(signals)) == 1


def test_sign_up_told_late_completes_the_habit_and_is_its_event() -> None:
    river = River()
    assert river.feed(*active(2, 3)) == []
    late = signed_up(day(1))

    (signal,) = habits(river.feed(late))

    assert (signal.event_id, signal.time) == (late.id, day(1))


def test_late_activity_completes_it_where_it_belongs() -> None:
    river = River()
    river.feed(signed_up(day(1)), *active(2, 30))

    (signal,) = river.feed(*active(5))

    assert (signal.signal, signal.time) == ("habit_formed", day(5))


def test_days_before_the_sign_up_count_nothing() -> None:
    assert habits(River().feed(*active(1, 2), signed_up(day(3)), *active(4))) == []


def test_it_fires_once() -> None:
    signals = River().feed(signed_up(day(1)), *active(2, 3, 4, 5), signed_up(day(6)), *active(7))

    assert len(habits(signals)) == 1


def test_activity_without_a_workspace_counts() -> None:
    river = River()
    river.feed(signed_up(day(1)), event("ann", "other", on=day(2)))

    (signal,) = river.feed(event("ann", None, on=day(3)))

    assert (signal.signal, signal.workspace_id) == ("habit_formed", None)


def test_page_calls_and_passive_events_are_no_activity() -> None:
    page = event("ann", "acme", on=day(2), kind=EventType.PAGE)
    passive = event("ann", "acme", on=day(3), passive=True)

    assert habits(River().feed(signed_up(day(1)), page, passive, *active(4))) == []


def test_internal_users_form_none() -> None:
    assert names(River(ON).feed(signed_up(day(1), email="ann@oursaas.example"), *active(2, 3))) == []


@pytest.mark.parametrize(
    ("active_on", "today", "gap"),
    [
        ([2], 3, "1 more active day by 2026-03-08"),
        ([], 6, "2 more active days by 2026-03-08"),
        # One day is left, two are missing.
        ([], 7, None),
        ([2, 3], 3, None),
        ([2], 8, None),
    ],
)
def test_gap_names_the_days_that_are_missing_while_they_can_come(
    active_on: list[float], today: int, gap: str | None
) -> None:
    river = River()
    river.feed(signed_up(day(1)), *active(*active_on))
    rule = next(rule for rule in river.engine.for_event((), is_new=True) if rule.name == "habit_formed")

    assert rule.gap(river.user("ann"), day(today), day(today) // 86_400_000) == gap
