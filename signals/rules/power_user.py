"""Expansion: a user works with much of the product, nearly every day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.active_days import DAY_BITS, days_in, is_new_day
from signals.core_use import names_in
from signals.rule import Evidence, Finding, Kind, RuleParams, UserRule, Why
from signals.units import Duration, Window, plural

if TYPE_CHECKING:
    from signals.event import Event
    from signals.moments import Days
    from signals.user import Progress, UserState

_DAY = timedelta(days=1)


class PowerUserParams(RuleParams):
    """How often and how broadly a user must use the product, and how long less than that before it is news again."""

    active_days: int = Field(default=5, ge=1)
    core_names: int = Field(default=3, ge=1)
    window: Window = 7
    # Active days are remembered for so long only.
    rearm: Annotated[Duration, Field(ge=_DAY, le=timedelta(days=90))] = timedelta(days=14)


class PowerUser(UserRule):
    """
    Fires when a user's window holds enough active days and enough different core names.

    It fires anew once the active days alone have been below their threshold at so many window ends in a row as `rearm`
    has days, all of them after the window end of the last firing and before that of the new one.
    """

    name = "power_user"
    kind = Kind.EXPANSION
    roles = frozenset()
    on_active_day = True
    play = "This person lives in the product. Win them as your champion, and ask who else should be in."

    def __init__(self, params: PowerUserParams, days: Days) -> None:
        self.params = params
        self._days = days
        self._rearm_days = -(-params.rearm // _DAY)

    @property
    def breadth_days(self) -> int:
        """Its window."""
        return self.params.window

    def may_fire(self, user: UserState, day: int) -> bool:
        """Only with all but one of so many names and days, and some time after it fired last."""
        params = self.params
        # The name of the event may be new to the user.
        if len(user.core) + 1 < params.core_names:
            return False
        first = day - params.window + 1
        if self._is_resting(user, day) or days_in(user, first, day) + is_new_day(user, day) < params.active_days:
            return False
        if names_in(user.core, first, day) + 1 < params.core_names:
            return False
        # Of days later than the newest nothing is known yet; those before `day` are as they will be.
        return user.newest_day is None or day > user.newest_day or self._is_armed(user, day)

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:  # noqa: ARG002
        """Look at the window that ends on the day of the event."""
        params, day = self.params, self._days.day_of(event.time)
        if len(user.core) < params.core_names or self._is_resting(user, day):
            return None
        active_days, names = self._seen(user, day)
        if active_days < params.active_days or names < params.core_names or not self._is_armed(user, day):
            return None
        evidence: Evidence = {
            "active_days": active_days,
            "active_days_threshold": params.active_days,
            "core_names": names,
            "core_names_threshold": params.core_names,
            "window": params.window,
        }
        return Finding(evidence, end=day, threshold=params.active_days)

    def headline(self, evidence: Evidence) -> str:
        """Say it, with both numbers."""
        return (
            f"active on {evidence['active_days']} of {evidence['window']} days,"
            f" with {evidence['core_names']} core features"
        )

    def why(self, evidence: Evidence) -> list[Why]:
        """Hold active days and core names against their thresholds."""
        window = evidence["window"]
        return [
            Why(f"active_days_{window}d", evidence["active_days"], evidence["active_days_threshold"]),
            Why(f"core_names_{window}d", evidence["core_names"], evidence["core_names_threshold"]),
        ]

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002
        """What the window that ends today lacks."""
        if not self._is_armed(user, day):
            return None
        active_days, names = self._seen(user, day)
        missing = [
            plural(count, thing)
            for count, thing in (
                (self.params.active_days - active_days, "more active day"),
                (self.params.core_names - names, "more core feature"),
            )
            if count > 0
        ]
        return f"{' and '.join(missing)} within {plural(self.params.window, 'day')}" if missing else None

    def _seen(self, user: UserState, day: int) -> tuple[int, int]:
        """Active days and core names of the window that ends on `day`."""
        first = day - self.params.window + 1
        return days_in(user, first, day), names_in(user.core, first, day)

    def _is_resting(self, user: UserState, day: int) -> bool:
        """Whether it fired so lately that it cannot be armed again, which is seen at once."""
        last = user.last_fired(self.name)
        return last is not None and last.end is not None and day - last.end <= self._rearm_days

    def _is_armed(self, user: UserState, day: int) -> bool:
        last = user.last_fired(self.name)
        if last is None:
            return True
        fired, newest, window = last.end, user.newest_day, self.params.window
        if fired is None or newest is None or day - fired <= self._rearm_days:
            return False
        bits, mask = int.from_bytes(user.days, "little"), (1 << window) - 1
        enough = last.below(self.params.active_days)
        # Only ends of which every day is remembered. Each row of ends is looked at from its last one: where that is no
        # low one, the next row that may do begins behind it.
        last_of_row = max(fired + 1, newest - DAY_BITS + window) + self._rearm_days - 1
        while last_of_row < min(day, newest + 1):
            for end in range(last_of_row, last_of_row - self._rearm_days, -1):
                if (bits >> (newest - end) & mask).bit_count() >= enough:
                    last_of_row = end + self._rearm_days
                    break
            else:
                return True
        return False
