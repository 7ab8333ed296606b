"""Intent: somebody asked for what only a purchase needs: a contract, a security review, an invoice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from signals.event import Role
from signals.rule import Evidence, Finding, Kind, RuleParams, Why, WorkspaceRule
from signals.units import Duration, milliseconds

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class ProcurementParams(RuleParams):
    """How long the same kind of request of the same workspace stays one request."""

    cooldown: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def _cooldown_is_not_negative(self) -> Self:
        if self.cooldown < timedelta(0):
            raise ValueError("cooldown must not be negative")
        return self


class Procurement(WorkspaceRule):
    """Fires at each `procurement_requested`, at most once per request type and cooldown."""

    name = "procurement"
    kind = Kind.INTENT
    triggers = frozenset({Role.PROCUREMENT_REQUESTED})
    before_activation = True
    play = "They are buying. Answer today with what they asked for, and offer a named contact."

    def __init__(self, params: ProcurementParams) -> None:
        self.params = params
        self._cooldown_ms = milliseconds(params.cooldown)

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire unless the same type of request fired less than a cooldown before, in event time."""
        request = fact.matched or fact.name or ""
        last = workspace.last_fired(self.name, request)
        # An event from before the last firing is inside its cooldown too (SIGNALS A8).
        if last is not None and fact.time < last.time + self._cooldown_ms:
            return None
        return Finding({"request": request}, key=request)

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the request."""
        return f"asked for procurement ({evidence['request']})"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the request; one is enough."""
        return [Why("procurement_request", evidence["request"])]
