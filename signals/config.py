"""Config: everything about the product and the thresholds that people decide, checked and frozen (config/plg.yaml)."""

from __future__ import annotations

import difflib
import hashlib
import json
from datetime import timedelta, tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from signals.names import Day, Prefix, TimeZone, zone_of
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
from signals.sources import SourceTopics
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
        near = difflib.get_close_matches(name, Signals.model_fields, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(Signals.model_fields)}"
        raise ValueError(f"there is no signal {name!r}; {advice}")
    return name


SignalName = Annotated[
    str, AfterValidator(_known_signal), WithJsonSchema({"type": "string", "enum": list(Signals.model_fields)})
]


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
    sinks: tuple[Literal["redis"], ...] = ("redis",)

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
    limits: Limits = Limits()

    @field_validator("source")
    @classmethod
    def _reads_yours_and_nothing_of_ours(cls, source: SourceTopics, info: ValidationInfo) -> SourceTopics:
        # Where prefix or time_zone are mistakes themselves, their defaults do for finding others.
        return source.checked(info.data.get("prefix", "plg"), zone_of(info.data.get("time_zone", "UTC")))

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
