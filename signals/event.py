"""What enters the two keyed steps: events of the product, and ticks of the watermark."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, final

import msgspec

Scalar = str | int | float | bool
# What nearly every record has of properties and traits: one for all, instead of two new maps a record.
NOTHING: Mapping[str, Scalar] = MappingProxyType({})


class Role(StrEnum):
    """What an event means here; the product's own names are mapped to roles by config `events:`."""

    SIGNED_UP = "signed_up"
    ACTIVATED = "activated"
    WORKSPACE_CREATED = "workspace_created"
    INVITE_SENT = "invite_sent"
    MEMBER_JOINED = "member_joined"
    MEMBER_REMOVED = "member_removed"
    TRIAL_STARTED = "trial_started"
    TRIAL_ENDED = "trial_ended"
    PLAN_CHANGED = "plan_changed"
    USAGE_REPORTED = "usage_reported"
    FEATURE_GATED = "feature_gated"
    PROCUREMENT_REQUESTED = "procurement_requested"
    SALES_CONTACTED = "sales_contacted"
    CORE = "core"


# Reported about someone, not done by them (SIGNALS A3).
PASSIVE_ROLES = frozenset(
    {
        Role.TRIAL_STARTED,
        Role.TRIAL_ENDED,
        Role.PLAN_CHANGED,
        Role.USAGE_REPORTED,
        Role.MEMBER_JOINED,
        Role.MEMBER_REMOVED,
    }
)


class EventType(StrEnum):
    """The Segment call an event came from."""

    TRACK = "track"
    IDENTIFY = "identify"
    GROUP = "group"
    PAGE = "page"
    SCREEN = "screen"
    ALIAS = "alias"


class Flag(StrEnum):
    """Something about an event that people who look into it should know."""

    CLOCK_CLAMPED = "clock_clamped"
    CONTENT_ID = "content_id"


class Reason(StrEnum):
    """Why a record can never become an Event: the `reason` of a dead letter and of its counter."""

    NULL_VALUE = "null_value"
    TOO_LARGE = "too_large"
    # The first bytes name another format (signals/formats/wire.py); NOT_JSON where they are binary and name none.
    CONFLUENT_AVRO_OR_PROTOBUF = "confluent_avro_or_protobuf"
    CONFLUENT_JSON = "confluent_json"
    AVRO_FILE = "avro_file"
    AVRO_SINGLE_OBJECT = "avro_single_object"
    GZIP = "gzip"
    NOT_JSON = "not_json"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    NO_TYPE = "no_type"
    NO_NAME = "no_name"
    BAD_ID = "bad_id"
    LONG_ID = "long_id"
    NO_SUBJECT = "no_subject"
    NO_TIME = "no_time"
    # A record of the topic of commands that is none.
    BAD_COMMAND = "bad_command"
    # A record of our own logs that nobody of us wrote.
    FOREIGN = "foreign"
    # The decoder raised what it should not: our fault, but the record's place in the queue is nobody else's.
    DECODER_FAILED = "decoder_failed"
    # A step raised an exception on this record again after two restarts; its subject is marked suspect.
    STEP_FAILED = "step_failed"
    # A rule raised an exception; the record itself was applied.
    RULE_FAILED = "rule_failed"


class Source(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where in the customer's topics a record stands: the `cause` of what follows from it, never an identity."""

    topic: str
    partition: int
    offset: int


@final
class Event(msgspec.Struct, tag="event", tag_field="log", omit_defaults=True, gc=False):
    """
    One thing one user did, in canonical form.

    Times are Unix milliseconds. `properties` and `traits` hold only what some role reads, scalars only. `user_id` is
    the person the event is about: for `member_joined` and `member_removed` the member, not the actor.
    """

    id: str
    type: EventType
    time: int
    source: Source
    name: str | None = None
    roles: tuple[Role, ...] = ()
    # True where the event is no sign of life of its user: a passive role, or a name listed in `events.passive`.
    passive: bool = False
    user_id: str | None = None
    anonymous_id: str | None = None
    workspace_id: str | None = None
    email: str | None = None
    properties: Mapping[str, Scalar] = NOTHING
    traits: Mapping[str, Scalar] = NOTHING
    flags: tuple[Flag, ...] = ()
    # Wall time at which ingest passed it on, Unix milliseconds; None in `clock: events`.
    ingested_at: int | None = None
    # The name as the config writes it, where it lists it: the request type of `procurement` (SIGNALS A35).
    matched: str | None = None
    # The config's own signals that its name is for, see `signals.custom`: `-` before one whose wait it ends.
    customs: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The key of the record and of its state: a user, else a workspace, else an anonymous visitor (SIGNALS A16)."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        if self.workspace_id is not None:
            return f"workspace:{self.workspace_id}"
        return f"anon:{self.anonymous_id}"


@final
class Tick(msgspec.Struct, tag="tick", tag_field="log", frozen=True, omit_defaults=True):
    """
    A watermark: everything up to `time` (Unix milliseconds) has been appended to this log before it.

    `config` is the hash of the config that is in force from here on; empty: the one that was (docs/adr/0015).
    """

    # Bounded, so that a foreign record that looks like a tick cannot stop the checkpoint.
    time: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    config: Annotated[str, msgspec.Meta(max_length=12)] = ""
