"""Alerts: opened from the signals of one moment, updated by those of the same minute, closed when there is no need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from signals.companies import name_of_domain, tidy_name
from signals.compiled import identifier
from signals.facts import Alert, AlertStatus, Decision, Firing, Heard, Note
from signals.moments import iso
from signals.rule import Why
from signals.selling import Priority, Route
from signals.units import DAY_MS
from signals.workspace import Pending

if TYPE_CHECKING:
    from signals.case import Case

MINUTE_MS = 60_000
# As long as the topic of alerts keeps its records, and Redis what it knows of them: nobody looks at an older one.
OPEN_MS = 90 * DAY_MS
# What joins an alert from inside a cooldown is no news after this long.
_PENDING_MS = 30 * DAY_MS
# They are for people who wait for an answer: neither counted nor capped (SIGNALS 6.4).
UNCAPPED = frozenset({"procurement", "hand_raised"})
_PENDING_CAP = 10
_ENTERPRISE = "enterprise_domain"
_PRIORITIES = tuple(priority.value for priority in Priority)
_RANK = {priority: rank for rank, priority in enumerate(_PRIORITIES)}


def send(case: Case, firings: Sequence[Firing], companions: Sequence[Firing], *, activated_at: int | None) -> None:
    """
    Make alerts of signals: one for each route, or an update of the one that the route had less than a minute ago.

    Args:
        case: The workspace, now.
        firings: What policy has decided to send, in the order of firing; each has a route.
        companions: Signals that no route lists, which the first of the alerts mentions all the same.
        activated_at: The activation that made it possible, if that was just now.
    """
    by_route: dict[str, list[Firing]] = {}
    for firing in firings:
        by_route.setdefault(route_of(case, firing).name, []).append(firing)
    for group in by_route.values():
        recent = recent_alert(case, group[0])
        if recent is not None:
            _update(case, recent, group, companions)
        else:
            _open(case, group, companions, activated_at)
        companions = ()
        for firing in group:
            name = case.engine.by_name[firing.signal].alerted_as(firing.evidence)
            case.policy.alerted[name] = max(case.time, case.policy.alerted.get(name, case.time))


def recent_alert(case: Case, firing: Firing) -> Alert | None:
    """
    The open alert of the signal's route that was sent less than a minute ago, if there is one.

    One that is full takes no more: what comes then is judged as if the minute were over.
    """
    route, most = route_of(case, firing).name, case.engine.config.limits.reasons_per_alert
    recent = (
        alert
        for alert in case.policy.open
        if alert.route == route
        and 0 <= case.time - alert.sent_at < MINUTE_MS
        and max(len(alert.why), len(alert.signal_ids)) < most
    )
    return next(recent, None)


def close_all(case: Case, reason: str) -> None:
    """Close every open alert of the workspace."""
    for alert in case.policy.open:
        _close(case, alert, reason)
    case.policy.open = []


def close_old(case: Case) -> None:
    """Close the alerts that have been open for too long for anybody to look at them."""
    policy = case.policy
    for alert in policy.open[:]:
        if alert.sent_at + OPEN_MS <= case.time:
            policy.open.remove(alert)
            _close(case, alert, "expired")


def postpone(case: Case, firing: Firing) -> None:
    """Let a signal's reasons join the workspace's next alert."""
    pending = case.policy.pending
    pending.append(Pending(firing.id, tuple(_why(case, (firing,))), case.time))
    if len(pending) > _PENDING_CAP:
        del pending[:-_PENDING_CAP]
        case.out.notes.append(Note.REASONS_FORGOTTEN)


def still_joins(pending: Pending, time: int) -> bool:
    """Whether reasons that wait would join an alert at a moment (Unix milliseconds)."""
    return time - pending.time <= _PENDING_MS


def urgency(case: Case, firing: Firing) -> int:
    """The rank of a signal's priority in its route, 0 for the most urgent; a signal without a route comes last."""
    route = case.engine.route_of(firing.signal)
    return len(_RANK) if route is None else _RANK[_priority(case, route, firing)]


def close_oldest(case: Case) -> None:
    """Close the alert that has been open for longest, to make room."""
    _close(case, case.policy.open.pop(0), "too many open alerts")


def note_heard(case: Case, heard: Heard) -> None:
    """Remember what sales has heard of a company; of more than fit, what is longest ago leaves first."""
    known = case.policy.heard
    known[heard.domain] = heard
    if len(known) > case.engine.config.limits.companies_heard:
        del known[min(known, key=lambda domain: known[domain].time)]
        case.out.notes.append(Note.COMPANY_FORGOTTEN)


def route_of(case: Case, firing: Firing) -> Route:
    """
    The route of a signal that has one.

    Raises:
        LookupError: It has none: it must not have come here.
    """
    route = case.engine.route_of(firing.signal)
    if route is None:
        raise LookupError(f"the signal {firing.signal} is to be sent but no route lists it")
    return route


