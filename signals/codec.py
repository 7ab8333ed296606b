"""Records and states as bytes: JSON where people may look at a topic, compact msgpack in the changelogs."""

from __future__ import annotations

import msgspec

from signals.errors import BrokenLog
from signals.event import Event, Tick
from signals.facts import Command, Fact
from signals.user import UserState
from signals.workspace import WorkspaceState

_user_records: msgspec.json.Decoder[Event | Tick] = msgspec.json.Decoder(Event | Tick)
_fact_records: msgspec.json.Decoder[Fact | Tick | Command] = msgspec.json.Decoder(Fact | Tick | Command)
_user_states = msgspec.msgpack.Decoder(UserState)
_workspace_states = msgspec.msgpack.Decoder(WorkspaceState)
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


def encode_record(record: Event | Tick | Fact | Command) -> bytes:
    """Write a record of `plg.user-events` or `plg.workspace-facts`."""
    return _json.encode(record)


encode_fact = encode_record


def decode_user_record(value: bytes) -> Event | Tick:
    """
    Read a record of `plg.user-events`.

    Raises:
        msgspec.MsgspecError: Only ingest and the ticker write there, and this is neither's.
    """
    return _user_records.decode(value)


def decode_fact_record(value: bytes) -> Fact | Tick | Command:
    """
    Read a record of `plg.workspace-facts`.

    Raises:
        msgspec.MsgspecError: Only the two steps, ingest and the ticker write there, and this is nobody's of them.
    """
    return _fact_records.decode(value)


def encode_state(state: UserState | WorkspaceState) -> bytes:
    """Write a state for its changelog."""
    return _msgpack.encode(state)


def decode_user_state(encoded: bytes) -> UserState:
    """
    Read a user's state.

    Raises:
        BrokenLog: The changelog holds something else.
    """
    try:
        return _user_states.decode(encoded)
    except msgspec.MsgspecError as error:
        raise BrokenLog(
            "a value of the users' changelog is no user state: was it written by a newer version?"
        ) from error


def decode_workspace_state(encoded: bytes) -> WorkspaceState:
    """
    Read a workspace's state.

    Raises:
        BrokenLog: The changelog holds something else.
    """
    try:
        return _workspace_states.decode(encoded)
    except msgspec.MsgspecError as error:
        raise BrokenLog(
            "a value of the workspaces' changelog is no workspace state: was it written by a newer version?"
        ) from error
