"""
Facts: what the user step tells the workspace step, one event, one coordinate; and what both steps put out.

A workspace tells another one something in two cases only, both of them answers (`FactKind.CARRIED`).

Structs here and in the states are `gc=False`: they hold no cycles, and there are millions of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import final

import msgspec

from signals.domains import DomainKind
from signals.event import NOTHING, EventType, Role, Scalar, Source
from signals.rule import Evidence, Kind, Scope, Why
from signals.shard import Coordinate


class Slot(IntEnum):
    """
    The fixed place of each kind of fact among those of one record.

    0 to 15 are for what timers of the event's own user fire before it, in the order of firing: its state has all of
    them or none, so that a replay gives each the place that it had.
    """

    FIRED = 0
    MOVED = 16
    OBSERVED = 17
    ENTERED = 18
    # Plus the index of the workspace in the user's own list.
    TOLD = 32


class FactKind(StrEnum):
    """What a fact is about."""

    # Something happened in the workspace.
    OBSERVED = "observed"
    # A user of the workspace signed up or activated elsewhere: moves no count and no clock.
    TOLD = "told"
    # The user of a personal workspace has left it for a real one: it answers there with what waits in it.
    MOVED = "moved"
    # A user whose company was shown here has entered another workspace: this one answers there what sales has heard.
    ENTERED = "entered"
    # Such an answer, from a workspace to another.
    CARRIED = "carried"
    # A timer of a user of the workspace came due: moves no count and no clock.
    FIRED = "fired"
    # An import says that a user is a member of the workspace: moves counts, no clock, and raises nothing.
    IMPORTED = "imported"


# Looking a member up in its enum costs more than the comparison.
_CARRIED, _OBSERVED_SLOT = FactKind.CARRIED, Slot.OBSERVED.value


@lru_cache(maxsize=4_096)
def _origin(log: str, partition: int) -> str:
    return f"{log}{partition}"


class Firing(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """
    A rule fired for a subject at a moment: a signal before it is written for readers.

    `n` counts the firings of the signal for its subject and key, from 1. `time` is Unix milliseconds.
    """

    id: str
    signal: str
    kind: Kind
    scope: Scope
    n: int
    time: int
    event_id: str
    cause: Source
    key: str = ""
    user_id: str | None = None
    workspace_id: str | None = None
    evidence: Evidence = {}
    # Only where the config lets alerts show it.
    email: str | None = None

    @property
    def subject(self) -> str:
        """Whom the signal is about: the user or the workspace, by its scope."""
        return (self.user_id if self.scope is Scope.USER else self.workspace_id) or ""


class Profile(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """
    What a user already is, told when he enters a workspace or when it changes.

    `member` is the membership after the event, `belonged` whether he was ever active there or joined (SIGNALS A19).
    """

    signed_up_at: int | None = None
    activated_at: int | None = None
    domain: str | None = None
    domain_kind: DomainKind | None = None
    member: bool = False
    belonged: bool = False


class Heard(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What sales has heard about a company because of one user: the alert, and the event time at which it was sent."""

    user_id: str
    domain: str
    time: int
    alert_id: str


