"""Risk: a workspace has fewer seats than before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class SeatsRemovedParams(RuleParams):
    """Nothing to tune: every change counts."""


class SeatsRemoved(WorkspaceRule):
    """Fires whenever the number of seats falls below the last known."""

    name = "seats_removed"
    kind = Kind.RISK
    triggers = frozenset({Trigger.SEATS})
    play = "The team shrinks, or part of it left the product. Ask who stopped using it, and why."

    def __init__(self, params: SeatsRemovedParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if there are fewer seats than were last known."""
        step = change.seats
        # The first known seats are a baseline (SIGNALS A32).
        if step is None or step.before is None or step.after >= step.before:
            return None
        return Finding({"seats": step.after, "previous_seats": step.before})

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return f"seats cut from {evidence['previous_seats']} to {evidence['seats']}"

    def family(self, evidence: Evidence) -> tuple[str, float]:  # noqa: ARG002
        """The mildest way to pay less."""
        return "contraction", 1.0

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the seats against those before."""
        return [Why("seats", evidence["seats"], evidence["previous_seats"])]
