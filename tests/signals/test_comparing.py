"""What another config changes, over histories of a few alerts."""

from __future__ import annotations

import pytest

from signals.comparing import Change, Difference, difference
from signals.facts import Decision
from signals.moments import iso
from signals.outcomes import Account, Findings, SeenAlert, SeenSignal
from tests.signals.builders import day

ACCOUNTS = {"acme": Account("acme", "Acme Inc", "acme.com", day(1), True, True, False, None)}


def alert(
    signal_id: str, on: int, *, route: str = "sales", priority: str = "high", also: tuple[str, ...] = ()
) -> SeenAlert:
    """An alert of `acme`; the name of the signal is what its id begins with."""
    signals = {one: one.partition("-")[0] for one in (signal_id, *also)}
    name = signals[signal_id]
    return SeenAlert(f"{signal_id}@{route}", name, signal_id, route, priority, "acme", day(on), False, signals)


def findings(*alerts: SeenAlert, **verdicts: tuple[Decision | None, str | None]) -> Findings:
    """What a config found: alerts, and what became of other signals, whose ids have `_` for `-`."""
    found = Findings()
    found.alerts = {one.id: one for one in alerts}
    for one in alerts:
        found.fired.update(one.signals.values())
        found.signals |= {
            key: SeenSignal(name, "acme", one.sent_at, Decision.SENT) for key, name in one.signals.items()
        }
    for key, (decision, reason) in verdicts.items():
        signal_id = key.replace("_", "-")
        name = signal_id.partition("-")[0]
        found.fired[name] += 1
        found.signals[signal_id] = SeenSignal(name, "acme", day(1), decision, reason)
    return found


def compared(old: Findings, new: Findings) -> Difference:
    return difference(old, new, ACCOUNTS.get, old_config="old", new_config="new")


def test_what_is_the_same_is_no_change() -> None:
    one = findings(alert("pql-1", 3), alert("pql-2", 9))

    found = compared(one, one)

    assert (found.same, found.changes, found.signals) == (2, [], [])


def test_an_alert_that_only_the_new_config_has_appears_with_its_name_and_time() -> None:
    [change] = compared(findings(), findings(alert("pql-1", 3))).changes

    assert change.change is Change.APPEARED
    assert (change.workspace_id, change.workspace_name, change.domain) == ("acme", "Acme Inc", "acme.com")
    assert change.new is not None
    assert (change.signal, change.new.at, change.old) == ("pql", iso(day(3)), None)
    assert change.instead == "never_fired"


@pytest.mark.parametrize(
    ("decision", "reason", "instead"),
    [(Decision.CAPPED, "enough for this week", "capped"), (None, None, "waiting")],
)
def test_one_that_vanishes_says_what_became_of_its_signal(
    decision: Decision | None, reason: str | None, instead: str
) -> None:
    [change] = compared(findings(alert("pql-1", 3)), findings(pql_1=(decision, reason))).changes

    assert (change.change, change.instead, change.because) == (Change.VANISHED, instead, reason)


@pytest.mark.parametrize(
    ("new", "differs"),
    [
        (alert("pql-1", 2), ("time",)),
        (alert("pql-1", 3, priority="urgent"), ("priority",)),
        (alert("pql-1", 3, route="partners"), ("route",)),
        (alert("pql-1", 4, route="partners", priority="low"), ("time", "route", "priority")),
    ],
)
def test_the_same_signal_at_another_time_or_place_has_moved(new: SeenAlert, differs: tuple[str, ...]) -> None:
    found = compared(findings(alert("pql-1", 3)), findings(new))

    assert [(change.change, change.differs) for change in found.changes] == [(Change.MOVED, differs)]


def test_the_second_firing_is_held_against_the_second_one() -> None:
    old = findings(alert("pql-1", 3), alert("pql-2", 20))
    new = findings(alert("pql-1", 3), alert("pql-2", 24), alert("pql-3", 29))

    found = compared(old, new)

    assert [(change.change, change.signal) for change in found.changes] == [
        (Change.MOVED, "pql"),
        (Change.APPEARED, "pql"),
    ]
    assert found.same == 1


def test_an_alert_with_another_signal_in_front_is_one_that_moved() -> None:
    old = findings(alert("multi-1", 3, also=("pql-1",)))
    new = findings(alert("pql-1", 3))

    [change] = compared(old, new).changes

    assert (change.change, change.differs) == (Change.MOVED, ("signal",))


def test_changes_are_counted_by_signal() -> None:
    old = findings(alert("pql-1", 3), alert("seat-1", 5))
    new = findings(alert("pql-1", 2), alert("multi-1", 4), seat_1=(Decision.CAPPED, None))

    rows = {row.signal: row for row in compared(old, new).signals}

    assert (rows["pql"].appeared, rows["pql"].vanished, rows["pql"].moved) == (0, 0, 1)
    assert (rows["seat"].old_fired, rows["seat"].new_fired, rows["seat"].vanished) == (1, 1, 1)
    assert (rows["multi"].old_alerts, rows["multi"].new_alerts, rows["multi"].appeared) == (0, 1, 1)


def test_changes_are_in_the_order_of_time() -> None:
    old = findings(alert("pql-2", 9), alert("pql-1", 2))
    new = findings(alert("multi-1", 5))

    assert [change.signal for change in compared(old, new).changes] == ["pql", "multi", "pql"]
