"""Expansion: a workspace has used up most of a limit of its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.billing import UsageStep
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState

# Shown to people; three digits keep a ratio at or above every level of as many.
_DIGITS = 3


def _distinct(levels: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(levels)) < len(levels):
        raise ValueError("levels must differ from each other")
    return levels


_Level = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]


class UsageLimitParams(RuleParams):
    """At which shares of a limit it is said."""

    levels: Annotated[tuple[_Level, ...], Field(min_length=1, max_length=10), AfterValidator(_distinct)] = (
        0.8,
        0.95,
        1.0,
    )


class UsageLimit(WorkspaceRule):
    """Fires for the highest level that a report newly passes, once per metric, period and level."""

    name = "usage_limit"
    kind = Kind.EXPANSION
    triggers = frozenset({Trigger.USAGE})
    play = "They outgrow their limit. Show what the next plan allows before they are stopped."

    def __init__(self, params: UsageLimitParams) -> None:
        self.params = params

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire for the highest level between what the period has passed before and the reported ratio."""
        report = change.usage
        if report is None:
            return None
        level = max((level for level in self.params.levels if level <= report.ratio), default=None)
        if level is None or (level <= report.passed and not self._is_new(workspace, report, level)):
            return None
        evidence: Evidence = {
            "metric": report.metric,
            "period": report.period,
            "used": report.used,
            "limit": report.limit,
            "ratio": report.ratio,
            "level": level,
        }
        return Finding(evidence, key=report.key_of(level))

    def _is_new(self, workspace: WorkspaceState, report: UsageStep, level: float) -> bool:
        """
        Whether a level was passed before it was one: the config has lowered it, or has switched the rule on.

        Where firings may have been forgotten nobody can tell: what the period has passed is spent then, since a second
        firing for it would have the id of the first.
        """
        above = (one for one in self.params.levels if one >= level)
        if any(workspace.has_fired(self.name, report.key_of(one)) for one in above):
            return False
        return not workspace.may_have_forgotten(self.name, report.fired_keys)

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002
        """Tell of the metric that is closest to its next level how much of its limit is left until then."""
        ways = [
            (level - report.used / report.limit, metric, level)
            for metric, report in workspace.billing.usage.items()
            for level in self.params.levels
            if level > report.passed
        ]
        if not ways:
            return None
        left, metric, level = min(ways)
        return f"{left:.2g} of the limit{f' of {metric}' if metric else ''} left until {level:g}"

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the metric where it has one."""
        return f"{evidence['used']} of {evidence['limit']} {evidence['metric'] or 'units of the limit'} used"

    def family(self, evidence: Evidence) -> tuple[str, float] | None:
        """The use of one limit in one period, level by level."""
        level = evidence["level"]
        return (f"usage {evidence['metric']} {evidence['period']}", level) if isinstance(level, float) else None

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the ratio against the level that it passed, and the use against the limit."""
        ratio = evidence["ratio"]
        shown = round(ratio, _DIGITS) if isinstance(ratio, float) else ratio
        reasons = [
            Why("usage_ratio", shown, evidence["level"]),
            Why("usage", evidence["used"], evidence["limit"]),
        ]
        if evidence["metric"]:
            reasons.append(Why("metric", evidence["metric"]))
        return reasons
