"""Expansion: a workspace uses the product far more than it used to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.moments import day_iso
from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule
from signals.units import Duration, milliseconds
from signals.volume import COMPARED_DAYS, WEEK, has_history

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.moments import Days
    from signals.workspace import Change, WorkspaceState

_DIGITS = 2


class UsageSpikeParams(RuleParams):
    """How much more is a spike, from how much use and how many people on, and when it may be said again."""

    ratio: Annotated[float, Field(gt=1, le=1_000, allow_inf_nan=False)] = 2.0
    min_events: int = Field(default=20, ge=1)
    active_users: int = Field(default=2, ge=1)
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=14)


class UsageSpike(WorkspaceRule):
    """Fires when the core events of 7 days reach a multiple of the mean of the four 7-day blocks before."""

    name = "usage_spike"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.VOLUME})
    play = "Something new has started there. Ask what it is, and whether the plan fits it."

    def __init__(self, params: UsageSpikeParams, days: Days) -> None:
        self.params = params
        self._days = days
        self._cooldown_ms = milliseconds(params.cooldown)

    @property
    def window(self) -> int:
        """The days in which people count as active: the same 7."""
        return WEEK

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if there is history to compare with, enough use by enough people, and a cooldown is over."""
        volume, params = workspace.volume, self.params
        if volume is None:
            return None
        # Said no in nearly every case, so without a call: too few events, or not enough more than usual.
        counts = volume.counts
        events = sum(counts[-WEEK:])
        if events < params.min_events or len(counts) <= WEEK:
            return None
        usual = sum(counts[-COMPARED_DAYS:-WEEK])
        if usual == 0 or events / (usual / 4) < params.ratio:
            return None
        # The newest day is under way; what it has so far counts, for more can only raise it.
        end = volume.newest
        measured = self._measure(workspace, end)
        # Last, because nearly every other condition says no at a smaller cost.
        if measured is None or workspace.is_cooling_down(self.name, fact.time, self._cooldown_ms):
            return None
        events, mean, users = measured
        evidence: Evidence = {
            "core_events": events,
            "mean": mean,
            "ratio": events / mean,
            "threshold": self.params.ratio,
            "active_users": users,
            "window_end": day_iso(end),
        }
        return Finding(evidence)

    def _measure(self, workspace: WorkspaceState, end: int) -> tuple[int, float, int] | None:
        """The core events of the week, the usual week and the people, if they make a spike."""
        volume = workspace.volume
        if volume is None or not has_history(workspace.since, end, self._days):
            return None
        events, mean, users = volume.week(end), volume.usual_week(end), self._users(workspace, end)
        is_spike = mean > 0 and events >= self.params.min_events and events / mean >= self.params.ratio
        return (events, mean, users) if is_spike and users >= self.params.active_users else None

    def _users(self, workspace: WorkspaceState, end: int) -> int:
        ring = workspace.rings.get(WEEK)
        return 0 if ring is None else ring.count(end)

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:
        """It is over once a week is no more than usual."""
        return self._measure(workspace, day) is not None

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return f"uses the product {_shown(evidence['ratio'])} times as much as before"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the ratio against its threshold, and the week against the usual one."""
        return [
            Why("usage_ratio", _shown(evidence["ratio"]), evidence["threshold"]),
            Why("core_events", evidence["core_events"]),
            Why("usual_core_events", evidence["mean"]),
            Why("active_users", evidence["active_users"]),
        ]

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Say how many core events, or what history, it takes."""
        volume, params = workspace.volume, self.params
        if volume is None or not has_history(workspace.since, day, self._days):
            return f"{COMPARED_DAYS} days of history"
        mean = volume.usual_week(day)
        if mean <= 0:
            return "core events in the four weeks before"
        missing = []
        events = max(params.min_events, -(-mean * params.ratio // 1)) - volume.week(day)
        if events > 0:
            missing.append(f"{events:g} more core events")
        users = params.active_users - self._users(workspace, day)
        if users > 0:
            missing.append(f"{users} more active users")
        return " and ".join(missing) + f" within {WEEK} days" if missing else None


def _shown(ratio: object) -> float | None:
    return round(ratio, _DIGITS) if isinstance(ratio, int | float) else None
