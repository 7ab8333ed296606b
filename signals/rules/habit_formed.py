"""Activation: a user came back often enough in the first days for the product to be a habit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from signals.active_days import days_in
from signals.event import Role
from signals.moments import day_iso
from signals.rule import Evidence, Finding, Kind, RuleParams, UserRule, Why
from signals.units import Window, plural

if TYPE_CHECKING:
    from signals.event import Event
    from signals.moments import Days
    from signals.user import Progress, UserState


class HabitFormedParams(RuleParams):
    """On how many distinct days a user must be active, among how many from the day of the sign-up on."""

    active_days: int = Field(default=3, ge=1)
    within: Window = 7


class HabitFormed(UserRule):
    """Fires once, at the event that completes the days: an active one, or a sign-up that is told late (SIGNALS A27)."""

    name = "habit_formed"
    kind = Kind.ACTIVATION
    roles = frozenset({Role.SIGNED_UP})
    on_active_day = True
    play = "Nothing yet: they come back on their own. See who else from their company does."

    def __init__(self, params: HabitFormedParams, days: Days) -> None:
        self.params = params
        self._days = days

    def may_fire(self, user: UserState, day: int) -> bool:
        """Only in the first days, once, and if no more than this day is missing."""
        if user.signed_up_at is None or user.has_fired(self.name):
            return False
        if not 0 <= day - self._days.day_of(user.signed_up_at) < self.params.within:
            return False
        return self._active_days(user, user.signed_up_at) + 1 >= self.params.active_days

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:  # noqa: ARG002
        """Count the active days among the first ones, the day of the sign-up being the first (SIGNALS A11)."""
        if user.signed_up_at is None or user.has_fired(self.name):
            return None
        active_days = self._active_days(user, user.signed_up_at)
        if active_days < self.params.active_days:
            return None
        return Finding({"active_days": active_days, "threshold": self.params.active_days, "within": self.params.within})

    def headline(self, evidence: Evidence) -> str:
        """Say it, with the days."""
        return f"active on {evidence['active_days']} of the first {evidence['within']} days"

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the active days against the threshold."""
        return [Why(f"active_days_of_first_{evidence['within']}", evidence["active_days"], evidence["threshold"])]

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002
        """The days that are missing, while there are enough left."""
        if user.signed_up_at is None or user.has_fired(self.name):
            return None
        last = self._days.day_of(user.signed_up_at) + self.params.within - 1
        missing = self.params.active_days - self._active_days(user, user.signed_up_at)
        left = last - day + (days_in(user, day, day) == 0)
        return f"{plural(missing, 'more active day')} by {day_iso(last)}" if 0 < missing <= left else None

    def _active_days(self, user: UserState, signed_up_at: int) -> int:
        first = self._days.day_of(signed_up_at)
        return days_in(user, first, first + self.params.within - 1)
