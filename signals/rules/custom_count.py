"""A signal of the config's own: a user, or a workspace, has had so many of some events within a window of days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.attempts import attempts_in
from signals.custom_rule import CustomRule, any_of, in_days
from signals.rule import Evidence, Finding, UserRule, Why, WorkspaceRule
from signals.units import milliseconds

if TYPE_CHECKING:
    from signals.custom import CustomCount
    from signals.event import Event
    from signals.facts import Fact
    from signals.fired import FiredState
    from signals.user import Progress, UserState
    from signals.workspace import Change, WorkspaceState


class _Count(CustomRule):
    """Fires at an event whose window, the days up to its own, holds enough of them, at most once per cooldown."""

    def __init__(self, name: str, stanza: CustomCount) -> None:
        super().__init__(name, stanza)
        self.stanza = stanza
        self._cooldown_ms = milliseconds(stanza.cooldown)

    def find(
        self, state: FiredState, counts: dict[str, dict[int, int]], time: int, day: int, event: str | None
    ) -> Finding | None:
        """Count up to the day of this event; firing resets no count."""
        count = attempts_in(counts.get(self.name, {}), self.stanza.window, day)
        if count < self.stanza.threshold or state.is_cooling_down(self.name, time, self._cooldown_ms):
            return None
        evidence: Evidence = {
            "event": event or "",
            "count": count,
            "threshold": self.stanza.threshold,
            "window": self.stanza.window,
        }
        return Finding(evidence)

    def missing(self, counts: dict[str, dict[int, int]], day: int) -> str | None:
        """How many are missing on a day, for people."""
        missing = self.stanza.threshold - attempts_in(counts.get(self.name, {}), self.stanza.window, day)
        if missing <= 0:
            return None
        return f"{missing} more {any_of(self.stanza.events)} within {self.stanza.window} days"

    def in_numbers(self, evidence: Evidence) -> str:
        """Say it."""
        count, days = evidence.get("count"), evidence.get("window", self.stanza.window)
        times = "once" if count == 1 else f"{count or 'several'} times"
        return f"{any_of(self.stanza.events)} {times} {in_days(days)}"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the events of the window against the threshold."""
        days = evidence.get("window", self.stanza.window)
        return [Why(f"{self.name}_{days}d", evidence.get("count"), evidence.get("threshold"))]


class CustomUserCount(_Count, UserRule):
    """The count of a user."""

    # No role asks it; the marks of the event do.
    roles = frozenset()

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:
        """Count what the user did, wherever it was."""
        day = progress.custom.day if progress.custom is not None else 0
        return self.find(user, user.custom, event.time, day, event.matched)

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002
        """How many are missing."""
        return self.missing(user.custom, day)


class CustomWorkspaceCount(_Count, WorkspaceRule):
    """The count of a workspace."""

    triggers = frozenset()

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:
        """Count what happened in the workspace, whoever did it."""
        day = change.custom.day if change.custom is not None else 0
        return self.find(workspace, workspace.custom, fact.time, day, fact.matched)

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """How many are missing."""
        return self.missing(workspace.custom, day)
