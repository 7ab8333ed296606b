"""Expansion: a whole team uses the product in the same week. The moment at which a team plan sells itself."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from signals.mistakes import misplaced
from signals.moments import day_iso
from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule
from signals.units import Duration, Window

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.fired import Fired
    from signals.window import WindowRing
    from signals.workspace import Change, WorkspaceState


class MultiUserParams(RuleParams):
    """How many people in which window make a team, and when it may be said again."""

    window: Window = 7
    active_users: int = Field(default=5, ge=1)
    # It must have been as quiet as this in between before the signal may fire again.
    rearm_at: int = Field(default=3, ge=0)
    cooldown: Duration = timedelta(days=30)

    @model_validator(mode="after")
    def _rearms_below_the_threshold(self) -> Self:
        if self.rearm_at >= self.active_users:
            problem = (
                f"must be less than active_users ({self.active_users}), or the signal could repeat at every event; "
                f"got {self.rearm_at}"
            )
            raise misplaced(("rearm_at",), self.rearm_at, problem)
        return self


class MultiUser(WorkspaceRule):
    """Fires at the earliest window end with enough distinct active users, later than the last one that fired."""

    name = "multi_user"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.ACTIVE_DAY})
    looks_back = True
    play = "Several people depend on it. Offer a team plan and a short session for the whole team."

    def __init__(self, params: MultiUserParams) -> None:
        self.params = params
        # Elapsed time between two window ends counts 24 h a day (SIGNALS A9); exactly the cooldown is enough. The next
        # end is later than the last all the same.
        self._days_between = max(1, ceil(params.cooldown / timedelta(days=1)))

    @property
    def window(self) -> int:
        """The window whose ring the rule reads."""
        return self.params.window

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Judge every window end that the active day has raised, in rising order; the first that qualifies fires."""
        params = self.params
        raised = change.raised.get(params.window)
        if not raised:
            return None
        ring, last, start = workspace.rings[params.window], workspace.fired.get(self.name), raised.start
        if last is not None and last.end is not None:
            start = max(start, last.end + self._days_between)
        if start >= raised.stop:
            return None
        # Every end that was raised is in the ring; what is not armed by the last of them is not by an earlier one.
        counts, first = ring.counts, ring.first
        # Most often it is one.
        most = counts[start - first] if start + 1 == raised.stop else max(counts[start - first : raised.stop - first])
        if most < params.active_users or not self._is_armed(ring, last, raised.stop):
            return None
        for end in range(start, raised.stop):
            users = ring.count(end)
            if users >= params.active_users and self._is_armed(ring, last, end):
                evidence: Evidence = {
                    "active_users": users,
                    "threshold": self.params.active_users,
                    "window": self.params.window,
                    "window_end": day_iso(end),
                }
                return Finding(evidence, end=end)
        return None

    def _is_armed(self, ring: WindowRing, last: Fired | None, end: int) -> bool:
        if last is None or last.end is None:
            return True
        forgotten = last.low is not None and last.low <= self.params.rearm_at
        if forgotten:
            return True
        lowest = ring.lowest(after=last.end, before=end)
        return lowest is not None and lowest <= self.params.rearm_at

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Count the active users that are missing: first for it to be armed again, then for it to fire."""
        ring, last, window = workspace.rings.get(self.params.window), workspace.fired.get(self.name), self.params.window
        users = 0 if ring is None else ring.count(day)
        if ring is not None and users > self.params.rearm_at and not self._is_armed(ring, last, day):
            return f"armed again by {self.params.rearm_at} or fewer active users within {window} days, {users} now"
        missing = self.params.active_users - users
        return f"{missing} more active user{'s' if missing > 1 else ''} within {window} days" if missing > 0 else None

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:
        """The team is still there as long as the signal would not be armed again."""
        ring = workspace.rings.get(self.params.window)
        return ring is not None and ring.count(day) > self.params.rearm_at

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return f"{evidence['active_users']} people active in {evidence['window']} days"

    def family(self, evidence: Evidence) -> tuple[str, float]:  # noqa: ARG002
        """A team that is there."""
        return "team", 2.0

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the distinct active users of the window against the threshold."""
        fact = f"active_users_{evidence['window']}d"
        return [Why(fact, evidence["active_users"], evidence["threshold"])]
