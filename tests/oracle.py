"""
The oracle: what a river has left is what its recorded logs come to, no more and no less.

Each log is held against the one before it: the users' log against the customer's topics as the decoder reads them, the
facts log against the users' log as the step folds it, everything sent and every state against both. So a disorder
between partitions, which is nobody's fault, never counts, and a lost record always does. Nothing here knows of workers,
checkpoints or crashes: the crash explorer and the chaos on a real cluster ask the same oracle.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from signals.codec import (
    decode_fact_records,
    decode_user_records,
    decode_user_state,
    decode_workspace_state,
    encode_record,
)
from signals.config import Config
from signals.engines import Engines
from signals.errors import BadRecord
from signals.event import Event, Source
from signals.facts import Command, Fact, Pulse
from signals.formats.segment import SegmentDecoder
from signals.orders import read_command
from signals.shard import Coordinate
from streams.letters import original_time, own_time
from streams.topics import Topics
from tests.findings import Findings
from tests.folding import (
    AlertState,
    FactKey,
    Folded,
    changelog_states,
    differing_states,
    fact_key,
    fold_users,
    fold_workspaces,
    timeless,
)
from tests.records import Read, Record, in_bundles

# Topic, partition, offset.
Place = tuple[str, int, int]


class Oracle:
    """
    One account of what should have happened; ingest needs the same config all the time.

    Args:
        config: The config that was in force, where no tick names another.
        read: Reads a topic, ours or the customer's; one that does not exist is empty.
        sources: The customer's topics.
        engines: Has the configs that ticks name.
    """

    def __init__(self, config: Config, read: Read, sources: Iterable[str], engines: Engines | None = None) -> None:
        self.config = config
        self.topics = Topics(config.prefix, config.topics.partitions)
        self.users = fold_users(read, config, engines)
        self.workspaces = fold_workspaces(read, config, engines)
        self._read = read
        self._ingested = self.topics.ingested(tuple(sources))
        self._orders: dict[FactKey, bytes] = {}

    def judge(self, found: Findings, injected: Counter[bytes] | None = None) -> None:
        """
        Hold events, facts, signals, verdicts, alerts, dead letters and states against what they must be.

        Args:
            found: Receives what differs.
            injected: The values of all bad records that were sent, each as often as it was sent; None: nobody knows.
        """
        self._judge_ingest(found, injected)
        self._judge_facts(found)
        self._judge_outputs(found)
        self._judge_states(found)

    def judge_commits(self, committed: Mapping[tuple[str, int], int], found: Findings) -> None:
        """Every input log must be committed to its end, by topic and partition."""
        for topic in (*self._ingested, self.topics.user_events, self.topics.workspace_facts):
            ends = {(topic, record.partition): record.offset + 1 for record in self._read(topic)}
            found.stuck += [
                f"{place[0]}/{place[1]}: committed {committed.get(place, 0)} of {end}"
                for place, end in ends.items()
                if committed.get(place, 0) != end
            ]

    def _judge_ingest(self, found: Findings, injected: Counter[bytes] | None) -> None:
        """The users' log and the dead letters are what decoding the customer's topics gives."""
        decoder = SegmentDecoder(self.config)
        events: dict[Place, bytes] = {}
        bad: dict[Place, bytes] = {}
        for topic in self._ingested:
            time_of = original_time if topic == self.topics.redrive else own_time
            for record in self._read(topic):
                place = (topic, record.partition, record.offset)
                try:
                    if topic == self.topics.commands:
                        self._note_order(record)
                        continue
                    event = decoder.decode(record.value, time_of(record), Source(*place))
                except BadRecord as error:
                    bad[place] = _letter_bytes(error.reason, record.value)
                else:
                    events[place] = _placed(self.topics.of(event.subject), event)
        found.compare("event", self._passed_on(found), events)
        letters = self._dead_letters()
        found.compare("dead letter", letters, bad)
        if injected is not None:
            seen = Counter(value.partition(b"\n")[2] for values in letters.values() for value in values)
            found.lost += [f"injected bad record {value[:80]!r}" for value in (injected - seen)]
            found.extra += [f"dead letter that nobody injected {value[:80]!r}" for value in (seen - injected)]

    def _note_order(self, record: Record) -> None:
        order = read_command(record.value, self.config.custom).at(record.partition, record.offset)
        about = order.workspace_id
        for partition in range(self.topics.partitions) if about is None else (self.topics.of(about),):
            self._orders[fact_key(partition, order)] = encode_record(order)

    def _passed_on(self, found: Findings) -> dict[Place, set[bytes]]:
        seen: dict[Place, set[bytes]] = {}
        flows = _Flows("event")
        for record in self._read(self.topics.user_events):
            for event in decode_user_records(record.value or b""):
                if isinstance(event, Event):
                    topic, partition, offset = msgspec.structs.astuple(event.source)
                    if (topic, partition, offset) not in seen:
                        flows.add(record.partition, f"{topic}:{partition}", Coordinate(offset))
                    seen.setdefault((topic, partition, offset), set()).add(_placed(record.partition, event))
        found.differing += flows.out_of_order
        return seen

    def _judge_facts(self, found: Findings) -> None:
        """Facts and orders in the facts log are those of the folded logs, and the first of each come in order."""
        seen: dict[FactKey, set[bytes]] = {}
        flows = _Flows("fact")
        for record in self._read(self.topics.workspace_facts):
            for _position, value in in_bundles(record):
                [fact] = decode_fact_records(value)
                if isinstance(fact, Fact | Pulse | Command):
                    key = fact_key(record.partition, fact)
                    if key not in seen:
                        flows.add(*key)
                    seen.setdefault(key, set()).add(value)
        found.differing += flows.out_of_order
        found.compare("fact", seen, {**self.users.facts, **self.workspaces.facts, **self._orders})

    def _judge_outputs(self, found: Findings) -> None:
        """Signals, verdicts and alerts on the topics are those of the folded logs, all copies alike."""
        topics, users, workspaces = self.topics, self.users, self.workspaces
        signals = _by(self._read(topics.signals), "id")
        found.compare("signal", signals, {**users.signals, **workspaces.signals})
        # A signal that belongs to no workspace has its verdict from the users' step.
        verdicts = {**users.verdicts, **workspaces.verdicts}
        found.compare("verdict", _by(self._read(topics.verdicts), "signal_id"), verdicts)
        alerts = copies(record.value or b"" for record in self._read(topics.alerts))
        found.compare("alert", alerts, workspaces.alerts)

    def _judge_states(self, found: Findings) -> None:
        """The changelogs hold the folded states byte for byte."""
        for topic, folded, decode in self.changelogs():
            found.compared["state"] += len(folded.states)
            found.wrong_states += differing_states(changelog_states(self._read, topic), folded.states, decode)

    def changelogs(self) -> tuple[tuple[str, Folded, Any], ...]:
        """Each changelog with what it must hold and how to read it."""
        return (
            (self.topics.users_changelog, self.users, decode_user_state),
            (self.topics.workspaces_changelog, self.workspaces, decode_workspace_state),
        )

    def _dead_letters(self) -> dict[Place, set[bytes]]:
        seen: dict[Place, set[bytes]] = {}
        for record in self._read(self.topics.dead_letters):
            headers = {name: value.decode() for name, value in record.headers}
            place = (headers["topic"], int(headers["partition"]), int(headers["offset"]))
            seen.setdefault(place, set()).add(_letter_bytes(headers["reason"], record.value))
        return seen


class _Flows:
    """What each origin has sent into each partition: the first of each thing must come in the origin's order."""

    def __init__(self, what: str) -> None:
        self.out_of_order: list[str] = []
        self._what = what
        self._last: dict[tuple[int, str], Coordinate] = defaultdict(lambda: Coordinate(-1))

    def add(self, partition: int, origin: str, coordinate: Coordinate) -> None:
        """Take the next one that has not been there before."""
        if coordinate <= self._last[partition, origin]:
            self.out_of_order.append(f"{self._what} in partition {partition} from {origin}: {coordinate} too late")
        self._last[partition, origin] = coordinate


def copies(values: Iterable[bytes]) -> dict[AlertState, set[bytes]]:
    """Alerts by their state, with all copies of each."""
    found: dict[AlertState, set[bytes]] = {}
    for value in values:
        found.setdefault(alert_state(msgspec.json.decode(value)), set()).add(timeless(value))
    return found


def alert_state(alert: dict[str, Any]) -> AlertState:
    """What makes two records copies of each other."""
    return alert["id"], alert["status"], len(alert["signal_ids"])


def _by(records: Iterable[Record], name: str) -> dict[str, set[bytes]]:
    seen: dict[str, set[bytes]] = {}
    for record in records:
        value = record.value or b""
        seen.setdefault(msgspec.json.decode(value)[name], set()).add(timeless(value))
    return seen


def _letter_bytes(reason: str, value: bytes | None) -> bytes:
    return str(reason).encode() + b"\n" + (value or b"")


def _placed(partition: int, event: Event) -> bytes:
    # The wall time of ingest is a new one each time.
    return f"in partition {partition}: ".encode() + encode_record(msgspec.structs.replace(event, ingested_at=None))
