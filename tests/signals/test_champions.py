"""Champions: a power user is watched where he became one; his workspace hears when he is removed or falls silent."""

from __future__ import annotations

import pytest

from signals.event import Event, Role, Tick
from signals.facts import Fact, FactKind
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day, event

SMALL = {
    **ACTIVATION,
    "internal": {"domains": ["oursaas.example"]},
    "signals": {"power_user": {"active_days": 1, "core_names": 1}},
}
SILENT_AT = day(15)


def core(on: int, workspace: str | None = "acme", **more: str) -> Event:
    return event("ann", workspace, on=on, roles=[Role.CORE], name="Report Viewed", **more)  # type: ignore[arg-type]  # text fields only


def told(river: River) -> list[tuple[str, str | None, int]]:
    return [
        (fact.workspace_id, fact.champion, fact.time)
        for fact in river.facts
        if isinstance(fact, Fact) and fact.champion is not None
    ]


def test_a_power_user_is_the_champion_of_the_workspace_in_which_he_became_one() -> None:
    river = River(SMALL)
    river.feed(core(day(1)), event("ann", "other", on=day(1)))

    assert {name: found.is_champion for name, found in river.user("ann").workspaces.items()} == {
        "acme": True,
        "other": False,
    }


@pytest.mark.parametrize(("until", "is_told"), [(SILENT_AT - 1, False), (SILENT_AT, True)])
def test_silence_of_fourteen_days_is_told_at_its_due_time(until: int, is_told: bool) -> None:
    river = River(SMALL)
    made = core(day(1))
    river.feed(made)

    signals = river.feed(Tick(until))

    assert signals == []
    assert told(river) == ([("acme", "silent", SILENT_AT)] if is_told else [])
    if is_told:
        last = river.facts[-1]
        assert (last.kind, last.user_id, last.event_id) == (FactKind.FIRED, "ann", made.id)
        assert (river.user("ann").timers, river.user("ann").due) == ({}, None)


def test_activity_there_puts_it_off_and_activity_elsewhere_does_not() -> None:
    river = River(SMALL)
    river.feed(core(day(1)), event("ann", "acme", on=day(10)), event("ann", "other", on=day(20)))

    river.feed(Tick(day(24) - 1))
    assert told(river) == []
    river.feed(Tick(day(24)))
    assert told(river) == [("acme", "silent", day(24))]


def test_his_own_event_after_the_due_time_fires_it_first() -> None:
    river = River(SMALL)
    river.feed(core(day(1)), core(SILENT_AT + 1))

    assert told(river) == [("acme", "silent", SILENT_AT)]
    fired, observed = river.facts[-2:]
    assert (fired.n, observed.n if isinstance(observed, Fact) else 17) == (0, 17)


def test_his_own_event_at_the_due_time_comes_first() -> None:
    river = River(SMALL)
    river.feed(core(day(1)), core(SILENT_AT), Tick(SILENT_AT + DAY_MS))

    assert told(river) == []


def test_removal_is_told_and_ends_the_watch() -> None:
    river = River(SMALL)
    river.feed(core(day(1)), event("ann", "acme", on=day(2), roles=[Role.MEMBER_REMOVED]), Tick(day(40)))

    assert told(river) == [("acme", "removed", day(2))]
    assert river.user("ann").timers == {}


def test_a_removal_older_than_his_activity_ends_nothing() -> None:
    river = River(SMALL)
    river.feed(core(day(3)), event("ann", "acme", on=day(2), roles=[Role.MEMBER_REMOVED]))

    assert told(river) == []
    assert river.user("ann").workspaces["acme"].is_champion


def test_removal_of_somebody_else_than_a_champion_says_nothing() -> None:
    river = River(ACTIVATION)
    river.feed(core(day(1)), event("ann", "acme", on=day(2), roles=[Role.MEMBER_REMOVED]))

    assert told(river) == []


def test_one_of_our_own_is_watched_no_more() -> None:
    river = River(SMALL)
    river.feed(core(day(1)), event("ann", "acme", on=day(2), email="ann@oursaas.example"), Tick(day(40)))

    assert told(river) == []
    assert not river.user("ann").workspaces["acme"].is_champion


def test_the_watch_moves_with_him_to_his_first_real_workspace() -> None:
    river = River(SMALL)
    river.feed(core(day(1), None), event("ann", "acme", on=day(2)), Tick(day(40)))

    assert told(river) == [("acme", "silent", day(16))]


def test_a_workspace_that_is_forgotten_is_watched_no_more() -> None:
    river = River({**SMALL, "limits": {"workspaces_per_user": 2}})
    river.feed(core(day(1)), event("ann", "two", on=day(2)), event("ann", "three", on=day(3)), Tick(day(40)))

    assert told(river) == []
    assert river.user("ann").timers == {}
