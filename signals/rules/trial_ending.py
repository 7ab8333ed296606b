"""Expansion, or a risk: a trial is about to end, and nobody has paid yet."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from signals.moments import iso
from signals.rule import Evidence, Finding, Kind, RuleParams, Why, WorkspaceTimer
from signals.units import PositiveDuration, milliseconds, seconds

if TYPE_CHECKING:
    from signals.billing import Terms
    from signals.timers import Timer
    from signals.workspace import WorkspaceState

_DAYS = 7


class TrialEndingParams(RuleParams):
    """How long before its end it is said."""

    before: PositiveDuration = timedelta(days=3)


class TrialEnding(WorkspaceTimer):
    """Fires ahead of the end of a trial, once per trial, unless it has ended or the workspace pays (SIGNALS A23)."""

    name = "trial_ending"
    kind = Kind.EXPANSION
    play = "The trial ends soon. Ask what they still need to decide, and make the next step easy."
    unless = "unless they pay, or the trial ends, before"

    def __init__(self, params: TrialEndingParams, terms: Terms) -> None:
        self.params = params
        self._terms = terms
        self._before_ms = milliseconds(params.before)

    def due(self, workspace: WorkspaceState, key: str, timer: Timer) -> int:  # noqa: ARG002
        """So long before the end, but not before the trial has started."""
        return max(timer.since, _end_of(timer) - self._before_ms)

    def judge_due(self, workspace: WorkspaceState, key: str, timer: Timer) -> Finding | None:
        """Fire unless it pays; of a trial that nobody has used lately as a risk."""
        plan = workspace.billing.plan
        if plan is not None and self._terms.is_paying(plan.name):
            return None
        end, day = iso(_end_of(timer)), self._terms.days.day_of(self.due(workspace, key, timer))
        active = sum(workspace.was_active_on(one) for one in range(day - _DAYS + 1, day + 1))
        evidence: Evidence = {
            "trial_end": end,
            "active_days_7d": active,
            "before": seconds(self.params.before),
        }
        return Finding(evidence, key=end, kind=None if active else Kind.RISK)

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:
        """It is over with the trial, or once they pay."""
        plan, trial = workspace.billing.plan, workspace.trial
        is_paying = plan is not None and self._terms.is_paying(plan.name)
        return not is_paying and trial is not None and self._terms.days.day_of(trial.end) >= day

    def headline(self, evidence: Evidence) -> str:
        """Say it, and how much they use it."""
        active = evidence["active_days_7d"]
        use = "not used" if not active else f"used on {active} day{'s' if active != 1 else ''}"
        return f"trial ends {str(evidence['trial_end'])[:10]}, {use} in the last week"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the end, and the use."""
        return [Why("trial_end", evidence["trial_end"]), Why("active_days_7d", evidence["active_days_7d"])]


def _end_of(timer: Timer) -> int:
    assert isinstance(timer.about, int)
    return timer.about
