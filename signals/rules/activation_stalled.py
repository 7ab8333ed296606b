"""Risk: a user has signed up and has not reached the value moment for long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, UserTimer, Why
from signals.units import PositiveDuration, milliseconds, plural
from signals.user import STALLED

if TYPE_CHECKING:
    from signals.timers import Timer
    from signals.user import UserState
    from signals.workspace import WorkspaceState

_SECOND_MS, _HOUR_S = 1_000, 3_600


class ActivationStalledParams(RuleParams):
    """How long after the sign-up nobody is surprised that a user has not activated."""

    after: PositiveDuration = timedelta(hours=24)


class ActivationStalled(UserTimer):
    """Fires once, `after` the first sign-up of a user who has not activated."""

    name = STALLED
    kind = Kind.RISK
    play = "They signed up and got stuck. Ask what is missing and help with the first step; do not sell."
    unless = "the user activates before"

    def __init__(self, params: ActivationStalledParams) -> None:
        self.params = params
        self._after_ms = milliseconds(params.after)

    def due(self, user: UserState, key: str, timer: Timer) -> int | None:  # noqa: ARG002
        """So long after the sign-up; nobody waits after an activation."""
        return timer.since + self._after_ms if user.activated_at is None else None

    def judge_due(self, user: UserState, key: str, timer: Timer) -> Finding | None:  # noqa: ARG002
        """Fire: an activation would have ended the wait."""
        if user.has_fired(self.name):
            return None
        waited = self._after_ms / _SECOND_MS
        seconds = int(waited) if waited == int(waited) else waited
        return Finding({"since_sign_up": seconds, "threshold": seconds})

    def headline(self, evidence: Evidence) -> str:
        """Say it, with the time in whole hours where it has some."""
        waited = evidence["since_sign_up"]
        assert isinstance(waited, int | float)
        hours = int(waited // _HOUR_S)
        return f"not activated {plural(hours, 'hour') if hours else f'{waited} seconds'} after sign-up"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the time since the sign-up against the threshold."""
        return [Why("since_sign_up", evidence["since_sign_up"], evidence["threshold"])]

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:  # noqa: ARG002
        """No: what releases a held signal is an activation, maybe the one that was waited for."""
        return False
