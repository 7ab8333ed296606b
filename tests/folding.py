"""The recorded logs folded by the pure steps in one go: the states at their ends, and everything sent on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from signals.codec import (
    decode_fact_records,
    decode_user_records,
    decode_user_state,
    decode_workspace_state,
    encode_record,
    encode_state,
    position_in_log,
)
from signals.compiled import Engine
from signals.config import Config
from signals.contract import alert_json, signal_json, verdict_json
from signals.engine import Outputs, step_user, step_workspace
from signals.engines import Engines
from signals.event import Tick
from signals.facts import Alert, Command, Fact, Pulse
from signals.shard import Coordinate, Fence, Shard
from streams.tables import _FAILURE, _FENCE, _to_key
from streams.topics import Topics
from tests.records import Read, Record

Stored = dict[tuple[int, bytes], bytes]
# The partition it goes to, where it comes from, and its place there.
FactKey = tuple[int, str, Coordinate]
# The id, the status, and how many signals it speaks of: what makes two records copies of each other.
AlertState = tuple[str, str, int]

# The only value of the wall clock in what is sent (docs/contract.md): "not part of its identity".
_DETECTED_AT = re.compile(rb'"detected_at":"[^"]*"')


@dataclass
class Folded:
    """What a log comes to."""

    states: Stored = field(default_factory=dict)
    facts: dict[FactKey, bytes] = field(default_factory=dict)
    # Measures among them: they stand on the same topic.
    signals: dict[str, bytes] = field(default_factory=dict)
    verdicts: dict[str, bytes] = field(default_factory=dict)
    alerts: dict[AlertState, bytes] = field(default_factory=dict)

    def take(self, outputs: Outputs, config: Config, made_by: str) -> None:
        """Keep what a step has put out, as it stands on the topics; `made_by` is the hash of the config in force."""
        topics = Topics(config.prefix, config.topics.partitions)
        for fact in outputs.facts:
            self.facts.setdefault(fact_key(topics.of(fact.workspace_id), fact), encode_record(fact))
        for firing in (*outputs.signals, *outputs.measures):
            self.signals.setdefault(firing.id, timeless(signal_json(firing, 0, made_by)))
        for alert in outputs.alerts:
            self.alerts.setdefault(_state_of(alert), timeless(alert_json(alert, 0, made_by)))
        for verdict in outputs.verdicts:
            if verdict.is_final:
                self.verdicts.setdefault(verdict.signal_id, verdict_json(verdict))


def timeless(value: bytes) -> bytes:
    """A signal or an alert without the time at which it was found."""
    return _DETECTED_AT.sub(b'"detected_at":""', value)


def fact_key(partition: int, fact: Fact | Pulse | Command) -> FactKey:
    """What makes two facts, or two orders, copies of each other."""
    return partition, fact.origin, fact.coordinate


def changelog_states(read: Read, topic: str) -> Stored:
    """What a recovery would end with: the last value of each key of each partition of a changelog."""
    return {
        (record.partition, record.key or b""): record.value or b""
        for record in read(topic)
        # How often a step has failed on a record is no state of a subject.
        if record.key != _FAILURE
    }


def fold_users(read: Read, config: Config, engines: Engines | None = None) -> Folded:
    """The users' log, applied from its beginning without a crash; `engines` has the configs that its ticks name."""
    return _fold(
        config,
        engines or _engines_of(config),
        read(Topics(config.prefix, config.topics.partitions).user_events),
        decode_user_state,
        decode_user_records,
        step_user,
    )


def fold_workspaces(read: Read, config: Config, engines: Engines | None = None) -> Folded:
    """The facts log, applied in the same way."""
    return _fold(
        config,
        engines or _engines_of(config),
        read(Topics(config.prefix, config.topics.partitions).workspace_facts),
        decode_workspace_state,
        decode_fact_records,
        step_workspace,
    )


def differing_states(seen: Stored, expected: Stored, decode: Callable[[bytes], Any]) -> list[str]:
    """Hold stored states and fences against folded ones, byte for byte; a line for each that differs."""
    differing = [f"partition {number} {key!r}: missing" for number, key in expected.keys() - seen.keys()]
    differing += [f"partition {number} {key!r}: too many" for number, key in seen.keys() - expected.keys()]
    for place in expected.keys() & seen.keys():
        number, key = place
        if key == _FENCE:
            # The order in which origins were first met is no part of a fence.
            if _fence(seen[place]) != _fence(expected[place]):
                differing.append(f"fence of partition {number}")
        elif seen[place] != expected[place]:
            # The first 16 bytes of a state are what recovery reads without decoding: applied offset and due time.
            difference = _difference(decode(seen[place][16:]), decode(expected[place][16:]))
            differing.append(f"partition {number} {key!r}: {difference or 'applied offset or due time'}")
    return differing


def check_states(read: Read, config: Config) -> str:
    """
    Hold both changelogs against the folded logs.

    Returns:
        How many were compared, in words.
    """
    said = []
    topics = Topics(config.prefix, config.topics.partitions)
    for topic, folded, decode in (
        (topics.users_changelog, fold_users(read, config), decode_user_state),
        (topics.workspaces_changelog, fold_workspaces(read, config), decode_workspace_state),
    ):
        differing = differing_states(changelog_states(read, topic), folded.states, decode)
        assert not differing, f"{len(differing)} of {len(folded.states)} differ: {differing[:4]}"
        said.append(counted(folded.states))
    return f"changelogs equal the folded logs: {said[0]} of users, {said[1]} of workspaces"


def counted(states: Stored) -> str:
    """How many states and fences, in words."""
    fences = sum(key == _FENCE for _, key in states)
    return f"{len(states) - fences} states and {fences} fences"


def _state_of(alert: Alert) -> AlertState:
    return alert.id, alert.status.value, len(alert.signal_ids)


def _fence(stored: bytes) -> Fence:
    return msgspec.msgpack.decode(stored, type=Fence)


def _difference(seen: msgspec.Struct, expected: msgspec.Struct) -> str:
    fields = [name for name in seen.__struct_fields__ if getattr(seen, name) != getattr(expected, name)]
    return "; ".join(f"{name} {getattr(seen, name)!r} should be {getattr(expected, name)!r}"[:400] for name in fields)


def _engines_of(config: Config) -> Engines:
    engines = _engines.get(config.hash)
    if engines is None:
        engines = _engines[config.hash] = Engines(config)
    return engines


# Reading the lists of domains takes longer than a short story takes to fold.
_engines: dict[str, Engines] = {}


def _fold(
    config: Config,
    engines: Engines,
    records: Iterable[Record],
    decode: Callable[[bytes], Any],
    decode_items: Callable[[bytes], Sequence[Any]],
    step: Callable[[Shard[Any], Any, int, int, Engine], Outputs],
) -> Folded:
    folded = Folded()
    shards: dict[int, Shard[Any]] = {}
    for record in records:
        shard = shards.get(record.partition)
        if shard is None:
            shard = shards[record.partition] = Shard(encode_state, decode)
        for position, item in enumerate(decode_items(record.value or b""), position_in_log(record.offset)):
            name = shard.fence.config_at(item) if isinstance(item, Tick) else shard.fence.config
            engine = engines.of(name)
            folded.take(step(shard, item, position, record.partition, engine), config, engine.hash)
        shard.fence.end = record.offset + 1
    for number, shard in shards.items():
        folded.states |= {(number, _to_key(key)): shard.sealed(key) for key in shard}
        folded.states[number, _FENCE] = msgspec.msgpack.encode(shard.fence)
    return folded
