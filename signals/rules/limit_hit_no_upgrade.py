"""Expansion: a workspace has used up a limit, days ago, and nothing has come of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from signals.moments import iso
from signals.rule import Evidence, Finding, Kind, RuleParams, Why, WorkspaceTimer
from signals.units import PositiveDuration, milliseconds, seconds

if TYPE_CHECKING:
    from signals.timers import Timer
    from signals.workspace import WorkspaceState

_WHOLE = 1.0
# In the story of `usage_limit` after its level 1.0, and before any higher one.
_NEXT_CHAPTER = 1.001


class LimitHitNoUpgradeParams(RuleParams):
    """How long they have to help themselves."""

    after: PositiveDuration = timedelta(days=3)


class LimitHitNoUpgrade(WorkspaceTimer):
    """Fires when a limit was hit and neither it nor the plan became higher in time, once per metric and period."""

    name = "limit_hit_no_upgrade"
    kind = Kind.EXPANSION
    play = "They are stuck at their limit. Ask what holds the upgrade up, and who decides."
    unless = "unless they upgrade, or get a higher limit, before"

    def __init__(self, params: LimitHitNoUpgradeParams) -> None:
        self.params = params
        self._after_ms = milliseconds(params.after)

    def due(self, workspace: WorkspaceState, key: str, timer: Timer) -> int:  # noqa: ARG002
        """So long after the limit was hit."""
        return timer.since + self._after_ms

    def judge_due(self, workspace: WorkspaceState, key: str, timer: Timer) -> Finding:
        """Fire: what would have made it needless has taken the timer away."""
        metric, period = json.loads(key)
        report = workspace.billing.usage.get(metric)
        evidence: Evidence = {
            "metric": metric,
            "period": period,
            "used": None if report is None or report.period != period else report.used,
            "limit": timer.about,
            "hit_at": iso(timer.since),
            "after": seconds(self.params.after),
        }
        return Finding(evidence, key=key)

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:  # noqa: ARG002
        """It is over once no limit is used up any more."""
        return any(report.passed >= _WHOLE for report in workspace.billing.usage.values())

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the metric where it has one."""
        return f"hit the limit of {evidence['limit']} {evidence['metric'] or 'units'} and has not upgraded"

    def family(self, evidence: Evidence) -> tuple[str, float]:
        """The use of one limit in one period."""
        return f"usage {evidence['metric']} {evidence['period']}", _NEXT_CHAPTER

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the use against the limit, and say since when."""
        reasons = [
            Why("usage", evidence["used"], evidence["limit"]),
            Why("limit_hit_at", evidence["hit_at"]),
        ]
        if evidence["metric"]:
            reasons.append(Why("metric", evidence["metric"]))
        return reasons
