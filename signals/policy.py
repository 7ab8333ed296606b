"""Policy: which signals a human should hear about now, as one alert; every other ends in a verdict with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from signals import alerting, waiting
from signals.case import Case
from signals.facts import Command, Decision, Fact, FactKind, Firing, Heard, Order
from signals.timers import next_timer
from signals.units import DAY_MS

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.workspace import WorkspaceState

# Sales hears of one user's company once in this time, in however many workspaces he shows up (SIGNALS 6.4).
HEARD_MS = 30 * DAY_MS
# Later than any event: a mute without an end.
FOREVER = 2**62
_ENTERPRISE = "enterprise_domain"
_NO_ROUTE = "no route lists the signal"


def is_open(workspace: WorkspaceState, engine: Engine) -> bool:
    """Whether sales may hear of a workspace: somebody in it has activated, or we assume so (SIGNALS 6.1)."""
    if not engine.is_gated or workspace.policy.activated_at is not None:
        return True
    before = engine.assumed_activated_before
    return before is not None and workspace.since is not None and workspace.since < before


def judge(case: Case, firings: Sequence[Firing], *, has_opened: bool = False, is_asked: bool = False) -> None:
    """
    Decide about the signals that one fact raised, and about those held if it opened the gate.

    Args:
        case: The workspace, with the fact applied.
        firings: The signals of the fact, user scope first.
        has_opened: The fact is the first sign of an activation in the workspace.
        is_asked: Another workspace has been asked what sales knows of the user's company.
    """
    if not has_opened and case.policy.quiet_until is None and _all_unrouted(case, firings):
        # Nothing that waits is touched, so nothing else can be due.
        for firing in firings:
            case.decide(firing, Decision.UNROUTED, _NO_ROUTE)
        return
    to_send = _wanted_news(case, waiting.release(case), case.time) if has_opened else []
    bystanders: list[Firing] = []
    for firing in firings:
        if case.engine.route_of(firing.signal) is None:
            bystanders.append(firing)
        elif not _may_hear(case, firing):
            waiting.hold(case, firing)
        elif is_asked and waiting.may_wait_for_answer(case, firing):
            case.policy.asked += [firing] if _is_wanted(case, firing, firing.time) else []
        else:
            to_send += _wanted_news(case, [firing], firing.time)
    companions = [firing for firing in bystanders if has_opened and firing.signal == "activated"]
    is_sent = _deliver(case, to_send, companions, has_opened=has_opened)
    for firing in bystanders:
        if not (is_sent and firing in companions):
            case.decide(firing, Decision.UNROUTED, _NO_ROUTE)
    set_due(case)


def _all_unrouted(case: Case, firings: Sequence[Firing]) -> bool:
    route_of = case.engine.route_of
    return all(route_of(firing.signal) is None for firing in firings)


def fire_due(case: Case, until: int) -> None:
    """Do what is due in a workspace up to `until` (Unix milliseconds, that moment included), in its order."""
    while (due := waiting.next_due(case.workspace)) is not None and due <= until:
        then = case.at(due)
        waiting.expire(then)
        alerting.close_old(then)
        unanswered = [firing for firing in waiting.unanswered(then) if _is_news(then, firing)]
        _deliver(then, unanswered)
    set_due(case)


def answer(case: Case, fact: Fact, partition: int, offset: int) -> None:
    """
    Tell another workspace what a user brings along who moved or went there too.

    Args:
        case: The workspace that is asked.
        fact: The question, `MOVED` or `ENTERED`; `target` is who wants to know.
        partition: Of the log of facts, in which the question stands: with `offset` the coordinate of the answer.
        offset: Its place there.
    """
    policy = case.policy
    brought: list[Firing] = []
    if fact.kind is FactKind.MOVED:
        alerting.close_all(case, "moved")
        brought = [*policy.held, *policy.quiet, *policy.asked]
        policy.held, policy.quiet, policy.asked, policy.quiet_until = [], [], [], None
    set_due(case)
    if fact.target is None or not (brought or fact.is_asked):
        return
    heard = [one for one in policy.heard.values() if one.user_id == fact.user_id]
    case.out.facts.append(
        Fact(
            fact.target,
            FactKind.CARRIED,
            partition,
            offset,
            0,
            fact.time,
            fact.event_id,
            fact.cause,
            user_id=fact.user_id,
            signals=tuple(brought),
            is_asked=fact.is_asked,
            heard=max(heard, key=lambda one: one.time, default=None),
            ingested_at=fact.ingested_at,
        )
    )


def receive(case: Case, fact: Fact) -> None:
    """Take an answer: judge what waited for it here, and what waited in the workspace that its user has left."""
    if fact.heard is not None:
        _note_heard(case, fact.heard)
    to_send = [firing for firing in waiting.answered(case, fact) if _is_news(case, firing)]
    for firing in fact.signals:
        if not _may_hear(case, firing):
            waiting.hold(case, firing)
        elif waiting.holds_still(case, firing, waited_ms=waiting.HOLD_MS):
            to_send += _wanted_news(case, [firing], case.time)
    _deliver(case, to_send)
    set_due(case)


def obey(case: Case, command: Command) -> None:
    """Do what a person asked for a workspace."""
    policy, subject = case.policy, command.signal or ""
    if command.order is Order.MUTE:
        policy.muted[subject] = FOREVER if command.until is None else command.until
    elif command.order is Order.UNMUTE:
        policy.muted.pop(subject, None)
        policy.snoozed_until = None if command.signal is None else policy.snoozed_until
    elif command.order is Order.SNOOZE:
        policy.snoozed_until = command.until
    else:
        close(case, command.reason or "done")
    set_due(case)


def close(case: Case, reason: str) -> None:
    """Close every open alert of a workspace: nobody needs to act on them any more."""
    alerting.close_all(case, reason)
    set_due(case)


def set_due(case: Case) -> None:
    """Set the workspace's clock to the earliest moment at which something in it may be due."""
    workspace, engine = case.workspace, case.engine
    waits = waiting.next_due(workspace)
    found = next_timer(workspace.timers, lambda key, timer: engine.workspace_due(workspace, key, timer))
    if found is None:
        workspace.due = waits
    else:
        workspace.due = found[0] if waits is None else min(found[0], waits)


