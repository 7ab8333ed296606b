"""What waits in a workspace: for an activation, for the morning, for another workspace's answer; and when that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals import alerting
from signals.facts import Decision, Fact, Firing
from signals.units import DAY_MS

if TYPE_CHECKING:
    from signals.case import Case
    from signals.workspace import WorkspaceState

# How long a signal may wait for an activation (SIGNALS 6.1).
HOLD_MS = 30 * DAY_MS
# An answer takes a moment. One that never comes, because its record was set aside, must not lose the signal.
ASK_MS = DAY_MS
_ANSWERS_CAP = 20
TOO_MANY = "too many signals wait"
_ENTERPRISE = "enterprise_domain"
_OVER = "nobody activated within 30 days"


def hold(case: Case, firing: Firing) -> None:
    """Let a signal wait for the workspace's first activation, the newest of its kind only."""
    held = case.policy.held
    for earlier in [one for one in held if one.signal == firing.signal]:
        held.remove(earlier)
        case.decide(earlier, Decision.EXPIRED, "a newer one of the same signal waits")
    if len(held) >= case.engine.config.limits.held_signals:
        case.decide(held.pop(0), Decision.EXPIRED, TOO_MANY)
    held.append(firing)
    case.decide(firing, Decision.WAITING_FOR_ACTIVATION)


def release(case: Case) -> list[Firing]:
    """Take what waited for an activation: what still holds true is returned, the rest expires."""
    held, case.policy.held = case.policy.held, []
    return [firing for firing in held if holds_still(case, firing, waited_ms=HOLD_MS)]


def holds_still(case: Case, firing: Firing, *, waited_ms: int) -> bool:
    """Whether a signal that waited is still worth an alert; gives the verdict if it is not."""
    rule = case.engine.by_name.get(firing.signal)
    if firing.time + waited_ms < case.time:
        case.decide(firing, Decision.EXPIRED, _OVER)
    elif not _has_route(case, firing) or rule is None:
        return False
    elif not rule.still_holds(case.workspace, case.engine.days.day_of(case.time)):
        case.decide(firing, Decision.EXPIRED, "no longer true at the activation")
    else:
        return True
    return False


def _has_route(case: Case, firing: Firing) -> bool:
    """Whether a route still lists a signal that waited, for the config may be another; gives the verdict if not."""
    if firing.signal in case.engine.by_name and case.engine.route_of(firing.signal) is not None:
        return True
    case.decide(firing, Decision.EXPIRED, "no route lists the signal any more")
    return False


def rest(case: Case, firing: Firing, until: int) -> None:
    """Let a signal wait for the end of the quiet hours; it is sent then, whatever else comes."""
    policy = case.policy
    policy.quiet.append(firing)
    policy.quiet_until = until if policy.quiet_until is None else max(policy.quiet_until, until)
    case.decide(firing, Decision.QUIET_HOURS)
    if len(policy.quiet) > case.engine.config.limits.quiet_signals:
        # Of the least urgent the one that has waited for longest.
        leaving = max(policy.quiet, key=lambda one: alerting.urgency(case, one))
        policy.quiet.remove(leaving)
        case.decide(leaving, Decision.EXPIRED, TOO_MANY)


def wake(case: Case) -> list[Firing]:
    """Take what waited for the end of the quiet hours."""
    policy = case.policy
    rested, policy.quiet, policy.quiet_until = policy.quiet, [], None
    return [firing for firing in rested if _has_route(case, firing)]


def answered(case: Case, answer: Fact) -> list[Firing]:
    """Take what waited for an answer; one that was quicker than its question is remembered."""
    policy = case.policy
    waited = [firing for firing in policy.asked if firing.event_id == answer.event_id]
    policy.asked = [firing for firing in policy.asked if firing.event_id != answer.event_id]
    if answer.is_asked and not waited:
        policy.answers.append(answer.event_id)
        del policy.answers[:-_ANSWERS_CAP]
    return [firing for firing in waited if _has_route(case, firing)]


def may_wait_for_answer(case: Case, firing: Firing) -> bool:
    """
    Whether a signal is to wait for what another workspace knows of its company.

    Not where the answer has come before it, for they take different ways; nor where too many wait already.
    """
    policy = case.policy
    has_room = len(policy.asked) < case.engine.config.limits.held_signals
    return firing.signal == _ENTERPRISE and has_room and firing.event_id not in policy.answers


def unanswered(case: Case) -> list[Firing]:
    """Take what has waited for an answer for too long."""
    policy = case.policy
    found = [firing for firing in policy.asked if firing.time + ASK_MS <= case.time]
    policy.asked = [firing for firing in policy.asked if firing.time + ASK_MS > case.time]
    return [firing for firing in found if _has_route(case, firing)]


def expire(case: Case) -> None:
    """End the waits for an activation whose time is over, that moment included."""
    policy = case.policy
    for firing in policy.held[:]:
        if firing.time + HOLD_MS <= case.time:
            policy.held.remove(firing)
            case.decide(firing, Decision.EXPIRED, _OVER)


def next_due(workspace: WorkspaceState) -> int | None:
    """The earliest moment (Unix milliseconds) at which something in the workspace has waited long enough."""
    policy = workspace.policy
    moments = [firing.time + HOLD_MS for firing in policy.held]
    moments += [firing.time + ASK_MS for firing in policy.asked]
    moments += [alert.sent_at + alerting.OPEN_MS for alert in policy.open]
    if policy.quiet_until is not None:
        moments.append(policy.quiet_until)
    return min(moments, default=None)