class CustomMark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What an event is for one of the config's own signals, `mark` being as in `Event.customs`.

    The days, as those of a fact, are there where its user did for the first time on a day what the signal counts users
    by.
    """

    mark: str
    day: int | None = None
    prev: int | None = None
    next: int | None = None


class Fact(msgspec.Struct, tag="fact", tag_field="log", omit_defaults=True, gc=False):
    """
    One observation that the user side tells the workspace side; its Kafka key is `workspace_id`.

    (`partition`, `offset`, `order`, `n`) is where it stands in the output of the user step, its coordinate. `day` is
    set when the user was active in the workspace on that day for the first time, with his active days next to it.
    `joined` is +1 when the event made the user a member, -1 when it ended that; `signed_up` the same for being a member
    who has signed up. `domain` is the user's registrable domain if it is on the enterprise list. `first` names the
    milestones that the event was the user's first of. `ingested_at` is the wall time at which ingest passed the event
    on (Unix milliseconds; None in `clock: events`): policy tells by it what is news. `target` is the workspace that
    a user has moved to or entered; `is_asked` says that an answer is on its way there. `signals` of a carried fact
    are those that waited elsewhere.
    """

    workspace_id: str
    kind: FactKind
    partition: int
    offset: int
    n: int
    time: int
    event_id: str
    cause: Source
    order: str = ""
    user_id: str | None = None
    type: EventType | None = None
    name: str | None = None
    roles: tuple[Role, ...] = ()
    matched: str | None = None
    properties: Mapping[str, Scalar] = NOTHING
    traits: Mapping[str, Scalar] = NOTHING
    day: int | None = None
    prev: int | None = None
    next: int | None = None
    joined: int = 0
    signed_up: int = 0
    domain: str | None = None
    first: tuple[Role, ...] = ()
    signals: tuple[Firing, ...] = ()
    # Its user was active in the workspace by it.
    active: bool = False
    # What is to be added to the workspace's volume: days, and how many core events of each.
    core: tuple[tuple[int, int], ...] = ()
    # The user, a power user here, was "removed", or has been "silent" for long.
    champion: str | None = None
    # As far as they are the workspace's affair.
    customs: tuple[CustomMark, ...] = ()
    profile: Profile | None = None
    target: str | None = None
    is_asked: bool = False
    heard: Heard | None = None
    ingested_at: int | None = None
    email: str | None = None

    @property
    def origin(self) -> str:
        """Which log, and which partition of it, the coordinate counts in: that of the users, or this one itself."""
        return _origin("w" if self.kind is _CARRIED else "u", self.partition)

    @property
    def coordinate(self) -> Coordinate:
        """Where the fact stands in the output of its origin."""
        return Coordinate(self.offset, self.order, self.n)


@final
class Pulse(msgspec.Struct, tag="pulse", tag_field="log", omit_defaults=True, gc=False):
    """
    The fact of an event of which nothing is new but its time, its day or its count: somebody was at work at `time`.

    Nearly all facts are such; its fields mean what they mean in a `Fact`. `event_id` and `cause` are there where the
    event was activity: the workspace's silence counts from it. `user_id` is there only where `day` or `core` is.
    """

    workspace_id: str
    partition: int
    offset: int
    time: int
    ingested_at: int | None = None
    event_id: str | None = None
    cause: Source | None = None
    user_id: str | None = None
    day: int | None = None
    prev: int | None = None
    next: int | None = None
    core: tuple[tuple[int, int], ...] = ()

    @property
    def origin(self) -> str:
        """The log of the users, and its partition."""
        return _origin("u", self.partition)

    @property
    def coordinate(self) -> Coordinate:
        """Where it stands in the output of its origin: at the place of what is observed."""
        return Coordinate(self.offset, "", _OBSERVED_SLOT)

    def as_fact(self) -> Fact:
        """The same written out, without the event's own part."""
        return Fact(
            self.workspace_id,
            FactKind.OBSERVED,
            self.partition,
            self.offset,
            _OBSERVED_SLOT,
            self.time,
            self.event_id or "",
            self.cause or Source("", -1, -1),
            user_id=self.user_id,
            day=self.day,
            prev=self.prev,
            next=self.next,
            active=self.event_id is not None,
            core=self.core,
            ingested_at=self.ingested_at,
        )


class Order(StrEnum):
    """What a person may tell policy (`plg.commands`)."""

    MUTE = "mute"
    UNMUTE = "unmute"
    SNOOZE = "snooze"
    CLOSE = "close"


class Command(msgspec.Struct, tag="command", tag_field="log", omit_defaults=True, frozen=True):
    """
    What a person told policy, as it stands in the log of facts.

    `partition` and `offset` are its place on `plg.commands`. Without `workspace_id` it is about a signal wherever it
    fires, without `signal` about all of a workspace. Times are Unix milliseconds; `until` None means for good.
    """

    order: Order
    time: int
    partition: int
    offset: int
    workspace_id: str | None = None
    signal: str | None = None
    until: int | None = None
    reason: str | None = None

    @property
    def origin(self) -> str:
        """The log of commands, and its partition."""
        return f"c{self.partition}"

    @property
    def coordinate(self) -> Coordinate:
        """Where it stands there."""
        return Coordinate(self.offset)