def _may_hear(case: Case, firing: Firing) -> bool:
    rule = case.engine.by_name.get(firing.signal)
    return (rule is not None and rule.before_activation) or is_open(case.workspace, case.engine)


def _wanted_news(case: Case, firings: Sequence[Firing], cause: int) -> list[Firing]:
    return [firing for firing in firings if _is_wanted(case, firing, cause) and _is_news(case, firing)]


def _is_wanted(case: Case, firing: Firing, cause: int) -> bool:
    """Whether anybody wants to hear of it (SIGNALS 6.2, 6.3); gives the verdict if not. `cause` is when it came up."""
    if case.now - cause > case.engine.max_age_ms[firing.signal]:
        case.decide(firing, Decision.STALE, "it was too long ago when we heard of it")
        return False
    return _is_welcome(case, firing)


def _is_welcome(case: Case, firing: Firing) -> bool:
    policy, engine = case.policy, case.engine
    plan = case.workspace.billing.plan
    if case.workspace.domain in engine.domains.competitors:
        case.decide(firing, Decision.DISQUALIFIED, "a competitor")
    elif _is_muted(case, firing):
        case.decide(firing, Decision.MUTED, "somebody muted it")
    elif policy.snoozed_until is not None and case.now < policy.snoozed_until:
        case.decide(firing, Decision.SNOOZED, "somebody snoozed the workspace")
    elif firing.signal in engine.free_to_paid and plan is not None and engine.terms.is_paying(plan.name):
        case.decide(firing, Decision.ALREADY_PAYING, f"it pays already ({plan.name})")
    else:
        return True
    return False


def _is_muted(case: Case, firing: Firing) -> bool:
    muted = case.policy.muted
    ends = (muted.get(""), muted.get(firing.signal), case.muted.get(firing.signal))
    return any(end is not None and case.now < end for end in ends)


def _is_news(case: Case, firing: Firing) -> bool:
    """Whether sales has not heard of it yet (SIGNALS 6.4); gives the verdict if it has. The cap is looked at later."""
    if alerting.recent_alert(case, firing) is not None:
        return True
    heard = case.policy.heard.get(firing.key) if firing.signal == _ENTERPRISE else None
    if heard is not None and heard.user_id == firing.user_id and case.time < heard.time + HEARD_MS:
        because = f"sales heard of {firing.key} because of this user less than 30 days ago"
        case.decide(firing, Decision.BUNDLED, because, heard.alert_id)
        return False
    last = case.policy.alerted.get(case.engine.by_name[firing.signal].alerted_as(firing.evidence))
    if last is not None and case.time < last + case.engine.alert_cooldown_ms:
        alerting.postpone(case, firing)
        case.decide(firing, Decision.COOLING_DOWN, "sales heard of this signal less than the cooldown ago")
        return False
    family, rank = case.engine.by_name[firing.signal].family(firing.evidence) or ("", 0.0)
    for alert in case.policy.open:
        if alert.families.get(family, rank) > rank:
            case.decide(firing, Decision.SUPERSEDED, f"the alert about {alert.signal} is open and says more", alert.id)
            return False
    return True


def _deliver(
    case: Case, firings: Sequence[Firing], companions: Sequence[Firing] = (), *, has_opened: bool = False
) -> bool:
    """Send what passed, unless the cap or the hour is against it, with what waited for the morning; tells if it did."""
    passed = _within_cap(case, firings)
    quiet_until = case.engine.quiet.ends(case.now)
    if quiet_until is not None:
        for firing in passed:
            waiting.rest(case, firing, quiet_until)
        if case.policy.quiet_until is not None:
            case.policy.quiet_until = max(case.policy.quiet_until, quiet_until)
        return False
    if case.policy.quiet_until is not None and case.policy.quiet_until <= case.now:
        passed = [firing for firing in waiting.wake(case) if _is_welcome(case, firing)] + passed
    if passed:
        activated_at = case.policy.activated_at if has_opened else None
        alerting.send(case, passed, companions, activated_at=activated_at)
    return bool(passed)


def _within_cap(case: Case, firings: Sequence[Firing]) -> list[Firing]:
    engine = case.engine
    begin = case.time - engine.cap_window_ms
    if sum(sent > begin for sent in case.policy.sent) < engine.config.alerts.max_per_workspace:
        return list(firings)
    # An alert that goes out in any case takes the others of its route along.
    going = {alerting.route_of(case, firing).name for firing in firings if firing.signal in alerting.UNCAPPED}
    passed = []
    for firing in firings:
        is_going = alerting.route_of(case, firing).name in going
        if is_going or alerting.recent_alert(case, firing) is not None:
            passed.append(firing)
        else:
            alerting.postpone(case, firing)
            case.decide(firing, Decision.CAPPED, "the workspace has had as many alerts as it may")
    return passed


def _note_heard(case: Case, heard: Heard) -> None:
    known = case.policy.heard.get(heard.domain)
    if known is None or known.time < heard.time:
        alerting.note_heard(case, heard)
