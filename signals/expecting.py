"""What is due in a state, unless something comes before it, and what sales does not hear of for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from signals.explanation import Hush, Wait
from signals.moments import iso
from signals.policy import FOREVER
from signals.timers import key_of, rule_of
from signals.units import format_duration
from signals.waiting import ASK_MS, HOLD_MS

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.rule import UserTimer, WorkspaceTimer
    from signals.timers import Timer
    from signals.user import UserState
    from signals.workspace import PolicyState, WorkspaceState

_NOBODY = "somebody activates"


def user_waits(user: UserState, engine: Engine) -> list[Wait]:
    """What a user waits for, the next first."""
    waits = _timers(user.timers, engine.user_timers, lambda key, timer: engine.user_due(user, key, timer))
    return _in_order(waits)


def workspace_waits(workspace: WorkspaceState, engine: Engine) -> list[Wait]:
    """What waits in a workspace, the next first: its timers, and the signals that are held."""
    found = [
        *_timers(
            workspace.timers, engine.workspace_timers, lambda key, timer: engine.workspace_due(workspace, key, timer)
        ),
        *_policy_waits(workspace.policy),
    ]
    return _in_order(found)


def hushed(workspace: WorkspaceState, engine: Engine, muted: Mapping[str, int], now: int) -> list[Hush]:
    """
    What sales does not hear of at a moment, or of which a further signal would only join the next alert.

    Args:
        workspace: The state.
        engine: The rules in force.
        muted: The signals that are muted everywhere, with their ends.
        now: Unix milliseconds.
    """
    policy, alerts = workspace.policy, engine.config.alerts
    found = _unwanted(policy, muted, now)
    if workspace.domain is not None and workspace.domain in engine.domains.competitors:
        found.append(Hush("disqualified: a competitor"))
    for signal, alerted in policy.alerted.items():
        if now < alerted + engine.alert_cooldown_ms:
            found.append(Hush("cooling down after its alert", signal, iso(alerted + engine.alert_cooldown_ms)))
    counted = sorted(sent for sent in policy.sent if sent > now - engine.cap_window_ms)
    if len(counted) >= alerts.max_per_workspace:
        window = format_duration(alerts.cap_window)
        free = counted[len(counted) - alerts.max_per_workspace] + engine.cap_window_ms
        found.append(Hush(f"capped: {len(counted)} alerts in {window}", None, iso(free)))
    quiet_until = engine.quiet.ends(now)
    if quiet_until is not None:
        found.append(Hush("quiet hours", None, iso(quiet_until)))
    return found


def _unwanted(policy: PolicyState, everywhere: Mapping[str, int], now: int) -> list[Hush]:
    """What people have asked not to hear of."""
    muted = [Hush("muted", signal or None, _end(until)) for signal, until in policy.muted.items() if now < until]
    muted += [
        Hush("muted in all workspaces", signal, _end(until)) for signal, until in everywhere.items() if now < until
    ]
    if policy.snoozed_until is not None and now < policy.snoozed_until:
        muted.append(Hush("snoozed", None, iso(policy.snoozed_until)))
    return muted


def _timers(
    timers: Mapping[str, Timer],
    rules: Mapping[str, UserTimer] | Mapping[str, WorkspaceTimer],
    due_of: Callable[[str, Timer], int | None],
) -> Iterator[tuple[int, Wait]]:
    for key, timer in timers.items():
        name = rule_of(key)
        rule, due = rules.get(name), due_of(key, timer)
        # Nobody waits for it any more: it is there until it is looked at.
        if rule is not None and due is not None:
            yield (
                due,
                Wait(iso(due), f"{name} fires", name, key_of(key) or None, iso(timer.since), _condition(rule.unless)),
            )


def _policy_waits(policy: PolicyState) -> Iterator[tuple[int, Wait]]:
    for firing in policy.held:
        due = firing.time + HOLD_MS
        since = iso(firing.time)
        yield due, Wait(iso(due), f"{firing.signal}, held, expires", firing.signal, firing.key or None, since, _NOBODY)
    for firing in policy.asked:
        due = firing.time + ASK_MS
        what = f"{firing.signal} is judged without another workspace's answer"
        yield due, Wait(iso(due), what, firing.signal, firing.key or None, iso(firing.time), "the answer comes")
    for firing in policy.quiet:
        due = firing.time if policy.quiet_until is None else policy.quiet_until
        what = f"{firing.signal} is sent: the quiet hours are over"
        unless = "somebody mutes or snoozes it"
        yield due, Wait(iso(due), what, firing.signal, firing.key or None, iso(firing.time), unless)


def _condition(unless: str) -> str:
    # The word itself stands once, in the view.
    return unless.removeprefix("unless ")


def _in_order(found: Iterator[tuple[int, Wait]] | list[tuple[int, Wait]]) -> list[Wait]:
    return [wait for _, wait in sorted(found, key=lambda one: (one[0], one[1].what))]


def _end(until: int) -> str | None:
    return None if until == FOREVER else iso(until)
