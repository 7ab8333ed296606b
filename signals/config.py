"""Config: everything about the product and the thresholds that people decide, checked and frozen (config/plg.yaml)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta, tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from signals.event import Role
from signals.names import Day, Prefix, TimeZone, Topic, zone_of
from signals.product import DomainLists, EventNames, Identity, Internal, Plans, Section
from signals.rules.activated import ActivatedParams
from signals.rules.cancelled import CancelledParams
from signals.rules.converted_to_paid import ConvertedToPaidParams
from signals.rules.enterprise_domain import EnterpriseDomainParams
from signals.rules.first_invite import FirstInviteParams
from signals.rules.gated_feature import GatedFeatureParams
from signals.rules.hand_raised import HandRaisedParams
from signals.rules.multi_user import MultiUserParams
from signals.rules.plan_downgraded import PlanDowngradedParams
from signals.rules.plan_upgraded import PlanUpgradedParams
from signals.rules.procurement import ProcurementParams
from signals.rules.seat_limit import SeatLimitParams
from signals.rules.seats_added import SeatsAddedParams
from signals.rules.seats_removed import SeatsRemovedParams
from signals.rules.second_user import SecondUserParams
from signals.rules.signed_up import SignedUpParams
from signals.rules.usage_limit import UsageLimitParams
from signals.slack import ChannelId, Slack
from signals.units import Duration


class Clock(StrEnum):
    """What moves time: the wall's ticks, or the events themselves (demo, replay, backtest)."""

    WALL = "wall"
    EVENTS = "events"


class Priority(StrEnum):
    """How soon a person should look at an alert, the most urgent first."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class SourceTopics(Section):
    """The customer's topics: we only read them."""

    topics: tuple[Topic, ...] = ("events",)
    start: Literal["latest", "earliest"] = "latest"


class OwnTopics(Section):
    """The topics we create; the number of partitions is fixed at birth."""

    partitions: Annotated[int, Field(ge=1, le=1_000)] = 32
    replication: Annotated[int, Field(ge=1, le=10)] = 1


class Signals(Section):
    """The parameters of every signal."""

    signed_up: SignedUpParams = SignedUpParams()
    activated: ActivatedParams = ActivatedParams()
    first_invite: FirstInviteParams = FirstInviteParams()
    hand_raised: HandRaisedParams = HandRaisedParams()
    gated_feature: GatedFeatureParams = GatedFeatureParams()
    second_user: SecondUserParams = SecondUserParams()
    multi_user: MultiUserParams = MultiUserParams()
    enterprise_domain: EnterpriseDomainParams = EnterpriseDomainParams()
    procurement: ProcurementParams = ProcurementParams()
    usage_limit: UsageLimitParams = UsageLimitParams()
    seat_limit: SeatLimitParams = SeatLimitParams()
    converted_to_paid: ConvertedToPaidParams = ConvertedToPaidParams()
    plan_upgraded: PlanUpgradedParams = PlanUpgradedParams()
    plan_downgraded: PlanDowngradedParams = PlanDowngradedParams()
    seats_added: SeatsAddedParams = SeatsAddedParams()
    seats_removed: SeatsRemovedParams = SeatsRemovedParams()
    cancelled: CancelledParams = CancelledParams()


class Alerts(Section):
    """How often sales hears of the same thing, and what an alert shows."""

    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(days=7)
    show_email: bool = False


class Policy(Section):
    """When a human should hear about a signal."""

    assume_activated_before: Day | None = None


def _known_signal(name: str) -> str:
    if name not in Signals.model_fields:
        raise ValueError(f"must be a signal ({', '.join(Signals.model_fields)}), got {name!r}")
    return name


SignalName = Annotated[str, AfterValidator(_known_signal)]


_PRIORITIES = {
    "hand_raised": Priority.URGENT,
    "procurement": Priority.URGENT,
    "cancelled": Priority.HIGH,
    "enterprise_domain": Priority.HIGH,
    "multi_user": Priority.HIGH,
    "seat_limit": Priority.HIGH,
    "usage_limit": Priority.HIGH,
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
        "gated_feature",
        "plan_downgraded",
        "seats_removed",
    )
    priority: dict[SignalName, Priority] = Field(default_factory=lambda: dict(_PRIORITIES))
    sinks: tuple[SinkName, ...] = ("redis",)
    channel: ChannelId | None = None

    def priority_of(self, signal: str) -> Priority:
        """How urgent a signal is on this route: `normal` if it says nothing."""
        return self.priority.get(signal, Priority.NORMAL)


class Limits(Section):
    """The caps that keep records and states bounded."""

    max_event_bytes: Annotated[int, Field(ge=1_024, le=10_485_760)] = 262_144
    max_text_chars: Annotated[int, Field(ge=16, le=4_096)] = 256
    workspaces_per_user: Annotated[int, Field(ge=2, le=1_000)] = 50
    features_per_user: Annotated[int, Field(ge=1, le=1_000)] = 30
    metrics_per_workspace: Annotated[int, Field(ge=1, le=1_000)] = 50
    fired_keys: Annotated[int, Field(ge=10, le=10_000)] = 300
    held_signals: Annotated[int, Field(ge=1, le=100)] = 10
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
    slack: Slack = Slack()
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
    def _has_one_route(cls, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        if len(routes) != 1:
            raise ValueError(f"must be exactly one route for now, got {len(routes)}")
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
    if config.alerts.show_email:
        found.append("alerts.show_email: no alert carries an e-mail address yet")
    if config.domains.competitors:
        found.append("domains.competitors: nothing reads the list yet")
    for route in config.routes:
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
        found.extend(f"routes.{route.name}: {problem}" for problem in _sink_warnings(route))
    return found


def _sink_warnings(route: Route) -> Iterator[str]:
    if not route.sinks:
        yield "sinks is empty: its alerts go nowhere but to their topic"
    if "slack" in route.sinks and route.channel is None:
        yield "slack is among its sinks, but it has no channel (only webhooks need none)"
    if "slack" not in route.sinks and route.channel is not None:
        yield "it has a channel, but slack is not among its sinks"
