"""Expansion: a paying workspace went to a larger plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class PlanUpgradedParams(RuleParams):
    """Nothing to tune: `plans.order` ranks the plans."""


class PlanUpgraded(WorkspaceRule):
    """Fires at the step from a paid plan to one of a higher rank in `plans.order`."""

    name = "plan_upgraded"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.PLAN})
    play = "They grow. Ask what made the difference; there may be more teams like this one."

    def __init__(self, params: PlanUpgradedParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if both plans are paid and ranked, and the new one is higher (SIGNALS A22)."""
        step = change.plan
        if step is None or not step.is_upgrade:
            return None
        return Finding({"plan": step.after, "previous_plan": step.before})

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the names of both plans."""
        return f"upgraded from {evidence['previous_plan']} to {evidence['plan']}"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the plan, and the one before."""
        return [Why("plan", evidence["plan"]), Why("previous_plan", evidence["previous_plan"])]
