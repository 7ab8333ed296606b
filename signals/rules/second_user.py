"""Expansion: a workspace is no longer used by one person alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState

_MEMBERS = 2


class SecondUserParams(RuleParams):
    """Nothing to tune: the second member, once ever."""


class SecondUser(WorkspaceRule):
    """Fires when the member count reaches 2, once ever."""

    name = "second_user"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.MEMBERS})
    play = "A team is forming. Offer help with inviting the rest of it; do not sell yet."

    def __init__(self, params: SecondUserParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if the workspace has two members for the first time."""
        if workspace.members < _MEMBERS or self.name in workspace.fired:
            return None
        return Finding({"members": workspace.members})

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Count the members that are missing."""
        missing = _MEMBERS - workspace.members
        if self.name in workspace.fired or missing <= 0:
            return None
        return f"{missing} more member{'s' if missing > 1 else ''}"

    def headline(self, evidence: Evidence) -> str:  # noqa: ARG002
        """Say it."""
        return "a second person joined"

    def family(self, evidence: Evidence) -> tuple[str, float]:  # noqa: ARG002
        """The beginning of a team."""
        return "team", 1.0

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the members against two."""
        return [Why("members", evidence["members"], _MEMBERS)]
