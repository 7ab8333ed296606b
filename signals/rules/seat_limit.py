"""Expansion: a workspace is close to the number of seats it pays for."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule
from signals.units import Duration, milliseconds

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState

_DIGITS = 3


class SeatLimitParams(RuleParams):
    """How full is nearly full, from how many seats on, and when it may be said again."""

    ratio: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] = 0.8
    min_seats: int = Field(default=2, ge=1)
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=14)


class SeatLimit(WorkspaceRule):
    """Fires when members or seats change and enough seats are taken; fewer taken in between arm it again."""

    name = "seat_limit"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.MEMBERS, Trigger.SEATS})
    play = "The next colleague may not fit. Offer more seats before somebody is turned away."

    def __init__(self, params: SeatLimitParams) -> None:
        self.params = params
        self._cooldown_ms = milliseconds(params.cooldown)

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if enough seats are taken, it is armed, and the last firing is a cooldown ago in event time."""
        seats, used = workspace.billing.seats, workspace.seats_used
        if seats is None or used is None or not self._is_met(seats.count, used):
            return None
        last = workspace.last_fired(self.name)
        is_armed = last is None or (last.low is not None and last.low < last.below(self.params.ratio))
        # Inside the cooldown it neither fires nor disarms (SIGNALS A10).
        if not is_armed or workspace.is_cooling_down(self.name, fact.time, self._cooldown_ms):
            return None
        evidence: Evidence = {
            "members": workspace.members,
            "seats": seats.count,
            "ratio": used,
            "threshold": self.params.ratio,
        }
        return Finding(evidence, threshold=self.params.ratio)

    def _is_met(self, seats: float, used: float) -> bool:
        return seats >= self.params.min_seats and used >= self.params.ratio

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:  # noqa: ARG002
        """It is over once enough seats are free again."""
        seats, used = workspace.billing.seats, workspace.seats_used
        return seats is not None and used is not None and self._is_met(seats.count, used)

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Count the members that are missing."""
        seats = workspace.billing.seats
        if seats is None:
            return "the number of seats is not known"
        if seats.count < self.params.min_seats:
            return f"at least {self.params.min_seats} seats"
        # Not rounded by multiplying: the ratio is what is compared.
        wanted = next(
            n for n in count(int(self.params.ratio * seats.count) - 1) if n / seats.count >= self.params.ratio
        )
        missing = wanted - workspace.members
        if missing <= 0:
            return None
        return f"{missing} more member{'s' if missing > 1 else ''} until {self.params.ratio:g} of {seats.count:g} seats"

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return f"{evidence['members']} of {evidence['seats']} seats taken"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the ratio against the threshold, and the members against the seats."""
        ratio = evidence["ratio"]
        shown = round(ratio, _DIGITS) if isinstance(ratio, float) else ratio
        return [
            Why("seat_ratio", shown, evidence["threshold"]),
            Why("members", evidence["members"], evidence["seats"]),
        ]
