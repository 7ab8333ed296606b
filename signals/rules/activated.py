"""Activation: a user reached the value moment of the product for the first time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from signals.event import Role
from signals.rule import Evidence, Finding, Kind, RuleParams, UserRule, Why
from signals.units import PositiveDuration

if TYPE_CHECKING:
    from signals.event import Event
    from signals.user import Progress, UserState


class ActivatedParams(RuleParams):
    """Within which time a user should reach the value moment, by size of company (SIGNALS A28)."""

    # Above this number of employees a company counts as mid-market, up to it as a small business.
    employees: int = Field(default=100, ge=0)
    target_small: PositiveDuration = timedelta(seconds=600)
    target_mid: PositiveDuration = timedelta(seconds=1_800)


class Activated(UserRule):
    """Fires at the first `activated` event of a user, with the time it took since sign-up."""

    name = "activated"
    kind = Kind.ACTIVATION
    roles = frozenset({Role.ACTIVATED})
    play = "Nothing yet: they found the value on their own. Sales may speak to this workspace from now on."

    def __init__(self, params: ActivatedParams) -> None:
        self.params = params

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:
        """Fire if this event was the user's first activation."""
        if not progress.activated:
            return None
        mid_market = user.employees is not None and user.employees > self.params.employees
        target = _seconds(self.params.target_mid if mid_market else self.params.target_small)
        took: int | float | None = None
        if user.signed_up_at is not None and user.signed_up_at <= event.time:
            took = _whole((event.time - user.signed_up_at) / 1_000)
        return Finding({"time_to_value": took, "target": target, "fast": None if took is None else took <= target})

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002
        """The one thing that is missing."""
        return "not activated yet" if user.activated_at is None else None

    def headline(self, evidence: Evidence) -> str:
        """Say it, with the time it took where the sign-up was seen."""
        took = evidence["time_to_value"]
        return "first value reached" if took is None else f"first value reached {took} s after sign-up"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the time to value against its target."""
        return [Why("time_to_value", evidence["time_to_value"], evidence["target"])]


def _seconds(value: timedelta) -> int | float:
    return _whole(value.total_seconds())


def _whole(seconds: float) -> int | float:
    # 600, not 600.0: a reader of JSON should see the number that the config says.
    return int(seconds) if seconds == int(seconds) else seconds
