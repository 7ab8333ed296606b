"""Policy: which signals a human should hear about now, as one alert; every other ends in a verdict with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from signals.compiled import identifier
from signals.config import Priority
from signals.facts import Alert, Decision, Fact, Firing, Outputs, Verdict
from signals.moments import iso
from signals.rule import Why
from signals.units import DAY_MS
from signals.workspace import Pending, Recent

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.config import Route
    from signals.workspace import WorkspaceState

# How long a signal may wait for an activation (SIGNALS 6.1).
HOLD_MS = 30 * DAY_MS
_PENDING_CAP = 10
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


class _Case(msgspec.Struct):
    """One workspace at one moment: where verdicts and alerts go."""

    workspace_id: str
    workspace: WorkspaceState
    time: int
    engine: Engine
    out: Outputs

    def close(self, firing: Firing, decision: Decision, reason: str | None = None, alert: Alert | None = None) -> None:
        """Decide about a signal, and remember that."""
        alert_id = alert.id if alert else None
        self.out.verdicts.append(
            Verdict(firing.id, firing.signal, decision, self.time, self.workspace_id, reason, alert_id)
        )
        recent = self.workspace.policy.recent
        recent.append(Recent(firing.signal, decision, self.time, reason))
        del recent[: -self.engine.config.limits.recent_verdicts]


def is_open(workspace: WorkspaceState, engine: Engine) -> bool:
    """Whether sales may hear of a workspace: somebody in it has activated, or we assume so (SIGNALS 6.1)."""
    if not engine.is_gated or workspace.policy.activated_at is not None:
        return True
    before = engine.assumed_activated_before
    return before is not None and workspace.since is not None and workspace.since < before


def expire(workspace_id: str, workspace: WorkspaceState, until: int, engine: Engine, out: Outputs) -> None:
    """End the wait of the signals whose time to wait was over by `until` (Unix milliseconds, that moment included)."""
    policy = workspace.policy
    for firing in policy.held[:]:
        if firing.time + HOLD_MS <= until:
            policy.held.remove(firing)
            case = _Case(workspace_id, workspace, firing.time + HOLD_MS, engine, out)
            case.close(firing, Decision.EXPIRED, "nobody activated within 30 days")
    _set_due(workspace)


def drop_held(workspace_id: str, workspace: WorkspaceState, time: int, engine: Engine, out: Outputs) -> None:
    """End every wait in a personal workspace that its user has left."""
    case = _Case(workspace_id, workspace, time, engine, out)
    for firing in workspace.policy.held:
        case.close(firing, Decision.EXPIRED, "moved")
    workspace.policy.held = []
    _set_due(workspace)


def judge(
    workspace: WorkspaceState, fact: Fact, firings: list[Firing], engine: Engine, out: Outputs, *, has_opened: bool
) -> None:
    """
    Decide about the signals that one fact raised, and about those held if it opened the gate.

    Args:
        workspace: The state, with the fact applied.
        fact: What happened.
        firings: The signals of the fact, user scope first.
        engine: Routes, priorities and cooldowns.
        out: Receives verdicts and at most one alert.
        has_opened: The fact is the first sign of an activation in the workspace.
    """
    case = _Case(fact.workspace_id, workspace, fact.time, engine, out)
    to_send: list[Firing] = _release(case) if has_opened else []
    bystanders: list[Firing] = []
    for firing in firings:
        if engine.route_of(firing.signal) is None:
            bystanders.append(firing)
        elif not is_open(workspace, engine) and not engine.by_name[firing.signal].before_activation:
            _hold(case, firing)
        elif _is_cooling_down(case, firing):
            _postpone(case, firing)
        else:
            to_send.append(firing)
    with_alert = [firing for firing in bystanders if to_send and has_opened and firing.signal == "activated"]
    if to_send:
        _send(case, fact, to_send, with_alert, has_opened=has_opened)
    for firing in bystanders:
        if firing not in with_alert:
            case.close(firing, Decision.UNROUTED, "no route lists the signal")
    _set_due(workspace)


def _hold(case: _Case, firing: Firing) -> None:
    held = case.workspace.policy.held
    for earlier in [one for one in held if one.signal == firing.signal]:
        held.remove(earlier)
        case.close(earlier, Decision.EXPIRED, "a newer one of the same signal waits")
    if len(held) >= case.engine.config.limits.held_signals:
        case.close(held.pop(0), Decision.EXPIRED, "too many signals wait")
    held.append(firing)
    case.close(firing, Decision.WAITING_FOR_ACTIVATION)


def _release(case: _Case) -> list[Firing]:
    """Take what was held: what still holds true is to be sent, the rest expires."""
    day = case.engine.days.day_of(case.time)
    true_still = []
    for firing in case.workspace.policy.held:
        rule = case.engine.by_name.get(firing.signal)
        if firing.time + HOLD_MS < case.time:
            case.close(firing, Decision.EXPIRED, "nobody activated within 30 days")
        elif rule is None or case.engine.route_of(firing.signal) is None:
            case.close(firing, Decision.EXPIRED, "no route lists the signal any more")
        elif not rule.still_holds(case.workspace, day):
            case.close(firing, Decision.EXPIRED, "no longer true at the activation")
        else:
            true_still.append(firing)
    case.workspace.policy.held = []
    return true_still


def _is_cooling_down(case: _Case, firing: Firing) -> bool:
    last = case.workspace.policy.alerted.get(firing.signal)
    return last is not None and firing.time < last + case.engine.alert_cooldown_ms


def _postpone(case: _Case, firing: Firing) -> None:
    pending = case.workspace.policy.pending
    pending.append(Pending(firing.id, tuple(case.engine.by_name[firing.signal].why(firing.evidence))))
    del pending[:-_PENDING_CAP]
    case.close(firing, Decision.COOLING_DOWN, "sales heard of this signal less than the cooldown ago")


def _send(case: _Case, fact: Fact, to_send: list[Firing], with_alert: list[Firing], *, has_opened: bool) -> None:
    policy = case.workspace.policy
    # The most urgent leads; of equals the one that fired first.
    ordered = sorted(to_send, key=lambda firing: _RANK[_route(case, firing).priority_of(firing.signal)])
    why = [reason for firing in ordered for reason in case.engine.by_name[firing.signal].why(firing.evidence)]
    if has_opened and policy.activated_at is not None:
        why.append(Why("activated", iso(policy.activated_at)))
    why.extend(reason for pending in policy.pending for reason in pending.why)
    signal_ids = [firing.id for firing in (*ordered, *with_alert)] + [pending.signal_id for pending in policy.pending]
    policy.pending = []
    alert = _alert(case, fact, ordered[0], why, signal_ids)
    case.out.alerts.append(alert)
    case.close(ordered[0], Decision.SENT, alert=alert)
    for firing in (*ordered[1:], *with_alert):
        case.close(firing, Decision.BUNDLED, f"part of the alert about {ordered[0].signal}", alert)
    for firing in ordered:
        policy.alerted[firing.signal] = max(fact.time, policy.alerted.get(firing.signal, fact.time))


def _alert(case: _Case, fact: Fact, lead: Firing, why: list[Why], signal_ids: list[str]) -> Alert:
    rule, route, workspace = case.engine.by_name[lead.signal], _route(case, lead), case.workspace
    who = workspace.name or workspace.domain or fact.workspace_id
    return Alert(
        id=identifier(lead.id, route.name),
        signal=lead.signal,
        route=route.name,
        priority=route.priority_of(lead.signal).value,
        title=f"{who}: {rule.headline(lead.evidence)}",
        why=tuple(why),
        play=rule.play,
        workspace_id=fact.workspace_id,
        workspace_name=workspace.name,
        domain=workspace.domain,
        user_id=lead.user_id,
        time=fact.time,
        signal_ids=tuple(signal_ids),
    )


def _route(case: _Case, firing: Firing) -> Route:
    route = case.engine.route_of(firing.signal)
    if route is None:
        raise LookupError(f"the signal {firing.signal} is to be sent but no route lists it")
    return route


def _set_due(workspace: WorkspaceState) -> None:
    workspace.due = min((firing.time + HOLD_MS for firing in workspace.policy.held), default=None)
