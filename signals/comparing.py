"""What a change of the config changes: alerts that appear, vanish and move between two runs over the same events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec

from signals.moments import iso
from signals.outcomes import Account, Findings, SeenAlert

NEVER_FIRED = "never_fired"
WAITING = "waiting"


class Change(StrEnum):
    """What happens to an alert when the new config takes the place of the old one."""

    APPEARED = "appeared"
    VANISHED = "vanished"
    MOVED = "moved"


class Side(msgspec.Struct, frozen=True):
    """An alert as one of the configs has it."""

    signal: str
    at: str
    route: str
    priority: str


class ChangedAlert(msgspec.Struct, frozen=True):
    """
    One alert that is not the same under both configs; a side that has no such alert is None.

    `instead` says what becomes of its signal on the side without it: its verdict, `never_fired` or `waiting`; `because`
    is the verdict's reason. `differs` names what a moved one differs in: `time`, `route`, `priority` or `signal` (the
    one that leads).
    """

    change: Change
    workspace_id: str
    workspace_name: str | None
    domain: str | None
    signal: str
    old: Side | None
    new: Side | None
    differs: tuple[str, ...] = ()
    instead: str | None = None
    because: str | None = None


class ChangedSignal(msgspec.Struct, frozen=True):
    """Of one signal: how often it fired under the old config and under the new one, and its alerts that changed."""

    signal: str
    old_fired: int
    new_fired: int
    old_alerts: int
    new_alerts: int
    appeared: int
    vanished: int
    moved: int


class Difference(msgspec.Struct, frozen=True):
    """All that a change of the config changes; `same` counts the alerts that are the same under both."""

    old_config: str
    new_config: str
    same: int
    changes: list[ChangedAlert]
    signals: list[ChangedSignal]

    def count(self, change: Change) -> int:
        """How many alerts changed so."""
        return sum(one.change is change for one in self.changes)


Pair = tuple[SeenAlert | None, SeenAlert | None]


def difference(
    old: Findings, new: Findings, accounts: Callable[[str], Account | None], *, old_config: str, new_config: str
) -> Difference:
    """
    Hold two runs over the same events against each other.

    Two alerts are the same one if the same signal opened them (its id is the same under any thresholds, so the second
    firing of a signal is held against the second one), else if they tell a signal in common.

    Args:
        old: What the old config found; both with `keeps_signals`.
        new: What the new one found.
        accounts: Finds a workspace by its id, for its name.
        old_config: The hash of the old config.
        new_config: That of the new one.

    Returns:
        The changes in the order of time, the earlier side of each counting.
    """
    changes, same = [], 0
    for before, after in _pairs(list(old.alerts.values()), list(new.alerts.values())):
        differs = _differs(before, after)
        if before is not None and after is not None and not differs:
            same += 1
        else:
            changes.append((_moment(before, after), _change(before, after, differs, old, new, accounts)))
    changes.sort(key=lambda one: (one[0], one[1].workspace_id, one[1].signal))
    found = [change for _, change in changes]
    return Difference(old_config, new_config, same, found, list(_by_signal(old, new, found)))


def _pairs(old: list[SeenAlert], new: list[SeenAlert]) -> Iterator[Pair]:
    # A signal goes to one route, so it opens one alert at most.
    openers = {alert.signal_id: alert for alert in new}
    left, taken = [], set()
    for alert in old:
        twin = openers.get(alert.signal_id)
        if twin is None:
            left.append(alert)
        else:
            taken.add(twin.id)
            yield alert, twin
    by_signal: dict[str, SeenAlert] = {}
    for alert in new:
        if alert.id not in taken:
            for signal_id in _told(alert):
                by_signal.setdefault(signal_id, alert)
    for alert in left:
        found = (by_signal.get(signal_id) for signal_id in _told(alert))
        twin = next((one for one in found if one is not None and one.id not in taken), None)
        if twin is not None:
            taken.add(twin.id)
        yield alert, twin
    yield from ((None, alert) for alert in new if alert.id not in taken)


def _told(alert: SeenAlert) -> Iterator[str]:
    return (signal_id for signal_id, name in alert.signals.items() if name)


def _differs(before: SeenAlert | None, after: SeenAlert | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ()
    sides = {
        "time": (before.sent_at, after.sent_at),
        "route": (before.route, after.route),
        "priority": (before.priority, after.priority),
        "signal": (before.signal, after.signal),
    }
    return tuple(name for name, (left, right) in sides.items() if left != right)


def _moment(before: SeenAlert | None, after: SeenAlert | None) -> int:
    return min(one.sent_at for one in (before, after) if one is not None)


def _change(
    before: SeenAlert | None,
    after: SeenAlert | None,
    differs: tuple[str, ...],
    old: Findings,
    new: Findings,
    accounts: Callable[[str], Account | None],
) -> ChangedAlert:
    shown = after or before
    assert shown is not None
    account = accounts(shown.workspace_id)
    change, instead, because = Change.MOVED, None, None
    if before is None:
        change = Change.APPEARED
        instead, because = _fate(old, shown)
    elif after is None:
        change = Change.VANISHED
        instead, because = _fate(new, shown)
    return ChangedAlert(
        change,
        shown.workspace_id,
        account.name if account is not None else None,
        account.domain if account is not None else None,
        shown.signal,
        _side(before),
        _side(after),
        differs,
        instead,
        because,
    )


def _side(alert: SeenAlert | None) -> Side | None:
    return None if alert is None else Side(alert.signal, iso(alert.sent_at), alert.route, alert.priority)


def _fate(findings: Findings, alert: SeenAlert) -> tuple[str, str | None]:
    """What becomes of the signal that opened an alert where there is no such alert."""
    seen = findings.signals.get(alert.signal_id)
    if seen is None:
        return NEVER_FIRED, None
    if seen.decision is None:
        return WAITING, None
    return seen.decision.value, seen.reason


def _by_signal(old: Findings, new: Findings, changes: list[ChangedAlert]) -> Iterator[ChangedSignal]:
    """The signals of which something changed, in alphabetical order."""
    led_old = Counter(alert.signal for alert in old.alerts.values())
    led_new = Counter(alert.signal for alert in new.alerts.values())
    counts = Counter((one.signal, one.change) for one in changes)
    for signal in sorted({*old.fired, *new.fired}):
        found = [counts[signal, change] for change in Change]
        if any(found) or old.fired[signal] != new.fired[signal]:
            yield ChangedSignal(signal, old.fired[signal], new.fired[signal], led_old[signal], led_new[signal], *found)
