"""Intent: a user keeps trying a feature that the plan does not include."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.attempts import attempts_in
from signals.event import Role
from signals.rule import Evidence, Finding, Kind, RuleParams, UserRule, Why
from signals.units import Duration, Window, milliseconds, plural

if TYPE_CHECKING:
    from signals.event import Event
    from signals.user import Progress, UserState


class GatedFeatureParams(RuleParams):
    """How many attempts in which window are meant seriously, and how long they stay one signal."""

    attempts: int = Field(default=2, ge=1)
    window: Window = 7
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=7)


class GatedFeature(UserRule):
    """Fires at an attempt whose window holds enough of them, at most once per user, feature and cooldown."""

    name = "gated_feature"
    kind = Kind.INTENT
    roles = frozenset({Role.FEATURE_GATED})
    play = "They want more than the plan gives. Offer a trial of the plan that includes the feature."

    def __init__(self, params: GatedFeatureParams) -> None:
        self.params = params
        self._cooldown_ms = milliseconds(params.cooldown)

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:
        """Count the attempts up to the day of this one; firing resets no count (SIGNALS A26)."""
        attempt = progress.attempt
        if attempt is None:
            return None
        count = attempts_in(user.gated[attempt.feature], self.params.window, attempt.day)
        if count < self.params.attempts:
            return None
        if user.is_cooling_down(self.name, event.time, self._cooldown_ms, attempt.feature):
            return None
        evidence: Evidence = {
            "feature": attempt.feature,
            "attempts": count,
            "threshold": self.params.attempts,
            "window": self.params.window,
        }
        return Finding(evidence, key=attempt.feature)

    def gap(self, user: UserState, now: int, day: int) -> str | None:
        """What the feature that lacks least lacks today; those that fired lately are left out."""
        params, nearest = self.params, ""
        missing = params.attempts
        for feature, days in user.gated.items():
            lacking = params.attempts - attempts_in(days, params.window, day)
            if not user.is_cooling_down(self.name, now, self._cooldown_ms, feature) and lacking < missing:
                # Enough attempts inside a cooldown that is over now: the next one fires.
                missing, nearest = max(1, lacking), feature or "a feature without a name"
        what = f" at {nearest}" if nearest else " at the same feature"
        return (
            f"{plural(missing, 'more attempt' if nearest else 'attempt')}{what} within {plural(params.window, 'day')}"
        )

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the feature where it has one."""
        feature = evidence["feature"] or "a feature outside the plan"
        return f"tried {feature} {evidence['attempts']} times in {evidence['window']} days"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the attempts in the window against the threshold."""
        reasons = [Why(f"attempts_{evidence['window']}d", evidence["attempts"], evidence["threshold"])]
        if evidence["feature"]:
            reasons.append(Why("gated_feature", evidence["feature"]))
        return reasons
