"""Risk: who used the product most in a paying workspace is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule
from signals.units import Duration, PositiveDuration, milliseconds

if TYPE_CHECKING:
    from signals.billing import Terms
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class ChampionLeftParams(RuleParams):
    """After how long without activity a power user has left, and when the same one may be said again."""

    after: PositiveDuration = timedelta(days=14)
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=30)


class ChampionLeft(WorkspaceRule):
    """Fires when a power user of a paying workspace is removed or stays away, at most once per user and cooldown."""

    name = "champion_left"
    kind = Kind.RISK
    triggers = frozenset({Trigger.CHAMPION})
    play = "Their strongest user is gone. Find out who follows, and win that person before the next renewal."

    def __init__(self, params: ChampionLeftParams, terms: Terms) -> None:
        self.params = params
        self._terms = terms
        self._cooldown_ms = milliseconds(params.cooldown)

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if the workspace pays, unless the same user fired less than a cooldown before, in event time."""
        plan, user = workspace.billing.plan, fact.user_id
        if fact.champion is None or user is None or plan is None or not self._terms.is_paying(plan.name):
            return None
        if workspace.is_cooling_down(self.name, fact.time, self._cooldown_ms, user):
            return None
        return Finding({"reason": fact.champion, "plan": plan.name}, key=user)

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return "a power user was removed" if evidence["reason"] == "removed" else "a power user stays away"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name how, and the plan."""
        return [Why("champion", evidence["reason"]), Why("plan", evidence["plan"])]
