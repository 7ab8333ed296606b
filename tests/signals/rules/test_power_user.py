"""A power user: active on five of seven days, with three core features; again after fourteen days below that."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.active_days import add_day
from signals.event import Event, Role
from signals.facts import Firing
from signals.fired import Fired
from signals.moments import Days
from signals.rules.power_user import PowerUser, PowerUserParams
from signals.units import DAY_MS
from signals.user import UserState
from tests.signals.builders import ACTIVATION, FIRST_DAY, River, day, event

FEATURES = ("Report Viewed", "Query Run", "Export Made")


def core(on: int, *features: str, workspace: str | None = "acme") -> list[Event]:
    return [event("ann", workspace, on=on + n, roles=[Role.CORE], name=name) for n, name in enumerate(features)]


def busy(*days: int, features: tuple[str, ...] = FEATURES) -> list[Event]:
    return [made for number in days for made in core(day(number), *features)]


def powers(firings: list[Firing]) -> list[Firing]:
    return [firing for firing in firings if firing.signal == "power_user"]


def test_five_active_days_and_three_core_features_make_a_power_user() -> None:
    river = River(ACTIVATION)
    assert powers(river.feed(*busy(1, 2, 3, 4))) == []
    fifth = event("ann", "acme", on=day(5))

    (signal,) = river.feed(fifth)

    assert (signal.signal, signal.subject, signal.workspace_id) == ("power_user", "ann", "acme")
    assert (signal.time, signal.event_id) == (day(5), fifth.id)
    assert signal.evidence == {
        "active_days": 5,
        "active_days_threshold": 5,
        "core_names": 3,
        "core_names_threshold": 3,
        "window": 7,
    }


def test_two_core_features_are_one_too_few_and_the_third_completes_it() -> None:
    river = River(ACTIVATION)
    assert powers(river.feed(*busy(1, 2, 3, 4, 5, features=FEATURES[:2]))) == []

    assert len(powers(river.feed(*core(day(5, 20), FEATURES[2])))) == 1


@pytest.mark.parametrize(("fifth", "fires"), [(7, True), (8, False)])
def test_the_window_has_seven_days(fifth: int, fires: bool) -> None:
    signals = River(ACTIVATION).feed(*busy(1, 2, 3, 4, fifth))

    assert bool(powers(signals)) is fires


def test_features_used_before_the_window_do_not_count() -> None:
    signals = River(ACTIVATION).feed(*busy(1), *busy(8, 9, 10, 11, 12, features=FEATURES[:2]))

    assert powers(signals) == []


@pytest.mark.parametrize(("back", "fires"), [(21, False), (22, True)])
def test_it_fires_again_after_fourteen_window_ends_below(back: int, fires: bool) -> None:
    river = River(ACTIVATION)
    river.feed(*busy(1, 2, 3, 4, 5))

    # The windows that end on days 5 to 7 hold five active days, those from day 8 on fewer, that of `back` five again.
    signals = river.feed(*busy(*range(back - 4, back + 1)))

    assert [signal.time for signal in powers(signals)] == ([day(back)] if fires else [])


def test_working_on_is_no_news() -> None:
    signals = River(ACTIVATION).feed(*busy(*range(1, 60)))

    assert len(powers(signals)) == 1


def test_it_fires_again_after_a_long_absence() -> None:
    signals = River(ACTIVATION).feed(*busy(*range(1, 6), *range(300, 305)))

    assert [signal.time for signal in powers(signals)] == [day(5), day(304)]
    assert len({signal.id for signal in powers(signals)}) == 2


def test_more_core_features_than_are_remembered_push_the_oldest_out() -> None:
    river = River({**ACTIVATION, "limits": {"core_names": 2}})
    river.feed(*core(day(1), "One"), *core(day(2), "Two"), *core(day(3), "Three"))

    assert river.user("ann").core == {"Two": FIRST_DAY + 1, "Three": FIRST_DAY + 2}
    assert river.notes == ["core_name_forgotten"]


def test_gap_names_days_and_features() -> None:
    river = River(ACTIVATION)
    river.feed(*busy(1, 2, 3, features=FEATURES[:2]))
    rule = next(rule for rule in river.engine.for_event((), is_new=True) if rule.name == "power_user")

    assert rule.gap(river.user("ann"), day(3), day(3) // DAY_MS) == (
        "2 more active days and 1 more core feature within 7 days"
    )


@given(st.lists(st.booleans(), min_size=30, max_size=118), st.integers(1, 16))
def test_arming_is_looked_for_as_if_every_row_of_ends_were(active: list[bool], rearm: int) -> None:
    rule = PowerUser(PowerUserParams(active_days=3, rearm=timedelta(days=rearm)), Days(UTC))
    user = UserState(fired={"power_user": Fired(1, 0, 6)})
    for number, is_active in enumerate(active):
        if is_active:
            add_day(user, number)
    today = len(active)
    add_day(user, today)

    low = [sum(active[max(0, end - 6) : end + 1]) < 3 for end in range(7, today)]
    rows = [low[start : start + rearm] for start in range(len(low) - rearm + 1)]
    assert rule._is_armed(user, today) is any(all(row) for row in rows)
