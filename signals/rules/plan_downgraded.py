"""Risk: a paying workspace went to a smaller plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class PlanDowngradedParams(RuleParams):
    """Nothing to tune: `plans.order` ranks the plans."""


class PlanDowngraded(WorkspaceRule):
    """Fires at the step from a paid plan to one of a lower rank in `plans.order`."""

    name = "plan_downgraded"
    kind = Kind.RISK
    triggers = frozenset({Trigger.PLAN})
    play = "Something was not worth its price. Ask what they no longer need before they need nothing."

    def __init__(self, params: PlanDowngradedParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if both plans are paid and ranked, and the new one is lower (SIGNALS A22)."""
        step = change.plan
        if step is None or not (step.was_paying and step.is_paying) or step.ranks is None or step.ranks >= 0:
            return None
        return Finding({"plan": step.after, "previous_plan": step.before})

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the names of both plans."""
        return f"downgraded from {evidence['previous_plan']} to {evidence['plan']}"

    def family(self, evidence: Evidence) -> tuple[str, float]:  # noqa: ARG002
        """A way to pay less."""
        return "contraction", 2.0

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the plan, and the one before."""
        return [Why("plan", evidence["plan"]), Why("previous_plan", evidence["previous_plan"])]
