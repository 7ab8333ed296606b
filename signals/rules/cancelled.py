"""Risk: a paying workspace went back to a plan that costs nothing, or ended its subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class CancelledParams(RuleParams):
    """Nothing to tune: `plans.free` says what costs nothing."""


class Cancelled(WorkspaceRule):
    """Fires at the step from a paid plan to none; a cancellation event is such a step at once (SIGNALS A13)."""

    name = "cancelled"
    kind = Kind.RISK
    triggers = frozenset({Trigger.PLAN})
    play = "Find out why within the day: most who come back are asked in the first week."

    def __init__(self, params: CancelledParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if it paid before and pays no more."""
        step = change.plan
        if step is None or not step.was_paying or step.is_paying:
            return None
        return Finding({"plan": step.after, "previous_plan": step.before})

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the plan that ended."""
        return f"cancelled {evidence['previous_plan']}"

    def family(self, evidence: Evidence) -> tuple[str, float]:  # noqa: ARG002
        """The end of paying."""
        return "contraction", 3.0

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the plan, and the one before."""
        return [Why("plan", evidence["plan"]), Why("previous_plan", evidence["previous_plan"])]
