"""A signal of the config's own: so many users of a workspace did some thing within a window of days."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from signals.custom_rule import CustomRule, any_of, in_days
from signals.custom_state import ring_key
from signals.moments import day_iso
from signals.rule import Evidence, Finding, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.custom import CustomDistinctUsers as Stanza
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class CustomDistinctUsers(CustomRule, WorkspaceRule):
    """Fires at the earliest window end with enough distinct users, a cooldown or more after the last one that fired."""

    triggers = frozenset()

    def __init__(self, name: str, stanza: Stanza) -> None:
        super().__init__(name, stanza)
        self.stanza = stanza
        self._ring = ring_key(name, stanza.window)
        # As `multi_user`: elapsed time between two window ends, the next one later than the last in any case.
        self._days_between = max(1, ceil(stanza.cooldown / timedelta(days=1)))

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Judge every window end that the day has raised, in rising order; the first that qualifies fires."""
        raised = change.custom.raised.get(self.name) if change.custom is not None else None
        ring = workspace.custom_rings.get(self._ring)
        if not raised or ring is None:
            return None
        last, start = workspace.last_fired(self.name), raised.start
        if last is not None and last.end is not None:
            start = max(start, last.end + self._days_between)
        for end in range(start, raised.stop):
            users = ring.count(end)
            if users >= self.stanza.threshold:
                evidence: Evidence = {
                    "users": users,
                    "threshold": self.stanza.threshold,
                    "window": self.stanza.window,
                    "window_end": day_iso(end),
                }
                return Finding(evidence, end=end)
        return None

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:
        """As many of them are there on the day."""
        ring = workspace.custom_rings.get(self._ring)
        return ring is not None and ring.count(day) >= self.stanza.threshold

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """How many users are missing."""
        ring = workspace.custom_rings.get(self._ring)
        missing = self.stanza.threshold - (ring.count(day) if ring is not None else 0)
        if missing <= 0:
            return None
        return f"{missing} more users with {any_of(self.stanza.events)} within {self.stanza.window} days"

    def in_numbers(self, evidence: Evidence) -> str:
        """Say it."""
        days = evidence.get("window", self.stanza.window)
        return f"{evidence.get('users', 'several')} people with {any_of(self.stanza.events)} {in_days(days)}"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the distinct users of the window against the threshold."""
        days = evidence.get("window", self.stanza.window)
        return [Why(f"{self.name}_users_{days}d", evidence.get("users"), evidence.get("threshold"))]