def _open(case: Case, firings: list[Firing], companions: Sequence[Firing], activated_at: int | None) -> None:
    policy, route = case.policy, route_of(case, firings[0])
    # The most urgent leads; of equals the one that fired first.
    ordered = sorted(firings, key=lambda firing: _RANK[_priority(case, route, firing)])
    pending = [one for one in policy.pending if case.time - one.time <= _PENDING_MS]
    why = _why(case, ordered)
    if activated_at is not None:
        why.append(Why("activated", iso(activated_at)))
    why.extend(reason for one in pending for reason in one.why)
    ids = [firing.id for firing in (*ordered, *companions)] + [one.signal_id for one in pending]
    policy.pending = []
    alert = _alert(case, ordered, route, why, ids, activated_at)
    case.out.alerts.append(alert)
    policy.open.append(alert)
    if len(policy.open) > case.engine.config.limits.open_alerts:
        close_oldest(case)
    if UNCAPPED.isdisjoint(firing.signal for firing in firings):
        policy.sent.append(case.time)
        del policy.sent[: -case.engine.config.alerts.max_per_workspace]
    case.decide(ordered[0], Decision.SENT, alert_id=alert.id)
    for firing in (*ordered[1:], *companions):
        case.decide(firing, Decision.BUNDLED, f"part of the alert about {ordered[0].signal}", alert.id)
    _note_heard(case, ordered, alert)


def _update(case: Case, alert: Alert, firings: list[Firing], companions: Sequence[Firing]) -> None:
    policy, route = case.policy, route_of(case, firings[0])
    urgencies = [alert.priority, *(_priority(case, route, firing) for firing in firings)]
    score, parts = case.engine.scoring.standing(case.workspace, case.time).shown()
    updated = msgspec.structs.replace(
        alert,
        priority=min(urgencies, key=_RANK.__getitem__),
        why=_fitting(case, (*alert.why, *_why(case, firings))),
        signal_ids=(*alert.signal_ids, *(firing.id for firing in (*firings, *companions))),
        status=AlertStatus.UPDATED,
        families=_families(case, firings, alert.families),
        score=score,
        score_parts=parts,
    )
    policy.open[policy.open.index(alert)] = updated
    case.out.alerts.append(updated)
    for firing in (*firings, *companions):
        case.decide(firing, Decision.BUNDLED, f"within a minute of the alert about {alert.signal}", alert.id)
    _note_heard(case, firings, alert)


def _close(case: Case, alert: Alert, reason: str) -> None:
    case.out.alerts.append(msgspec.structs.replace(alert, status=AlertStatus.CLOSED, reason=reason))


def _alert(
    case: Case, firings: list[Firing], route: Route, why: list[Why], signal_ids: list[str], activated_at: int | None
) -> Alert:
    lead, workspace = firings[0], case.workspace
    rule = case.engine.by_name[lead.signal]
    score, parts = case.engine.scoring.standing(workspace, case.time).shown()
    who = _who(case)
    return Alert(
        id=identifier(lead.id, route.name),
        signal=lead.signal,
        route=route.name,
        priority=_priority(case, route, lead),
        title=f"{who}: {rule.headline(lead.evidence)}",
        why=_fitting(case, why),
        play=route.play.get(lead.signal, rule.play),
        workspace_id=case.workspace_id,
        workspace_name=workspace.name,
        domain=workspace.domain,
        user_id=lead.user_id,
        # What waited for an activation is due by that; what waited for the morning happened when it did.
        time=case.time if activated_at is not None else max(firing.time for firing in firings),
        signal_ids=tuple(signal_ids),
        sent_at=case.time,
        families=_families(case, firings, {}),
        email=lead.email,
        score=score,
        score_parts=parts,
    )


def _priority(case: Case, route: Route, firing: Firing) -> str:
    rank = _RANK[route.priority_of(firing.signal).value]
    if rank > 0 and case.engine.by_name[firing.signal].is_pressing(firing.evidence):
        rank -= 1
    return _PRIORITIES[rank]


def _who(case: Case) -> str:
    name, domain = case.workspace.name, case.workspace.domain
    if name is not None:
        return tidy_name(name)
    if domain is None:
        return case.workspace_id
    company = case.engine.domains.enterprise(domain)
    # One that the config added to the list has its domain for a name.
    return company.name if company is not None and company.name != domain else name_of_domain(domain)


def _why(case: Case, firings: Iterable[Firing]) -> list[Why]:
    return [reason for firing in firings for reason in case.engine.by_name[firing.signal].why(firing.evidence)]


def _fitting(case: Case, why: Sequence[Why]) -> tuple[Why, ...]:
    # The first are those of the signal that leads.
    most = case.engine.config.limits.reasons_per_alert
    if len(why) > most:
        case.out.notes.append(Note.REASONS_FORGOTTEN)
    return tuple(why[:most])


def _families(case: Case, firings: Iterable[Firing], known: dict[str, float]) -> dict[str, float]:
    families = dict(known)
    for firing in firings:
        found = case.engine.by_name[firing.signal].family(firing.evidence)
        if found is not None:
            name, rank = found
            families[name] = max(rank, families.get(name, rank))
    return families


def _note_heard(case: Case, firings: Iterable[Firing], alert: Alert) -> None:
    for firing in firings:
        if firing.signal == _ENTERPRISE and firing.user_id is not None:
            note_heard(case, Heard(firing.user_id, firing.key, case.time, alert.id))
