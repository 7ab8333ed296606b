"""Expansion: a workspace pays for the first time, or again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class ConvertedToPaidParams(RuleParams):
    """Nothing to tune: `plans.free` says what pays."""


class ConvertedToPaid(WorkspaceRule):
    """Fires at the step from a plan that costs nothing to one that does; a customer on day one converts nothing."""

    name = "converted_to_paid"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.PLAN})
    play = "They buy. Thank them, and hand over to whoever looks after customers."

    def __init__(self, params: ConvertedToPaidParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if it pays now and did not before."""
        step = change.plan
        if step is None or not workspace.has_converted(step):
            return None
        return Finding({"plan": step.after, "previous_plan": step.before})

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the plan."""
        return f"now pays ({evidence['plan']})"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the plan, and the one before."""
        return [Why("plan", evidence["plan"]), Why("previous_plan", evidence["previous_plan"])]
