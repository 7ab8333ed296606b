"""
What an import says: what a workspace and its members were before any of their events came.

A record for each workspace, in the log of facts, and one for each of its members, in the log of the users. They stand
on `plg.commands` as they stand in the logs, but for their place. An import has a time, and speaks of that moment.
"""

from __future__ import annotations

from typing import Annotated, final

import msgspec

from signals.billing import Number
from signals.errors import BadRecord
from signals.event import Reason, Source
from signals.moments import EARLIEST_MS, LATEST_MS
from signals.shard import Coordinate

# An id of the longest kind, a name and some metrics, all of them of four bytes a letter.
MAX_BYTES = 65_536
# The ids that a record takes whatever the config says; what is longer has no state (SIGNALS A30, limits.max_id_chars).
MAX_CHARS = 1_024
MAX_METRICS = 50
_NOWHERE = Source("", -1, -1)

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHARS)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHARS)]
Moment = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, lt=LATEST_MS)]


class ImportedUsage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How much of a limit was used up; `period` as in a report of usage."""

    metric: str
    used: Number
    limit: Number
    period: str | None = None


@final
class ImportedWorkspace(msgspec.Struct, tag="workspace", tag_field="log", omit_defaults=True, gc=False):
    """
    A workspace as it was at `time` (Unix milliseconds); what is not said is not known.

    `activated_at` is when somebody in it first activated. `source` is its place on `plg.commands`.
    """

    workspace_id: Id
    time: Moment
    name: Text | None = None
    domain: Text | None = None
    employees: Number | None = None
    plan: Text | None = None
    seats: Number | None = None
    mrr: Number | None = None
    currency: Text | None = None
    activated_at: Moment | None = None
    trial_end: Moment | None = None
    usage: Annotated[tuple[ImportedUsage, ...], msgspec.Meta(max_length=MAX_METRICS)] = ()
    source: Source = _NOWHERE

    @property
    def subject(self) -> str:
        """The key of its state."""
        return self.workspace_id

    @property
    def ids(self) -> tuple[str, ...]:
        """Whom it is about."""
        return (self.workspace_id,)

    @property
    def origin(self) -> str:
        """The log of commands, and its partition."""
        return f"c{self.source.partition}"

    @property
    def coordinate(self) -> Coordinate:
        """Where it stands there."""
        return Coordinate(self.source.offset)


@final
class ImportedMember(msgspec.Struct, tag="member", tag_field="log", omit_defaults=True, gc=False):
    """
    A member of a workspace at `time` (Unix milliseconds).

    `activated_at` is when the user first activated, wherever that was. `source` is its place on `plg.commands`.
    """

    workspace_id: Id
    user_id: Id
    time: Moment
    email: Text | None = None
    activated_at: Moment | None = None
    source: Source = _NOWHERE

    @property
    def subject(self) -> str:
        """The key of its state, as that of an event."""
        return f"user:{self.user_id}"

    @property
    def ids(self) -> tuple[str, ...]:
        """Whom it is about, and where."""
        return self.workspace_id, self.user_id


Imported = ImportedWorkspace | ImportedMember
_decode = msgspec.json.Decoder[Imported](ImportedWorkspace | ImportedMember).decode
_BEGINNINGS = (b'{"log":"workspace"', b'{"log":"member"')


def is_import(value: bytes | None) -> bool:
    """Whether a value of `plg.commands` is of an import, and no order of a person."""
    return value is not None and value.startswith(_BEGINNINGS)


def read_import(value: bytes, source: Source, max_id_chars: int) -> Imported:
    """
    Read a record of an import on `plg.commands`.

    Args:
        value: Its bytes.
        source: Where it stands.
        max_id_chars: `limits.max_id_chars`.

    Raises:
        BadRecord: It is none.
    """
    if len(value) > MAX_BYTES:
        raise BadRecord(Reason.BAD_COMMAND, f"{len(value)} bytes")
    try:
        record: Imported = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # Its kind, never the values.
        raise BadRecord(Reason.BAD_COMMAND, f"no import: {type(error).__name__}") from None
    if any(len(one) > max_id_chars or one.isspace() for one in record.ids):
        raise BadRecord(Reason.BAD_COMMAND, f"an id that is blank, or has more than {max_id_chars} characters")
    record.source = source
    return record
