"""Config: everything about the product and the thresholds that people decide, checked and frozen (config/plg.yaml)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from datetime import tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails

from signals.custom import MAX_STANZAS, CustomSignal
from signals.mistakes import Key
from signals.names import Prefix, TimeZone, zone_of
from signals.product import DomainLists, EventNames, Identity, Internal, Plans, Section
from signals.scoring import Score
from signals.selling import Alerts, Policy, Route
from signals.slack import Slack
from signals.sources import SourceTopics
from signals.thresholds import CustomName, Signals, check_signal

# The longest id or text that the config may let through: signals/bounds.py counts on it.
MAX_CHARS = 1_024


class Clock(StrEnum):
    """What moves time: the wall's ticks, or the events themselves (demo, replay, backtest)."""

    WALL = "wall"
    EVENTS = "events"


class OwnTopics(Section):
    """The topics we create; the number of partitions is fixed at birth."""

    partitions: Annotated[int, Field(ge=1, le=1_000)] = 32
    replication: Annotated[int, Field(ge=1, le=10)] = 1


class Limits(Section):
    """The caps that keep records and states bounded."""

    max_event_bytes: Annotated[int, Field(ge=1_024, le=10_485_760)] = 262_144
    max_id_chars: Annotated[int, Field(ge=64, le=MAX_CHARS)] = MAX_CHARS
    max_text_chars: Annotated[int, Field(ge=16, le=MAX_CHARS)] = 256
    workspaces_per_user: Annotated[int, Field(ge=2, le=1_000)] = 50
    features_per_user: Annotated[int, Field(ge=1, le=1_000)] = 30
    custom_keys: Annotated[int, Field(ge=1, le=1_000)] = 100
    core_names: Annotated[int, Field(ge=1, le=1_000)] = 30
    metrics_per_workspace: Annotated[int, Field(ge=1, le=1_000)] = 50
    fired_keys: Annotated[int, Field(ge=10, le=10_000)] = 300
    held_signals: Annotated[int, Field(ge=1, le=100)] = 10
    quiet_signals: Annotated[int, Field(ge=1, le=1_000)] = 50
    open_alerts: Annotated[int, Field(ge=1, le=100)] = 20
    reasons_per_alert: Annotated[int, Field(ge=1, le=100)] = 50
    companies_heard: Annotated[int, Field(ge=1, le=1_000)] = 20
    recent_verdicts: Annotated[int, Field(ge=1, le=1_000)] = 30
    origins: Annotated[int, Field(ge=100, le=100_000)] = 4_000


Named = TypeVar("Named", Score, Alerts, Policy, tuple[Route, ...])


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
    # Before those who may name them.
    custom: dict[CustomName, CustomSignal] = Field(default_factory=dict, max_length=MAX_STANZAS)
    score: Score = Score()
    alerts: Alerts = Alerts()
    policy: Policy = Policy()
    routes: tuple[Route, ...] = (Route(),)
    slack: Slack = Slack()
    limits: Limits = Limits()

    @field_validator("source")
    @classmethod
    def _reads_yours_and_nothing_of_ours(cls, source: SourceTopics, info: ValidationInfo) -> SourceTopics:
        # Where prefix or time_zone are mistakes themselves, their defaults do for finding others.
        return source.checked(info.data.get("prefix", "plg"), zone_of(info.data.get("time_zone", "UTC")))

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

    @field_validator("score", "alerts", "policy", "routes")
    @classmethod
    def _names_signals_that_there_are(cls, part: Named, info: ValidationInfo) -> Named:
        # Where `custom` has mistakes itself, nobody can tell which names are right.
        if "custom" in info.data:
            mistakes = [*_unknown_signals(part, info.data["custom"])]
            if mistakes:
                raise ValidationError.from_exception_data("config", mistakes)
        return part

    @property
    def zone(self) -> tzinfo:
        """The time zone of `time_zone`."""
        return zone_of(self.time_zone)

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits that name this config: equal for equal meaning, whatever the file looked like."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _unknown_signals(
    part: Score | Alerts | Policy | tuple[Route, ...], custom: Collection[str]
) -> Iterator[InitErrorDetails]:
    """The mistakes of naming a signal that is neither ours nor among the config's own."""
    for key, name in _named_signals(part):
        try:
            check_signal(name, custom)
        except ValueError as error:
            yield InitErrorDetails(type="value_error", loc=key, input=name, ctx={"error": error})


def _named_signals(part: Score | Alerts | Policy | tuple[Route, ...]) -> Iterator[tuple[Key, str]]:
    """Every signal that a part of the config names, by where it does."""
    if isinstance(part, Score):
        yield from ((("weights", name), name) for name in part.weights)
    elif isinstance(part, Alerts):
        yield from ((("max_age_of", name), name) for name in part.max_age_of)
    elif isinstance(part, Policy):
        yield from ((("free_to_paid", n), name) for n, name in enumerate(part.free_to_paid))
    else:
        for n, route in enumerate(part):
            yield from (((n, "signals", m), name) for m, name in enumerate(route.signals))
            yield from (((n, "priority", name), name) for name in route.priority)
            yield from (((n, "play", name), name) for name in route.play)
