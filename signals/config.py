"""Config: everything about the product and the thresholds that people decide, checked and frozen (config/plg.yaml)."""

from __future__ import annotations

import hashlib
import json
from datetime import tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from signals.event import Role
from signals.names import Prefix, TimeZone, Topic, zone_of
from signals.product import DomainLists, EventNames, Identity, Internal, Plans, Section
from signals.selling import Alerts, Policy, QuietHours, Route
from signals.thresholds import Signals


class Clock(StrEnum):
    """What moves time: the wall's ticks, or the events themselves (demo, replay, backtest)."""

    WALL = "wall"
    EVENTS = "events"


class SourceTopics(Section):
    """The customer's topics: we only read them."""

    topics: tuple[Topic, ...] = ("events",)
    start: Literal["latest", "earliest"] = "latest"


class OwnTopics(Section):
    """The topics we create; the number of partitions is fixed at birth."""

    partitions: Annotated[int, Field(ge=1, le=1_000)] = 32
    replication: Annotated[int, Field(ge=1, le=10)] = 1


class Limits(Section):
    """The caps that keep records and states bounded."""

    max_event_bytes: Annotated[int, Field(ge=1_024, le=10_485_760)] = 262_144
    max_text_chars: Annotated[int, Field(ge=16, le=4_096)] = 256
    workspaces_per_user: Annotated[int, Field(ge=2, le=1_000)] = 50
    features_per_user: Annotated[int, Field(ge=1, le=1_000)] = 30
    metrics_per_workspace: Annotated[int, Field(ge=1, le=1_000)] = 50
    fired_keys: Annotated[int, Field(ge=10, le=10_000)] = 300
    held_signals: Annotated[int, Field(ge=1, le=100)] = 10
    open_alerts: Annotated[int, Field(ge=1, le=100)] = 20
    recent_verdicts: Annotated[int, Field(ge=1, le=1_000)] = 30


class Config(Section):
    """The whole of config/plg.yaml; `Config()` is what a file without a single key means."""

    prefix: Prefix = "plg"
    clock: Clock = Clock.WALL
    time_zone: TimeZone = "UTC"
    source: SourceTopics = SourceTopics()
    topics: OwnTopics = OwnTopics()
    events: EventNames = EventNames()
    identity: Identity = Identity()
    internal: Internal = Internal()
    domains: DomainLists = DomainLists()
    plans: Plans = Plans()
    signals: Signals = Signals()
    alerts: Alerts = Alerts()
    policy: Policy = Policy()
    routes: tuple[Route, ...] = (Route(),)
    limits: Limits = Limits()

    @field_validator("source")
    @classmethod
    def _reads_yours_and_nothing_of_ours(cls, source: SourceTopics, info: ValidationInfo) -> SourceTopics:
        # Reading a topic that we write would feed the river into itself.
        if not source.topics:
            raise ValueError("topics must name at least one topic")
        own = f"{info.data.get('prefix', '')}."
        for topic in source.topics:
            if topic.startswith(own):
                raise ValueError(f"topics must not begin with the prefix of our own, {own}; got {topic!r}")
        return source

    @field_validator("routes")
    @classmethod
    def _names_routes_apart(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        if not routes:
            raise ValueError("must be at least one route")
        names = [route.name for route in routes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"must have different names, got {twice} twice")
        return routes

    @property
    def zone(self) -> tzinfo:
        """The time zone of `time_zone`."""
        return zone_of(self.time_zone)

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits that name this config: equal for equal meaning, whatever the file looked like."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


# The signals that need a role without which they never fire.
_NEEDS = {
    "signed_up": Role.SIGNED_UP,
    "procurement": Role.PROCUREMENT_REQUESTED,
    "first_invite": Role.INVITE_SENT,
    "hand_raised": Role.SALES_CONTACTED,
    "gated_feature": Role.FEATURE_GATED,
    "usage_limit": Role.USAGE_REPORTED,
}


def warnings(config: Config) -> list[str]:
    """What is allowed but does nothing, one sentence each, for `plg check`."""
    found = []
    if not config.events.activated:
        found.append(
            "events.activated is empty: the signal activated and the activation gate are off;"
            " name the event at which a user first gets value"
        )
    enabled = {name for name in Signals.model_fields if getattr(config.signals, name).enabled}
    for signal, role in _NEEDS.items():
        if signal in enabled and not config.events.of(role):
            found.append(f"events.{role} is empty: the signal {signal} never fires")
    return found + _warnings_of_routes(config, enabled)


def _warnings_of_routes(config: Config, enabled: set[str]) -> list[str]:
    found: list[str] = []
    taken: dict[str, str] = {}
    for route in config.routes:
        found.extend(
            f"routes.{route.name}: {signal} goes to the route {taken[signal]}, which lists it first"
            for signal in route.signals
            if signal in taken
        )
        taken = dict.fromkeys(route.signals, route.name) | taken
        found.extend(
            f"routes.{route.name}: the signal {signal} is switched off"
            for signal in route.signals
            if signal not in enabled
        )
        found.extend(
            f"routes.{route.name}: {signal} has a priority but is not among its signals"
            for signal in route.priority
            if signal not in route.signals
        )
        found.extend(
            f"routes.{route.name}: {signal} has a play but is not among its signals"
            for signal in route.play
            if signal not in route.signals
        )
    found.extend(
        f"alerts.max_age_of: {signal} is listed by no route"
        for signal in config.alerts.max_age_of
        # The defaults are there whoever listens.
        if signal not in taken and signal not in Alerts().max_age_of
    )
    if config.policy.quiet_hours.time_zone is not None and config.policy.quiet_hours == QuietHours(
        time_zone=config.policy.quiet_hours.time_zone
    ):
        found.append("policy.quiet_hours.time_zone: there is neither a night nor a day off that it could be for")
    return found
