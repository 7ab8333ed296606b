"""The live snapshot of a workspace: what people see of it in Redis and on `plg.workspaces`."""

from __future__ import annotations

import msgspec

from signals.billing import Usage
from signals.contract import VERSION
from signals.facts import Alert, Decision, Firing
from signals.fired import UNSAID, Fired
from signals.moments import iso
from signals.policy import FOREVER
from signals.score import Scoring
from signals.workspace import Recent, WorkspaceState

_encode = msgspec.json.Encoder().encode


def snapshot_json(workspace_id: str, workspace: WorkspaceState, scoring: Scoring) -> bytes:
    """
    Write the snapshot of a workspace.

    Args:
        workspace_id: Its id.
        workspace: Its state.
        scoring: How workspaces are scored here.

    Returns:
        JSON; `active_users` are those in each window that ends on the workspace's newest active day, `updated_at` is
        the newest event time, and `score` that of then.
    """
    policy = workspace.policy
    score, parts = scoring.standing(workspace, workspace.until).shown()
    return _encode(
        {
            "v": VERSION,
            "workspace_id": workspace_id,
            "workspace_name": workspace.name,
            "domain": workspace.domain,
            "members": workspace.members,
            "active_users": _active_users(workspace),
            "plan": workspace.billing.plan.name if workspace.billing.plan is not None else None,
            "seats": workspace.billing.seats.count if workspace.billing.seats is not None else None,
            "usage": [_usage(metric, usage) for metric, usage in workspace.billing.usage.items()],
            "score": score,
            "score_parts": parts,
            "activated_at": iso(policy.activated_at) if policy.activated_at is not None else None,
            "signals": {name: _fired(fired) for name, fired in workspace.fired.items() if fired.n != UNSAID},
            "held": [
                *(_held(firing, Decision.WAITING_FOR_ACTIVATION) for firing in policy.held),
                *(_held(firing, Decision.QUIET_HOURS) for firing in policy.quiet),
            ],
            "alerts": [_alert(alert) for alert in policy.open],
            "muted": {signal or "*": _end(until) for signal, until in policy.muted.items()},
            "snoozed_until": iso(policy.snoozed_until) if policy.snoozed_until is not None else None,
            "pending": [reason for pending in policy.pending for reason in pending.why],
            "verdicts": [_verdict(recent) for recent in policy.recent],
            "moved_to": workspace.moved_to,
            "suspect": workspace.is_suspect,
            "updated_at": iso(max(workspace.until, workspace.imported_at or 0)),
        }
    )


def _active_users(workspace: WorkspaceState) -> dict[str, int]:
    newest = workspace.newest_day
    return {} if newest is None else {f"{window}d": ring.count(newest) for window, ring in workspace.rings.items()}


def _usage(metric: str, usage: Usage) -> dict[str, object]:
    return {
        "metric": metric,
        "period": usage.period,
        "used": usage.used,
        "limit": usage.limit,
        "reported_at": iso(usage.time),
    }


def _fired(fired: Fired) -> dict[str, object]:
    return {"n": fired.n, "last": iso(fired.time)}


def _held(firing: Firing, waiting: Decision) -> dict[str, object]:
    return {
        "signal": firing.signal,
        "id": firing.id,
        "since": iso(firing.time),
        "evidence": firing.evidence,
        "waits": waiting.value,
    }


def _alert(alert: Alert) -> dict[str, object]:
    return {
        "id": alert.id,
        "signal": alert.signal,
        "title": alert.title,
        "priority": alert.priority,
        "route": alert.route,
        "status": alert.status.value,
        "since": iso(alert.sent_at),
    }


def _end(until: int) -> str | None:
    return None if until == FOREVER else iso(until)


def _verdict(recent: Recent) -> dict[str, object]:
    return {
        "signal": recent.signal,
        "verdict": recent.decision.value,
        "reason": recent.reason,
        "decided_at": iso(recent.time),
    }
