"""
Records and states as bytes: JSON where people may look at a topic, compact msgpack in the changelogs.

What one step sends to one partition of the next at about the same time stands there as one Kafka record, a *bundle*:
the JSON array of its records, which costs the broker and both clients once what each record cost them before. A tick,
a command or a record of an import stands alone, without an array. A record's `position` in its log is the bundle's
offset and its index there as one number, ordered as the records are; nothing of a bundle's bounds, which differ from
run to run, goes further.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from signals.errors import BrokenLog
from signals.event import Event, Tick
from signals.facts import Command, Fact, Pulse
from signals.imported import ImportedMember, ImportedWorkspace
from signals.user import UserState
from signals.workspace import PolicyState, WorkspaceState

# A position: the offset above, the index in these bits below.
_INDEX_BITS = 16
# Records of one bundle: one call of the loop's, a few milliseconds.
MAX_BUNDLED = 256

_user_records: msgspec.json.Decoder[list[Event] | Event | Tick | ImportedMember] = msgspec.json.Decoder(
    list[Event] | Event | Tick | ImportedMember
)
_fact_records: msgspec.json.Decoder[list[Fact | Pulse] | Fact | Pulse | Tick | Command | ImportedWorkspace] = (
    msgspec.json.Decoder(list[Fact | Pulse] | Fact | Pulse | Tick | Command | ImportedWorkspace)
)
_user_states = msgspec.msgpack.Decoder(UserState)
_workspace_states = msgspec.msgpack.Decoder(WorkspaceState)
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


def encode_record(
    record: Event | Tick | Fact | Pulse | Command | ImportedMember | ImportedWorkspace,
) -> bytes:
    """Write a record of `plg.user-events` or `plg.workspace-facts`."""
    return _json.encode(record)


encode_fact = encode_record


def bundle(records: Sequence[Event | Fact | Pulse]) -> bytes:
    """Write what goes to one partition as one Kafka value."""
    return _json.encode(records)


def position_in_log(offset: int, index: int = 0) -> int:
    """Where a record stands in its log: after every record of smaller offsets, and of smaller indices in its bundle."""
    return offset << _INDEX_BITS | index


def decode_user_records(value: bytes) -> Sequence[Event | Tick | ImportedMember]:
    """
    Read what one value of `plg.user-events` holds.

    Raises:
        msgspec.MsgspecError: Only ingest and the ticker write there, and this is neither's.
    """
    records = _user_records.decode(value)
    return records if type(records) is list else (records,)  # type: ignore[return-value]  # mypy does not narrow by `type`


def decode_fact_records(value: bytes) -> Sequence[Fact | Pulse | Tick | Command | ImportedWorkspace]:
    """
    Read what one value of `plg.workspace-facts` holds.

    Raises:
        msgspec.MsgspecError: Only the two steps, ingest and the ticker write there, and this is nobody's of them.
    """
    records = _fact_records.decode(value)
    return records if type(records) is list else (records,)  # type: ignore[return-value]  # mypy does not narrow by `type`


def encode(parts: Sequence[msgspec.Struct]) -> bytes:
    """Write parts of states as they stand there."""
    return _msgpack.encode(parts)


def encode_state(state: UserState | WorkspaceState) -> bytes:
    """Write a state for its changelog."""
    if type(state) is not WorkspaceState or not state.size:
        return _msgpack.encode(state)
    # A memo, which depends on the order in which partitions met.
    size, state.size = state.size, 0
    encoded = _msgpack.encode(state)
    state.size = size
    return encoded


def decode_user_state(encoded: bytes) -> UserState:
    """
    Read a user's state.

    Raises:
        BrokenLog: The changelog holds something else.
    """
    try:
        return _user_states.decode(encoded)
    except msgspec.MsgspecError as error:
        older = _renamed(encoded, UserState)
        if older is None:
            raise BrokenLog(
                "a value of the users' changelog is no user state: was it written by a newer version?"
            ) from error
        return _user_states.decode(older)


def decode_workspace_state(encoded: bytes) -> WorkspaceState:
    """
    Read a workspace's state.

    Raises:
        BrokenLog: The changelog holds something else.
    """
    try:
        return _workspace_states.decode(encoded)
    except msgspec.MsgspecError as error:
        older = _renamed(encoded, WorkspaceState, policy=PolicyState)
        if older is None:
            raise BrokenLog(
                "a value of the workspaces' changelog is no workspace state: was it written by a newer version?"
            ) from error
        return _workspace_states.decode(older)


def _renamed(encoded: bytes, kind: type[msgspec.Struct], **parts: type[msgspec.Struct]) -> bytes | None:
    """
    A state that was stored with the full names of its fields, with those of today; None if it is no such state.

    Args:
        parts: Fields that are structs with stored names of their own.
    """
    try:
        state = msgspec.msgpack.decode(encoded, type=dict[str, msgspec.Raw])
        for name, part in parts.items():
            if name in state:
                fields = msgspec.msgpack.decode(state[name], type=dict[str, msgspec.Raw])
                state[name] = msgspec.Raw(_msgpack.encode(_with_stored_names(fields, part)))
        older = _msgpack.encode(_with_stored_names(state, kind))
        msgspec.msgpack.decode(older, type=kind)
    except (msgspec.MsgspecError, KeyError):
        return None
    return older


def _with_stored_names(fields: dict[str, msgspec.Raw], kind: type[msgspec.Struct]) -> dict[str, msgspec.Raw]:
    stored_as = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    return {stored_as[name]: value for name, value in fields.items()}
