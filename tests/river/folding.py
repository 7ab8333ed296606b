"""The oracle for states: the recorded logs folded by the steps in one go, against what the changelogs hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from confluent_kafka import Message

from signals.codec import (
    decode_fact_record,
    decode_user_record,
    decode_user_state,
    decode_workspace_state,
    encode_state,
)
from signals.compiled import Engine
from signals.domains import Domains
from signals.engine import step_user, step_workspace
from signals.shard import Fence, Shard
from streams.tables import _FENCE, _to_key
from tests.river.harness import River

Stored = dict[tuple[int, bytes], bytes]


def changelog_states(river: River, topic: str) -> Stored:
    """What a recovery would end with: the last value of each key of each partition of a changelog."""
    return {(record.partition(), record.key()): record.value() for record in river.read(topic)}


def folded_users(river: River) -> Stored:
    """The users' log, applied from its beginning without a crash."""
    engine = _engine(river)
    return _fold(
        river.read(river.topics.user_events),
        decode_user_state,
        lambda shard, record: step_user(
            shard, decode_user_record(record.value()), record.offset(), record.partition(), engine
        ),
    )


def folded_workspaces(river: River) -> Stored:
    """The facts log, applied from its beginning without a crash."""
    engine = _engine(river)
    return _fold(
        river.read(river.topics.workspace_facts),
        decode_workspace_state,
        lambda shard, record: step_workspace(
            shard, decode_fact_record(record.value()), record.offset(), record.partition(), engine
        ),
    )


def check_states(seen: Stored, expected: Stored, decode: Callable[[bytes], Any]) -> str:
    """
    Hold stored states and fences against folded ones, byte for byte.

    Returns:
        How many were compared, in words.
    """
    assert seen.keys() == expected.keys(), f"keys differ: {sorted(seen.keys() ^ expected.keys())[:3]}"
    # The first 16 bytes of a state are what recovery reads without decoding: applied offset and due time.
    differing = [
        f"partition {place[0]} {place[1].decode()}: {_difference(decode(seen[place][16:]), decode(value[16:]))}"
        for place, value in expected.items()
        if place[1] != _FENCE and seen[place] != value
    ]
    # The order in which origins were first met is no part of a fence.
    differing += [
        f"fence of partition {place[0]}"
        for place, value in expected.items()
        if place[1] == _FENCE and _fence(seen[place]) != _fence(value)
    ]
    assert not differing, f"{len(differing)} of {len(expected)} differ: {differing[:4]}"
    fences = sum(key == _FENCE for _, key in expected)
    return f"{len(expected) - fences} states and {fences} fences"


def _fence(stored: bytes) -> Fence:
    return msgspec.msgpack.decode(stored, type=Fence)


def _difference(seen: msgspec.Struct, expected: msgspec.Struct) -> str:
    fields = [name for name in seen.__struct_fields__ if getattr(seen, name) != getattr(expected, name)]
    return "; ".join(f"{name} {getattr(seen, name)!r} should be {getattr(expected, name)!r}"[:400] for name in fields)


def _engine(river: River) -> Engine:
    return Engine(river.config, Domains(river.config.domains))


def _fold(
    records: list[Message], decode: Callable[[bytes], Any], step: Callable[[Shard[Any], Message], object]
) -> Stored:
    shards: dict[int, Shard[Any]] = {}
    for record in records:
        shard = shards.get(record.partition())
        if shard is None:
            shard = shards[record.partition()] = Shard(encode_state, decode)
        step(shard, record)
    stored: Stored = {}
    for number, shard in shards.items():
        stored |= {(number, _to_key(key)): shard.sealed(key) for key in shard}
        stored[number, _FENCE] = msgspec.msgpack.encode(shard.fence)
    return stored
