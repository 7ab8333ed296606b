"""Risk: a workspace pays and nobody uses the product any more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from signals.moments import iso
from signals.rule import Evidence, Finding, Kind, RuleParams, Why, WorkspaceTimer
from signals.timers import Timer
from signals.units import PositiveDuration, milliseconds, seconds

if TYPE_CHECKING:
    from signals.billing import Terms
    from signals.workspace import WorkspaceState

_DAY_S = 86_400


class WentSilentParams(RuleParams):
    """After how long without any activity it is said."""

    after: PositiveDuration = timedelta(days=14)


class WentSilent(WorkspaceTimer):
    """Fires when a paying workspace has had no active event for long; activity, or paying anew, arms it again."""

    name = "went_silent"
    kind = Kind.RISK
    play = "They pay and nobody comes. Call before the renewal does: ask what has changed, offer a fresh start."
    unless = "unless somebody is active before"

    def __init__(self, params: WentSilentParams, terms: Terms) -> None:
        self.params = params
        self._terms = terms
        self._after_ms = milliseconds(params.after)

    def due(self, workspace: WorkspaceState, key: str, timer: Timer) -> int:  # noqa: ARG002
        """Count from the newest activity or the start of paying, whichever is later (SIGNALS A14)."""
        return max(timer.since, workspace.active_at or 0) + self._after_ms

    def judge_due(self, workspace: WorkspaceState, key: str, timer: Timer) -> Finding | None:  # noqa: ARG002
        """Fire unless the config has come to call its plan a free one."""
        plan = workspace.billing.plan
        if plan is None or not self._terms.is_paying(plan.name):
            return None
        since = max(timer.since, workspace.active_at or 0)
        evidence: Evidence = {
            "silent_since": iso(since),
            "last_active_at": None if workspace.active_at is None else iso(workspace.active_at),
            "after": seconds(self.params.after),
            "plan": plan.name,
        }
        return Finding(evidence)

    def event_of(self, workspace: WorkspaceState, timer: Timer) -> Timer:
        """The newest activity, unless paying began later."""
        at, source = workspace.active_at, workspace.active_source
        if at is None or source is None or at < timer.since:
            return timer
        return Timer(at, workspace.active_event, source)

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:  # noqa: ARG002
        """It is over once somebody has been active since."""
        last = workspace.last_fired(self.name)
        return last is not None and (workspace.active_at is None or workspace.active_at <= last.time)

    def headline(self, evidence: Evidence) -> str:
        """Say it, in days where they are whole."""
        after = evidence["after"]
        days = after / _DAY_S if isinstance(after, int | float) else 0
        return f"pays, and nobody has been active for {days:g} days"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name since when, and the plan."""
        return [Why("silent_since", evidence["silent_since"]), Why("plan", evidence["plan"])]
