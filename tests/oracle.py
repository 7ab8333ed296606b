"""
The oracle: the pure steps folded once over the recorded logs, and how what came out differs from that.

Nothing here knows of workers, checkpoints or crashes. The customer's records say what ingest must have passed on; each
of our two logs says what its step must have made of it; the changelogs must hold the states it then has. A record may
stand twice on a topic, but never in another form, and never before one that it came after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from signals.codec import (
    decode_fact_record,
    decode_user_record,
    decode_user_state,
    decode_workspace_state,
    encode_record,
    encode_state,
)
from signals.compiled import Engine
from signals.config import Config
from signals.contract import alert_json, signal_json, verdict_json
from signals.domains import Domains
from signals.engine import step_user, step_workspace
from signals.errors import BadRecord
from signals.event import Event, Source, Tick
from signals.facts import Command, Fact, Outputs
from signals.formats.segment import SegmentDecoder
from signals.orders import read_command
from signals.shard import Fence, Shard
from signals.user import UserState
from signals.workspace import WorkspaceState
from streams.keyed import Record
from streams.letters import original_time, own_time
from streams.tables import _FENCE, _to_key
from streams.topics import Topics

S = TypeVar("S", UserState, WorkspaceState)
T = TypeVar("T")

Place = tuple[str, int]
# By topic and partition, in the order of the offsets.
Logs = Mapping[Place, Sequence[Record]]
# What one origin sent into one partition, in its order.
Flows = dict[tuple[int, str], list[bytes]]
# `at` and `due` before the state's own bytes, see signals/shard.py.
_SEAL_BYTES = 16


@dataclass
class Findings:
    """What differs; all empty where nothing was lost and nothing is wrong."""

    lost: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    wrong_states: list[str] = field(default_factory=list)
    uncommitted: list[str] = field(default_factory=list)
    # No fault: how many records stand more than once on signals, alerts and verdicts.
    repeated: int = 0

    def __bool__(self) -> bool:
        return bool(self.lost or self.extra or self.changed or self.wrong_states or self.uncommitted)

    def __str__(self) -> str:
        named = {
            "lost": self.lost,
            "extra": self.extra,
            "changed": self.changed,
            "wrong states": self.wrong_states,
            "not committed": self.uncommitted,
        }
        return "; ".join(f"{name} {len(found)}: {found[:3]}" for name, found in named.items() if found)


@dataclass
class _Fold:
    """What one keyed step must have come to."""

    signals: dict[str, bytes] = field(default_factory=dict)
    alerts: dict[str, bytes] = field(default_factory=dict)
    verdicts: dict[str, bytes] = field(default_factory=dict)
    facts: Flows = field(default_factory=lambda: defaultdict(list))
    stored: dict[tuple[int, bytes], bytes] = field(default_factory=dict)
    fences: dict[int, Fence] = field(default_factory=dict)


class Oracle:
    """
    One account of what should have happened.

    Args:
        config: The config that was in force all the time.
        logs: Every topic, ours and the customer's.
        sources: The customer's topics.
    """

    def __init__(self, config: Config, logs: Logs, sources: Iterable[str]) -> None:
        self.config = config
        self.topics = Topics(config.prefix, config.topics.partitions)
        self._logs = logs
        self._sources = frozenset(sources)
        self._ingested = frozenset(self.topics.ingested(tuple(self._sources)))
        self._engine = Engine(config, Domains(config.domains))
        self._decoder = SegmentDecoder(config)
        self._bad: dict[str, str] = {}
        self.users = self._fold(self.topics.user_events, decode_user_record, step_user, decode_user_state)
        self.workspaces = self._fold(
            self.topics.workspace_facts, decode_fact_record, step_workspace, decode_workspace_state
        )

    def findings(self, committed: Mapping[Place, int] | None = None) -> Findings:
        """
        Compare.

        Args:
            committed: What the workers' group has committed; None to leave that out.
        """
        found = Findings()
        topics = self.topics
        events, commands = self._ingest()
        self._compare_flows(found, topics.user_events, events, self._recorded_events())
        facts: Flows = defaultdict(list)
        for flows in (self.users.facts, self.workspaces.facts, commands):
            for flow, values in flows.items():
                facts[flow] += values
        self._compare_flows(found, topics.workspace_facts, facts, self._recorded_facts())
        both = (self.users, self.workspaces)
        self._compare_by_id(found, topics.signals, _merged(fold.signals for fold in both), signal_key)
        self._compare_by_id(found, topics.alerts, _merged(fold.alerts for fold in both), alert_key)
        self._compare_by_id(found, topics.verdicts, _merged(fold.verdicts for fold in both), verdict_key)
        self._compare_dead_letters(found)
        self._compare_states(found, topics.users_changelog, self.users, decode_user_state)
        self._compare_states(found, topics.workspaces_changelog, self.workspaces, decode_workspace_state)
        if committed is not None:
            self._compare_offsets(found, committed)
        return found

    def alerts(self) -> dict[str, bytes]:
        """Every state of every alert that must have been sent, without its time of detection."""
        return self.workspaces.alerts

    # -- what must have happened

    def _records(self, topic: str) -> Iterable[tuple[int, Record]]:
        for name, partition in sorted(place for place in self._logs if place[0] == topic):
            for record in self._logs[name, partition]:
                yield partition, record

    def _ingest(self) -> tuple[Flows, Flows]:
        events: Flows = defaultdict(list)
        commands: Flows = defaultdict(list)
        for topic in sorted(self._ingested):
            for partition, record in self._records(topic):
                try:
                    if topic == self.topics.commands:
                        self._ingest_command(record, commands)
                        continue
                    time_of = original_time if topic == self.topics.redrive else own_time
                    event = self._decoder.decode(record.value, time_of(record), Source(topic, partition, record.offset))
                except BadRecord as bad:
                    self._bad[f"{topic}/{partition}/{record.offset}"] = bad.reason
                else:
                    events[self.topics.of(event.subject), f"{topic}:{partition}"].append(_event_bytes(event))
        return events, commands

    def _ingest_command(self, record: Record, commands: Flows) -> None:
        command = read_command(record.value).at(record.partition, record.offset)
        everywhere = command.workspace_id is None
        for partition in range(self.topics.partitions):
            if everywhere or partition == self.topics.of(command.workspace_id or ""):
                commands[partition, command.origin].append(encode_record(command))

    def _fold(
        self,
        topic: str,
        decode: Callable[[bytes], T],
        step: Callable[[Shard[S], T, int, int, Engine], Outputs],
        decode_state: Callable[[bytes], S],
    ) -> _Fold:
        fold = _Fold()
        shards: dict[int, Shard[S]] = {}
        for partition, record in self._records(topic):
            shard = shards.setdefault(partition, Shard(encode_state, decode_state))
            self._collect(fold, step(shard, decode(record.value or b""), record.offset, partition, self._engine))
        for partition, shard in shards.items():
            fold.fences[partition] = shard.fence
            for key in shard:
                fold.stored[partition, _to_key(key)] = shard.sealed(key)
        return fold

    def _collect(self, fold: _Fold, out: Outputs) -> None:
        for fact in out.facts:
            fold.facts[self.topics.of(fact.workspace_id), fact.origin].append(encode_record(fact))
        for firing in out.signals:
            value = signal_json(firing, 0, self.config.hash)
            fold.signals[signal_key(msgspec.json.decode(value))] = _undated(value)
        for alert in out.alerts:
            value = alert_json(alert, 0, self.config.hash)
            fold.alerts[alert_key(msgspec.json.decode(value))] = _undated(value)
        for verdict in out.verdicts:
            if verdict.is_final:
                fold.verdicts[verdict.signal_id] = _undated(verdict_json(verdict))

    # -- what did happen

    def _recorded_events(self) -> Flows:
        flows: Flows = defaultdict(list)
        for partition, record in self._records(self.topics.user_events):
            event = decode_user_record(record.value or b"")
            if not isinstance(event, Tick):
                origin = f"{event.source.topic}:{event.source.partition}"
                flows[partition, origin].append(_event_bytes(event))
        return flows

    def _recorded_facts(self) -> Flows:
        flows: Flows = defaultdict(list)
        for partition, record in self._records(self.topics.workspace_facts):
            fact = decode_fact_record(record.value or b"")
            if isinstance(fact, Fact | Command):
                flows[partition, fact.origin].append(encode_record(fact))
        return flows

    # -- how they differ

    def _compare_flows(self, found: Findings, topic: str, expected: Flows, recorded: Flows) -> None:
        for flow in expected.keys() | recorded.keys():
            wanted = expected.get(flow, [])
            # What was sent again says nothing new; the first of each must be there, in order.
            seen = list(dict.fromkeys(recorded.get(flow, [])))
            if seen == wanted:
                continue
            place = f"{topic}/{flow[0]} from {flow[1]}"
            found.lost += [f"{place}: {value!r}" for value in wanted if value not in seen]
            found.extra += [f"{place}: {value!r}" for value in seen if value not in wanted]
            if sorted(seen) == sorted(wanted):
                found.changed.append(f"{place}: out of order")

    def _compare_by_id(
        self, found: Findings, topic: str, expected: dict[str, bytes], key: Callable[[dict[str, Any]], str]
    ) -> None:
        seen: dict[str, bytes] = {}
        for _, record in self._records(topic):
            value = record.value or b""
            name = key(msgspec.json.decode(value))
            undated = _undated(value)
            found.repeated += name in seen
            if seen.setdefault(name, undated) != undated:
                found.changed.append(f"{topic}: {name} stands there in two forms")
        found.lost += [f"{topic}: {expected[name]!r}" for name in expected.keys() - seen.keys()]
        found.extra += [f"{topic}: {seen[name]!r}" for name in seen.keys() - expected.keys()]
        found.changed += [
            f"{topic}: {name} is {seen[name]!r}, must be {expected[name]!r}"
            for name in seen.keys() & expected.keys()
            if seen[name] != expected[name]
        ]

    def _compare_dead_letters(self, found: Findings) -> None:
        seen = {}
        for _, record in self._records(self.topics.dead_letters):
            headers = {name: text.decode() for name, text in record.headers}
            seen[(record.key or b"").decode()] = headers["reason"]
        found.lost += [f"dead letter {place}: {self._bad[place]}" for place in self._bad.keys() - seen.keys()]
        found.extra += [f"dead letter {place}: {seen[place]}" for place in seen.keys() - self._bad.keys()]
        found.changed += [
            f"dead letter {place}: {seen[place]}, must be {self._bad[place]}"
            for place in seen.keys() & self._bad.keys()
            if seen[place] != self._bad[place]
        ]

    def _compare_states(self, found: Findings, topic: str, fold: _Fold, decode: Callable[[bytes], Any]) -> None:
        stored = {(partition, record.key or b""): record.value or b"" for partition, record in self._records(topic)}
        states = {place: value for place, value in stored.items() if place[1] in fold_keys(place[1])}
        for place in fold.stored.keys() | states.keys():
            wanted, seen = fold.stored.get(place), states.get(place)
            if wanted != seen:
                found.wrong_states.append(f"{topic} {place}: {_show(seen, decode)}, must be {_show(wanted, decode)}")
        for partition, fence in fold.fences.items():
            value = stored.get((partition, _FENCE))
            if value is None or msgspec.msgpack.decode(value, type=Fence) != fence:
                found.wrong_states.append(f"{topic} fence of {partition}: {value!r}, must be {fence}")

    def _compare_offsets(self, found: Findings, committed: Mapping[Place, int]) -> None:
        inputs = {*self._ingested, self.topics.user_events, self.topics.workspace_facts}
        for place, log in self._logs.items():
            if place[0] in inputs and log and committed.get(place, 0) != log[-1].offset + 1:
                found.uncommitted.append(f"{place[0]}/{place[1]}: {committed.get(place)} of {log[-1].offset + 1}")


def fold_keys(key: bytes) -> tuple[bytes, ...]:
    """The key itself if it is a subject's, nothing if it is one of ours."""
    return () if key.startswith(b"\0") and not key.startswith(b"\0\0") else (key,)


def signal_key(signal: dict[str, Any]) -> str:
    """What makes two records of `plg.signals` copies of each other."""
    return str(signal["id"])


def alert_key(alert: dict[str, Any]) -> str:
    """What makes two records of `plg.alerts` copies of each other."""
    return f"{alert['id']} {alert['status']} {len(alert['signal_ids'])}"


def verdict_key(verdict: dict[str, Any]) -> str:
    """What makes two records of `plg.verdicts` copies of each other."""
    return str(verdict["signal_id"])


def _event_bytes(event: Event) -> bytes:
    # The wall time of ingest is a new one each time.
    return encode_record(msgspec.structs.replace(event, ingested_at=None))


def _undated(value: bytes) -> bytes:
    record = msgspec.json.decode(value)
    record.pop("detected_at", None)
    return msgspec.json.encode(record)


def _merged(parts: Iterable[dict[str, bytes]]) -> dict[str, bytes]:
    return {name: value for part in parts for name, value in part.items()}


def _show(sealed: bytes | None, decode: Callable[[bytes], Any]) -> str:
    return "nothing" if sealed is None else str(decode(sealed[_SEAL_BYTES:]))
