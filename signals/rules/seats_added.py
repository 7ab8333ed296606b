"""Expansion: a workspace has more seats than before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class SeatsAddedParams(RuleParams):
    """Nothing to tune: every change counts."""


class SeatsAdded(WorkspaceRule):
    """Fires whenever the number of seats rises above the last known."""

    name = "seats_added"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.SEATS})
    play = "They grow. See who joins, and whether the plan still fits."

    def __init__(self, params: SeatsAddedParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if there are more seats than were last known."""
        step = change.seats
        # The first known seats are a baseline (SIGNALS A32).
        if step is None or step.before is None or step.after <= step.before:
            return None
        return Finding({"seats": step.after, "previous_seats": step.before})

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return f"seats raised from {evidence['previous_seats']} to {evidence['seats']}"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the seats against those before."""
        return [Why("seats", evidence["seats"], evidence["previous_seats"])]
