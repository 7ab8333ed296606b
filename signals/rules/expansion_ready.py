"""Expansion: a paying workspace grows against what it pays for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.moments import iso
from signals.rule import DerivedRule, Evidence, Finding, Kind, RuleParams, Why
from signals.units import Duration, PositiveDuration, milliseconds

if TYPE_CHECKING:
    from signals.billing import Terms
    from signals.facts import Firing
    from signals.workspace import WorkspaceState

# What says that the plan becomes too small.
_GROWTH = ("seat_limit", "usage_limit", "seat_growth")


class ExpansionReadyParams(RuleParams):
    """How long a sign of growth counts, and when it may be said again."""

    within: PositiveDuration = timedelta(days=14)
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=30)


class ExpansionReady(DerivedRule):
    """Fires when a paying workspace nears a limit or grows, and when one that did so not long ago begins to pay."""

    name = "expansion_ready"
    kind = Kind.EXPANSION
    play = "They pay, and their plan becomes too small. Offer the next one before a limit stops them."

    def __init__(self, params: ExpansionReadyParams, terms: Terms) -> None:
        self.params = params
        self._terms = terms
        self._within_ms = milliseconds(params.within)
        self._cooldown_ms = milliseconds(params.cooldown)

    def judge_derived(self, workspace: WorkspaceState, firings: Sequence[Firing], time: int) -> Finding | None:
        """Fire if it pays and has shown growth, one of which is news, and the last firing is a cooldown ago."""
        plan = workspace.billing.plan
        # The plan that it is on was named by this very event, or a sign of growth has just fired.
        if plan is None or not (plan.time == time or any(firing.signal in _GROWTH for firing in firings)):
            return None
        if not self._terms.is_paying(plan.name) or workspace.is_cooling_down(self.name, time, self._cooldown_ms):
            return None
        newest = {
            signal: at
            for signal in _GROWTH
            if (at := _newest(workspace, signal)) is not None and self._counts(at, time)
        }
        if not newest:
            return None
        evidence: Evidence = {"plan": plan.name, "within": self._within_ms // 1_000}
        return Finding(evidence | {signal: iso(newest[signal]) if signal in newest else None for signal in _GROWTH})

    def _counts(self, fired_at: int, time: int) -> bool:
        return time - fired_at <= self._within_ms

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:  # noqa: ARG002
        """It is over once nobody pays."""
        plan = workspace.billing.plan
        return plan is not None and self._terms.is_paying(plan.name)

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return f"pays for {evidence['plan']} and outgrows it"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the plan, and when each sign of growth was last seen."""
        signs = [Why(f"last {signal}", evidence[signal]) for signal in _GROWTH if evidence[signal] is not None]
        return [Why("plan", evidence["plan"]), *signs]

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Say what must happen."""
        plan, missing = workspace.billing.plan, []
        if plan is None or not self._terms.is_paying(plan.name):
            missing.append("it must pay")
        fired = [at for signal in _GROWTH if (at := _newest(workspace, signal)) is not None]
        if not any(self._counts(at, now) for at in fired):
            missing.append("seat_limit, usage_limit or seat_growth must fire")
        return " and ".join(missing) or None


def _newest(workspace: WorkspaceState, signal: str) -> int | None:
    """When a signal fired last in event time, whatever its key; None if never."""
    times = [fired.time for name, fired in workspace.fired.items() if name.partition("|")[0] == signal]
    return max(times, default=None)
