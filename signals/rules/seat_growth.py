"""Expansion: clearly more people use the product than two weeks ago."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from operator import sub
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.moments import day_iso
from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule
from signals.units import Duration, Window

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.window import WindowRing
    from signals.workspace import Change, WorkspaceState

_DIGITS = 3


class SeatGrowthParams(RuleParams):
    """By how much the people of a window outnumber those of the window before, and when it may be said again."""

    window: Window = 14
    users: int = Field(default=3, ge=1)
    ratio: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 0.5
    # From so many on growth means something.
    earlier: int = Field(default=1, ge=1)
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=14)


class SeatGrowth(WorkspaceRule):
    """Fires at the earliest window end with enough more active users than a window before, later than the last."""

    name = "seat_growth"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.ACTIVE_DAY})
    play = "The team is growing. Ask who the new people are, and offer a plan that fits all of them."

    def __init__(self, params: SeatGrowthParams) -> None:
        self.params = params
        self._users = params.users
        # As `multi_user` has it (SIGNALS A9).
        self._days_between = max(1, ceil(params.cooldown / timedelta(days=1)))

    @property
    def window(self) -> int:
        """The window whose ring the rule reads."""
        return self.params.window

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Judge every window end that the active day has raised, in rising order; the first that qualifies fires."""
        raised = change.raised.get(self.params.window)
        if not raised:
            return None
        ring, last, start = workspace.rings[self.params.window], workspace.fired.get(self.name), raised.start
        if last is not None and last.end is not None:
            start = max(start, last.end + self._days_between)
        # Before the ring's first end nobody was active, and nothing grows from nobody.
        counts, first, window = ring.counts, ring.first, self.params.window
        start = max(start, first + window)
        if start >= raised.stop:
            return None
        if start + 1 == raised.stop and counts[start - first] - counts[start - first - window] < self._users:
            # Most often it is one end.
            return None
        now = counts[start - first : raised.stop - first]
        before = counts[start - first - window : raised.stop - first - window]
        if max(map(sub, now, before)) < self._users:
            return None
        for end, users, earlier in zip(range(start, raised.stop), now, before, strict=True):
            if self._is_met(users, earlier):
                return Finding(self._evidence(users, earlier, end), end=end)
        return None

    def _evidence(self, users: int, earlier: int, end: int) -> Evidence:
        return {
            "active_users": users,
            "earlier_active_users": earlier,
            "growth": users - earlier,
            "threshold": self.params.users,
            "ratio": (users - earlier) / earlier,
            "ratio_threshold": self.params.ratio,
            "window": self.params.window,
            "window_end": day_iso(end),
        }

    def _counts(self, ring: WindowRing, end: int) -> tuple[int, int]:
        return ring.count(end), ring.count(end - self.params.window)

    def _is_met(self, users: int, earlier: int) -> bool:
        growth, params = users - earlier, self.params
        return growth >= params.users and earlier >= params.earlier and growth / earlier >= params.ratio

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:
        """It is over once the team is no longer larger by as much."""
        ring = workspace.rings.get(self.params.window)
        return ring is not None and self._is_met(*self._counts(ring, day))

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Count the active users that are missing, now or before."""
        ring, params = workspace.rings.get(self.params.window), self.params
        users, earlier = (0, 0) if ring is None else self._counts(ring, day)
        if earlier < params.earlier:
            return f"{params.earlier} active in the {params.window} days before, for something to grow from"
        # To within a rounding of the ratio: for people.
        wanted = max(params.users, ceil(params.ratio * earlier)) - (users - earlier)
        if wanted <= 0:
            return None
        return f"{wanted} more active user{'s' if wanted > 1 else ''} within {params.window} days"

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        now, before = evidence["active_users"], evidence["earlier_active_users"]
        return f"{now} people active in {evidence['window']} days, {before} in those before"

    def family(self, evidence: Evidence) -> tuple[str, float]:  # noqa: ARG002
        """Between a second person and a whole team."""
        return "team", 1.5

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the growth against both thresholds."""
        ratio = evidence["ratio"]
        shown = round(ratio, _DIGITS) if isinstance(ratio, float) else ratio
        return [
            Why("more_active_users", evidence["growth"], evidence["threshold"]),
            Why("growth_ratio", shown, evidence["ratio_threshold"]),
        ]
