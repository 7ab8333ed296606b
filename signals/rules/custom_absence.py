"""A signal of the config's own: after one event of a user, or of a workspace, another has not come for a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from signals.custom_rule import CustomRule, any_of
from signals.moments import iso
from signals.rule import Evidence, Finding, UserTimer, Why, WorkspaceTimer
from signals.units import format_duration, milliseconds

if TYPE_CHECKING:
    from signals.custom import CustomAbsence
    from signals.event import Scalar
    from signals.fired import FiredState
    from signals.timers import Timer
    from signals.user import UserState
    from signals.workspace import WorkspaceState


class _Absence(CustomRule):
    """Fires when the wait is over, unless it fired less than a cooldown before, in event time."""

    def __init__(self, name: str, stanza: CustomAbsence) -> None:
        super().__init__(name, stanza)
        self.stanza = stanza
        self.unless = any_of(stanza.without)
        self._for_ms, self._cooldown_ms = milliseconds(stanza.for_), milliseconds(stanza.cooldown)
        seconds = stanza.for_.total_seconds()
        self._seconds = int(seconds) if seconds.is_integer() else seconds

    def end(self, timer: Timer) -> int:
        """When a wait is over."""
        return timer.since + self._for_ms

    def find(self, state: FiredState, timer: Timer) -> Finding | None:
        """What came would have taken the timer away."""
        if state.is_cooling_down(self.name, self.end(timer), self._cooldown_ms):
            return None
        evidence: Evidence = {
            "after": str(timer.about or ""),
            "since": iso(timer.since),
            "waited": self._seconds,
            "threshold": self._seconds,
        }
        return Finding(evidence)

    def in_numbers(self, evidence: Evidence) -> str:
        """Say it."""
        after = evidence.get("after") or any_of(self.stanza.after)
        return f"no {self.unless} within {_duration(evidence.get('waited'), self.stanza)} after {after}"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the time that has passed against that which was given."""
        waited, given = (_duration(evidence.get(name), self.stanza) for name in ("waited", "threshold"))
        return [Why("after", evidence.get("after")), Why("without", self.unless), Why("waited", waited, given)]


def _duration(seconds: Scalar | None, stanza: CustomAbsence) -> str:
    """A time of the evidence for people."""
    return format_duration(timedelta(seconds=seconds) if isinstance(seconds, int | float) else stanza.for_)


class CustomUserAbsence(_Absence, UserTimer):
    """The wait for a user."""

    def due(self, user: UserState, key: str, timer: Timer) -> int | None:  # noqa: ARG002
        """A time after the event that set it; never for one who has turned out to be our own (SIGNALS A20)."""
        return None if user.has_internal_address else self.end(timer)

    def judge_due(self, user: UserState, key: str, timer: Timer) -> Finding | None:  # noqa: ARG002
        """See `_Absence.find`."""
        return self.find(user, timer)


class CustomWorkspaceAbsence(_Absence, WorkspaceTimer):
    """The wait for a workspace."""

    def due(self, workspace: WorkspaceState, key: str, timer: Timer) -> int | None:  # noqa: ARG002
        """A time after the event that set it."""
        return self.end(timer)

    def judge_due(self, workspace: WorkspaceState, key: str, timer: Timer) -> Finding | None:  # noqa: ARG002
        """See `_Absence.find`."""
        return self.find(workspace, timer)
