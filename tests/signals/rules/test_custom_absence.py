"""A signal of the config's own that fires when something has not come for a time."""

from __future__ import annotations

import pytest

from signals.event import Tick
from signals.rule import Kind, Scope
from signals.units import DAY_MS
from tests.signals.builders import HOUR, day, event
from tests.signals.customs import CustomRiver

STUCK = {
    "rule": "absence",
    "scope": "user",
    "after": ["Import Started"],
    "without": ["Import Finished"],
    "for": "3d",
    "kind": "risk",
}


def river(**stanza: object) -> CustomRiver:
    return CustomRiver({"stuck": STUCK | stanza})


def fired(one: CustomRiver) -> list[tuple[str, int]]:
    return [(signal.subject, signal.time) for signal in one.signals if signal.signal == "stuck"]


@pytest.mark.parametrize("scope", ["user", "workspace"])
@pytest.mark.parametrize(("until", "fires"), [(3 * DAY_MS, True), (3 * DAY_MS - 1, False)])
def test_tick_at_the_due_time_fires_and_one_before_does_not(scope: str, until: int, fires: bool) -> None:
    one = river(scope=scope)
    started = one.named("Import Started", on=day(1))
    one.feed(started)

    one.feed(Tick(day(1) + until))

    assert bool(fired(one)) is fires
    if fires:
        (signal,) = [signal for signal in one.signals if signal.signal == "stuck"]
        assert (signal.scope, signal.kind) == (Scope(scope), Kind.RISK)
        assert (signal.subject, signal.workspace_id) == ("ann" if scope == "user" else "acme", "acme")
        assert (signal.time, signal.event_id, signal.cause) == (day(4), started.id, started.source)
        assert signal.evidence == {
            "after": "Import Started",
            "since": "2026-03-02T12:00:00.000Z",
            "waited": 259_200,
            "threshold": 259_200,
        }


@pytest.mark.parametrize("scope", ["user", "workspace"])
@pytest.mark.parametrize(("later", "fires"), [(3 * DAY_MS, False), (3 * DAY_MS + 1, True)])
def test_event_at_the_due_time_ends_the_wait_and_one_after_it_fires_it_first(
    scope: str, later: int, fires: bool
) -> None:
    one = river(scope=scope)
    one.do("Import Started", on=day(1))

    assert one.do("import_finished", on=day(1) + later) == (["stuck"] if fires else [])
    one.feed(Tick(day(30)))

    assert len(fired(one)) == fires


def test_any_other_event_of_the_subject_moves_the_clock_too() -> None:
    one = river()
    one.do("Import Started", on=day(1))

    assert [signal.signal for signal in one.feed(event("ann", "acme", on=day(4) + 1))] == ["stuck"]


def test_events_of_other_users_end_the_wait_of_a_workspace_only() -> None:
    of_user, of_workspace = river(), river(scope="workspace")
    for one in (of_user, of_workspace):
        one.do("Import Started", "ann", on=day(1))
        one.do("Import Finished", "bob", on=day(2))
        one.feed(Tick(day(30)))

    assert fired(of_user) == [("ann", day(4))]
    assert fired(of_workspace) == []


def test_wait_that_is_on_is_not_set_anew_and_the_next_event_after_it_sets_another() -> None:
    one = river(cooldown="0s")
    for number in (1, 2, 3):
        one.do("Import Started", on=day(number))
    one.do("Import Started", on=day(6))
    one.feed(Tick(day(30)))

    assert fired(one) == [("ann", day(4)), ("ann", day(9))]


def test_event_that_ends_the_wait_lets_the_next_one_set_it() -> None:
    one = river()
    one.do("Import Started", on=day(1))
    one.do("Import Finished", on=day(2))
    one.do("Import Started", on=day(3))
    one.feed(Tick(day(30)))

    assert fired(one) == [("ann", day(6))]


@pytest.mark.parametrize(("started", "fires"), [(7, 2), (6.99, 1)])
def test_it_fires_again_after_exactly_the_cooldown(started: float, fires: int) -> None:
    one = river(cooldown="6d")
    one.do("Import Started", on=day(1))
    one.do("Import Started", on=day(1) + int((started - 1) * DAY_MS))
    one.feed(Tick(day(30)))

    assert len(fired(one)) == fires


def test_events_in_the_wrong_order_count_by_their_own_times() -> None:
    late_start, late_end = river(), river()
    late_start.do("Import Finished", on=day(2))
    late_start.do("Import Started", on=day(1))
    # This one ended what began before it, not what began later.
    late_end.do("Import Started", on=day(2))
    late_end.do("Import Finished", on=day(1))
    for one in (late_start, late_end):
        one.feed(Tick(day(30)))

    assert fired(late_start) == []
    assert fired(late_end) == [("ann", day(5))]


def test_wait_that_begins_when_it_is_over_already_fires_with_the_next_record() -> None:
    one = river()
    one.feed(event("ann", "acme", on=day(20)))
    assert one.do("Import Started", on=day(1)) == []

    assert [signal.signal for signal in one.feed(event("ann", "acme", on=day(20) + HOUR))] == ["stuck"]
    assert fired(one) == [("ann", day(4))]


def test_event_without_a_user_begins_and_ends_the_wait_of_a_workspace() -> None:
    one = river(scope="workspace")
    one.do("Import Started", None, on=day(1))
    one.do("Import Finished", None, "other", on=day(2))
    one.feed(Tick(day(30)))

    assert fired(one) == [("acme", day(4))]


def test_wait_of_one_who_turns_out_to_be_our_own_is_dropped() -> None:
    one = CustomRiver({"stuck": STUCK}, internal={"domains": ["oursaas.example"]})
    one.do("Import Started", on=day(1))
    one.feed(event("ann", "acme", on=day(2), email="ann@oursaas.example"))
    one.feed(Tick(day(30)))

    assert fired(one) == []
    assert one.user("ann").timers == {}


def test_wait_of_a_new_user_goes_with_him_to_his_first_workspace() -> None:
    one = river()
    one.do("Import Started", "ann", None, on=day(1))
    one.feed(event("ann", "acme", on=day(2)))
    one.feed(Tick(day(4)))

    (signal,) = [signal for signal in one.signals if signal.signal == "stuck"]
    assert (signal.subject, signal.workspace_id) == ("ann", "acme")


def test_wait_of_a_stanza_that_is_gone_ends_silently() -> None:
    one = river()
    one.do("Import Started", on=day(1))
    one.engine = CustomRiver({}).engine
    one.feed(Tick(day(30)))

    assert fired(one) == []
    assert one.user("ann").timers == {}


def test_alert_says_what_has_not_come() -> None:
    one = CustomRiver({"stuck": STUCK}, routes=[{"signals": ["stuck"]}])
    one.do("Import Started", on=day(1))
    one.feed(Tick(day(4)))

    (alert,) = one.alerts
    assert alert.title == "acme: no Import Finished within 3d after Import Started"
    assert [(why.fact, why.value, why.threshold) for why in alert.why] == [
        ("after", "Import Started", None),
        ("without", "Import Finished", None),
        ("waited", "3d", "3d"),
    ]