class Decision(StrEnum):
    """What policy decided about a signal (SIGNALS 6)."""

    WAITING_FOR_ACTIVATION = "waiting_for_activation"
    QUIET_HOURS = "quiet_hours"
    SENT = "sent"
    BUNDLED = "bundled"
    STALE = "stale"
    DISQUALIFIED = "disqualified"
    MUTED = "muted"
    SNOOZED = "snoozed"
    ALREADY_PAYING = "already_paying"
    COOLING_DOWN = "cooling_down"
    CAPPED = "capped"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    # No route lists the signal, or it belongs to no workspace: nobody is to hear of it.
    UNROUTED = "unrouted"


# Not final: something more will be decided.
WAITING = frozenset({Decision.WAITING_FOR_ACTIVATION, Decision.QUIET_HOURS})


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision about one signal, with its reason; every signal ends in exactly one final one."""

    signal_id: str
    signal: str
    verdict: Decision
    time: int
    workspace_id: str | None = None
    reason: str | None = None
    alert_id: str | None = None

    @property
    def subject(self) -> str:
        """The Kafka key: the workspace, or the signal's own id if it belongs to none."""
        return self.workspace_id or self.signal_id

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be decided about the signal."""
        return self.verdict not in WAITING


class AlertStatus(StrEnum):
    """What has become of an alert."""

    OPEN = "open"
    UPDATED = "updated"
    CLOSED = "closed"


class Alert(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Signals that policy decided a human should hear about now; `signals.contract.Alert` is its public form.

    `time` is the event time of what made it due, `sent_at` the moment of the workspace's clock at which it was decided.
    `families` are those of its signals, with the highest rank of each (`Rule.family`).
    """

    id: str
    signal: str
    route: str
    priority: str
    title: str
    why: tuple[Why, ...]
    play: str
    workspace_id: str
    workspace_name: str | None
    domain: str | None
    user_id: str | None
    time: int
    signal_ids: tuple[str, ...]
    sent_at: int
    status: AlertStatus = AlertStatus.OPEN
    reason: str | None = None
    families: dict[str, float] = {}
    email: str | None = None
    # When it was sent, as people see them: `signals.score.Standing`.
    score: float = 0.0
    score_parts: dict[str, float] = {}


class Note(StrEnum):
    """Something about a record that is worth counting."""

    # Applied already: its state or its fence has it.
    REPEATED = "repeated"
    # The user sent the same id before.
    DUPLICATE = "duplicate"
    # It names no workspace, and its user has several or has none left.
    AMBIGUOUS = "ambiguous"
    # Of an internal user, and nothing of it counts.
    INTERNAL = "internal"
    # The user had too many workspaces: the one not touched for longest was forgotten.
    WORKSPACE_FORGOTTEN = "workspace_forgotten"
    # A map was full: the feature, core name, metric, firing or company not touched for longest was forgotten.
    FEATURE_FORGOTTEN = "feature_forgotten"
    CORE_NAME_FORGOTTEN = "core_name_forgotten"
    METRIC_FORGOTTEN = "metric_forgotten"
    FIRING_FORGOTTEN = "firing_forgotten"
    COMPANY_FORGOTTEN = "company_forgotten"
    # The days on which a user did what a signal of the config's own counts users by.
    CUSTOM_FORGOTTEN = "custom_forgotten"
    # Reasons that were to join the workspace's next alert, or would have made an alert too long.
    REASONS_FORGOTTEN = "reasons_forgotten"
    # More partitions have sent to a log than its fence keeps apart: the one first seen longest ago was forgotten.
    ORIGIN_FORGOTTEN = "origin_forgotten"
    # A state had grown too large for its changelog: its least important parts were let go (signals/bounds.py).
    STATE_TRIMMED = "state_trimmed"
    # A tick that is not newer than the last.
    STALE_TICK = "stale_tick"


class RuleFailure(msgspec.Struct, frozen=True):
    """A rule raised an exception: it lost this firing and nothing else."""

    rule: str
    subject: str
    error: str


class Outputs(msgspec.Struct, gc=False):
    """What one step put out for one record, each list in the order of sending."""

    facts: list[Fact | Pulse] = []
    signals: list[Firing] = []
    # Of kind `measure`: sent like signals, judged by nobody.
    measures: list[Firing] = []
    verdicts: list[Verdict] = []
    alerts: list[Alert] = []
    errors: list[RuleFailure] = []
    notes: list[Note] = []

    @property
    def has_news(self) -> bool:
        """Whether there is anything besides facts."""
        return bool(self.signals or self.measures or self.verdicts or self.alerts or self.notes or self.errors)
