"""Risk: a paying workspace uses the product far less than it used to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.moments import day_iso
from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule
from signals.units import Duration, milliseconds
from signals.volume import COMPARED_DAYS, WEEK, has_history

if TYPE_CHECKING:
    from signals.billing import Terms
    from signals.facts import Fact
    from signals.moments import Days
    from signals.workspace import Change, WorkspaceState

_DIGITS = 2


class UsageDropParams(RuleParams):
    """How much less is a drop, from how much usual use on, and when it may be said again."""

    ratio: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.5
    min_mean: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=14)


class UsageDrop(WorkspaceRule):
    """Fires when the core events of the last 7 whole days are down to a part of the mean of the four blocks before."""

    name = "usage_drop"
    kind = Kind.RISK
    triggers = frozenset({Trigger.ACTIVE_DAY})
    play = "They use it less and still pay. Find out what has changed before the renewal comes up."

    def __init__(self, params: UsageDropParams, terms: Terms, days: Days) -> None:
        self.params = params
        self._terms = terms
        self._days = days
        self._cooldown_ms = milliseconds(params.cooldown)

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if it pays, there is enough usual use to fall from, and a cooldown is over."""
        volume, plan = workspace.volume, workspace.billing.plan
        if volume is None or plan is None or fact.day != workspace.newest_day:
            # Asked at every new active day of everybody: most have an end here. The week under comparison ends before
            # the workspace's newest day, so that only a newest day changes it, or a late event.
            return None
        end = _last_whole_day(workspace)
        # Said no in nearly every other case, so without a call: too little to fall from, or not far enough down.
        counts, stop = volume.counts, end + 1 - volume.first
        begin = max(stop - WEEK, 0)
        mean = sum(counts[max(stop - COMPARED_DAYS, 0) : begin]) / 4
        if (
            mean < self.params.min_mean
            or sum(counts[begin:stop]) / mean > self.params.ratio
            or not self._pays(workspace)
        ):
            return None
        found = self._measure(workspace, end)
        # Last, because nearly every other condition says no at a smaller cost.
        if found is None or workspace.is_cooling_down(self.name, fact.time, self._cooldown_ms):
            return None
        events, mean = found
        evidence: Evidence = {
            "core_events": events,
            "mean": mean,
            "ratio": events / mean,
            "threshold": self.params.ratio,
            "window_end": day_iso(end),
        }
        return Finding(evidence)

    def _pays(self, workspace: WorkspaceState) -> bool:
        plan = workspace.billing.plan
        return plan is not None and self._terms.is_paying(plan.name)

    def _measure(self, workspace: WorkspaceState, end: int) -> tuple[int, float] | None:
        """The core events of the week and of the usual one, if they make a drop."""
        volume = workspace.volume
        if volume is None or not has_history(workspace.since, end, self._days):
            return None
        events, mean = volume.week(end), volume.usual_week(end)
        return (events, mean) if mean >= self.params.min_mean and events / mean <= self.params.ratio else None

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:
        """It is over once nobody pays, or the use is back."""
        return self._pays(workspace) and self._measure(workspace, day - 1) is not None

    def headline(self, evidence: Evidence) -> str:
        """Say it."""
        return f"core events a week down to {evidence['core_events']} from {evidence['mean']:g}"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the ratio against its threshold, and the week against the usual one."""
        ratio = evidence["ratio"]
        return [
            Why("usage_ratio", round(ratio, _DIGITS) if isinstance(ratio, float) else ratio, evidence["threshold"]),
            Why("core_events", evidence["core_events"]),
            Why("usual_core_events", evidence["mean"]),
        ]

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Say how far the use would have to fall."""
        if not self._pays(workspace):
            return "it must pay"
        volume = workspace.volume
        if volume is None or not has_history(workspace.since, day - 1, self._days):
            return f"{COMPARED_DAYS} days of history"
        mean = volume.usual_week(day - 1)
        if mean < self.params.min_mean:
            return f"a usual week of {self.params.min_mean:g} core events, not {mean:g}"
        most, events = int(mean * self.params.ratio), volume.week(day - 1)
        return f"at most {most} core events in {WEEK} days, not {events}" if events > most else None


def _last_whole_day(workspace: WorkspaceState) -> int:
    # The newest day is under way: a product that is used on Mondays would seem abandoned every Monday morning.
    newest = workspace.volume.newest if workspace.volume is not None else 0
    return max(newest, workspace.newest_day or newest) - 1
