"""The part of the config that says when sales hears of what: alerts, policy, quiet hours, routes."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from signals.names import Day, Play, Prefix, TimeZone
from signals.product import Section
from signals.slack import ChannelId
from signals.thresholds import SignalName
from signals.units import Duration


class Priority(StrEnum):
    """How soon a person should look at an alert, the most urgent first."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


_NotNegative = Annotated[Duration, Field(ge=timedelta(0))]
_MAX_AGES = {signal: timedelta(hours=24) for signal in ("enterprise_domain", "procurement", "hand_raised")}


class Alerts(Section):
    """How often sales hears of the same thing, how old news may be, and what an alert shows."""

    cooldown: _NotNegative = timedelta(days=7)
    max_age: _NotNegative = timedelta(hours=1)
    max_age_of: dict[SignalName, _NotNegative] = Field(default_factory=lambda: dict(_MAX_AGES))
    max_per_workspace: Annotated[int, Field(ge=1, le=100)] = 3
    cap_window: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(days=7)
    show_email: bool = False

    def max_age_for(self, signal: str) -> timedelta:
        """How old the cause of a signal may be when policy decides."""
        return self.max_age_of.get(signal, self.max_age)


class Weekday(StrEnum):
    """A day of the week, the first three letters of its name."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def number(self) -> int:
        """As Python counts: Monday is 0."""
        return list(Weekday).index(self)


def _clock_time(value: object) -> object:
    if isinstance(value, time):
        return value
    try:
        return datetime.strptime(value, "%H:%M").time() if isinstance(value, str) else _refuse_time(value)  # noqa: DTZ007  # a time of day
    except ValueError:
        return _refuse_time(value)


def _refuse_time(value: object) -> object:
    raise ValueError(f'must be a time of day in quotes, such as "20:00", got {value!r}')


ClockTime = Annotated[time, BeforeValidator(_clock_time), PlainSerializer(lambda at: f"{at:%H:%M}", return_type=str)]


class QuietHours(Section):
    """When alerts wait: a night, days off, or both."""

    start: ClockTime | None = None
    end: ClockTime | None = None
    days: tuple[Weekday, ...] = ()
    time_zone: TimeZone | None = None

    @model_validator(mode="after")
    def _leaves_some_time(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end go together: give both, or neither")
        if self.start is not None and self.start == self.end:
            raise ValueError("start and end must differ, or no alert would ever go out")
        if len(set(self.days)) == len(Weekday):
            raise ValueError("days must leave one day of the week, or no alert would ever go out")
        return self


class Policy(Section):
    """When a human should hear about a signal."""

    assume_activated_before: Day | None = None
    free_to_paid: tuple[SignalName, ...] = ("activated", "first_invite", "second_user", "multi_user")
    quiet_hours: QuietHours = QuietHours()


_PRIORITIES = {
    "hand_raised": Priority.URGENT,
    "procurement": Priority.URGENT,
    "cancelled": Priority.HIGH,
    "enterprise_domain": Priority.HIGH,
    "multi_user": Priority.HIGH,
    "seat_limit": Priority.HIGH,
    "usage_limit": Priority.HIGH,
    "usage_drop": Priority.HIGH,
    "trial_ending": Priority.HIGH,
    "seats_removed": Priority.LOW,
}


SinkName = Literal["redis", "slack"]


class Route(Section):
    """Which signals become alerts, how urgent each is, and where they go."""

    name: Prefix = "sales-assist"
    signals: tuple[SignalName, ...] = (
        "hand_raised",
        "procurement",
        "cancelled",
        "enterprise_domain",
        "multi_user",
        "seat_limit",
        "usage_limit",
        "pql",
        "expansion_ready",
        "trial_ending",
        "went_silent",
        "champion_left",
        "limit_hit_no_upgrade",
        "seat_growth",
        "gated_feature",
        "usage_spike",
        "usage_drop",
        "plan_downgraded",
        "seats_removed",
    )
    priority: dict[SignalName, Priority] = Field(default_factory=lambda: dict(_PRIORITIES))
    play: dict[SignalName, Play] = Field(default_factory=dict)
    sinks: tuple[SinkName, ...] = ("redis",)
    channel: ChannelId | None = None

    def priority_of(self, signal: str) -> Priority:
        """How urgent a signal is on this route: `normal` if it says nothing."""
        return self.priority.get(signal, Priority.NORMAL)
