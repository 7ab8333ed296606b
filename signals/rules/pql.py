"""Intent: the workspace has shown enough, by use and by who it is, that somebody should talk to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from signals.rule import DerivedRule, Evidence, Finding, Kind, RuleParams, Why
from signals.score import LEVELS, PQL
from signals.units import Duration, milliseconds

if TYPE_CHECKING:
    from signals.facts import Firing
    from signals.score import Scoring
    from signals.workspace import WorkspaceState

_Level = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
# The parts that an alert names; the heaviest say why.
_NAMED_PARTS = 5
_DIGITS = 1
# A score is shown to one decimal and must not seem to have reached what it has not.
_STEP = 10**_DIGITS


class PqlParams(RuleParams):
    """How high a score is worth a look, and a talk; how far below a level arms it again; when it may be said again."""

    attention: _Level = 50.0
    ready: _Level = 80.0
    hysteresis: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 10.0
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=14)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.ready <= self.attention:
            raise ValueError(f"ready must be above attention, got {self.ready:g} and {self.attention:g}")
        return self


class Pql(DerivedRule):
    """
    Fires for the highest level that the score reaches.

    Reaching a level is reaching those below it, too: they are spent with it. A level is armed again once the score has
    been more than the hysteresis below it.
    """

    name = PQL
    kind = Kind.INTENT
    on_score = True
    play = "The account qualifies by its use. Read why it does, and start the talk with what they do most."

    def __init__(self, params: PqlParams, scoring: Scoring) -> None:
        self.params = params
        self._scoring = scoring
        self._cooldown_ms = milliseconds(params.cooldown)
        self._thresholds = dict(zip(LEVELS, (params.attention, params.ready), strict=True))

    def judge_derived(self, workspace: WorkspaceState, firings: Sequence[Firing], time: int) -> Finding | None:  # noqa: ARG002
        """Fire if the highest level reached is armed, and it and those above it are quiet for a cooldown."""
        if not self._scoring.may_reach(workspace, self.params.attention):
            return None
        # What the clock tells late (a sign-up that stalled long ago) is no reason to undo the fading since.
        at = max(time, workspace.until)
        reached = self._scoring.score(workspace, at)
        if reached < self.params.attention:
            return None
        level = LEVELS[-1] if reached >= self.params.ready else LEVELS[0]
        if not self._may_fire(workspace, level, time):
            return None
        score, parts = self._scoring.standing(workspace, at).shown()
        evidence: Evidence = {"level": level, "score": score, "threshold": self._thresholds[level]}
        evidence.update(parts)
        return Finding(evidence, key=level, threshold=self._thresholds[level])

    def _may_fire(self, workspace: WorkspaceState, level: str, time: int) -> bool:
        threshold, hysteresis = self._thresholds[level], self.params.hysteresis
        for one in LEVELS[LEVELS.index(level) :]:
            last = workspace.last_fired(self.name, one)
            is_spent = last is not None and (last.low is None or last.low >= last.below(threshold) - hysteresis)
            # Inside the cooldown it neither fires nor disarms (SIGNALS A10).
            if is_spent or workspace.is_cooling_down(self.name, time, self._cooldown_ms, one):
                return False
        return True

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:  # noqa: ARG002 - a moment is asked for
        """It is over once the score has fallen below the lowest level."""
        return self._scoring.score(workspace, workspace.until) >= self.params.attention

    def family(self, evidence: Evidence) -> tuple[str, float] | None:
        """One story: while sales has a ready one open, that it deserves attention is no news."""
        return PQL, float(LEVELS.index(str(evidence["level"])))

    def is_pressing(self, evidence: Evidence) -> bool:
        """A ready one is worth more of a hurry than one that deserves attention."""
        return evidence["level"] == LEVELS[-1]

    def alerted_as(self, evidence: Evidence) -> str:
        """By level: that sales has heard of the first one keeps nobody from hearing of the next."""
        return f"{self.name}|{evidence['level']}"

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        what = "ready for a talk" if evidence["level"] == LEVELS[-1] else "deserves attention"
        return f"{what} (score {evidence['score']:g})"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the score against its level, and name the parts that count most, for and against."""
        parts = [(name, points) for name, points in evidence.items() if "." in name and isinstance(points, float)]
        heaviest = sorted(parts, key=lambda part: -abs(part[1]))[:_NAMED_PARTS]
        return [
            Why("score", evidence["score"], evidence["threshold"]),
            *(Why(name, points) for name, points in heaviest),
        ]

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Say how many points are missing to the next level."""
        score = self._scoring.score(workspace, now)
        for level, threshold in self._thresholds.items():
            if score < threshold:
                missing = -(-round((threshold - score) * _STEP, 3) // 1) / _STEP
                return f"{missing:g} more points for {level}"
        return None
