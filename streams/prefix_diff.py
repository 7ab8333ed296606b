"""
Two prefixes that read the same product, held against each other: which signals and alerts only one of them has.

Ids have the prefix in them, and a shadow counts from where it began: signals are therefore the same where the same
event of the product has raised the same signal for the same subject. What only one of both could see, because the other
had not begun there or has not come so far, is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice

import msgspec
from confluent_kafka import Consumer, TopicPartition

from signals.codec import decode_user_records
from signals.event import Event, Source
from streams.reach import require_broker
from streams.reading import read_topic
from streams.settings import Settings
from streams.topics import Topics

Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
_MEASURE = "measure"
_OPEN = "open"
# So many events of a log tell where its prefix began to read.
_FIRST_EVENTS = 100_000


class Moment(msgspec.Struct, frozen=True):
    """One signal or alert: what, of whom, raised by which event, and when (RFC 3339)."""

    signal: str
    subject: str
    event_id: str
    occurred_at: str


@dataclass
class Diff:
    """
    What differs, of signals or of alerts.

    `moved` pairs those of one subject that another event has raised there. `unseen` counts those that only one prefix
    could have had.
    """

    same: Counter[str] = field(default_factory=Counter)
    only_left: list[Moment] = field(default_factory=list)
    only_right: list[Moment] = field(default_factory=list)
    moved: list[tuple[Moment, Moment]] = field(default_factory=list)
    unseen: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether both have the same."""
        return not (self.only_left or self.only_right or self.moved)

    def counts(self) -> dict[str, tuple[int, int, int, int]]:
        """By signal: how many are the same, moved, only here, only there."""
        moved = Counter(before.signal for before, _ in self.moved)
        left, right = (Counter(one.signal for one in many) for many in (self.only_left, self.only_right))
        names = sorted(self.same.keys() | moved.keys() | left.keys() | right.keys())
        return {name: (self.same[name], moved[name], left[name], right[name]) for name in names}


@dataclass(frozen=True)
class Reach:
    """How far a prefix has read the product: by topic and partition the first offset, and that after the last."""

    spans: Mapping[tuple[str, int], tuple[int, int]]

    def covers(self, cause: Source) -> bool:
        """Whether the record is among what it has read."""
        first, end = self.spans.get((cause.topic, cause.partition), (0, 0))
        return first <= cause.offset < end


@dataclass(frozen=True)
class PrefixDiff:
    """Signals and alerts of two prefixes."""

    signals: Diff
    alerts: Diff


def diff_prefixes(
    left: Topics, right: Topics, settings: Settings, *, since: int | None, progress: Progress
) -> PrefixDiff:
    """
    Compare what both have sent about the events that both have read.

    Args:
        since: Only what was sent since then, Unix milliseconds.
        progress: Shows how far each reading has come.

    Raises:
        PlgError: The broker does not answer, or a topic does not exist.
    """
    require_broker(settings)
    reaches = [_reach(topics, settings) for topics in (left, right)]
    found = {}
    # Signals before alerts, which have their causes from them.
    causes: tuple[dict[str, Source], ...] = ({}, {})
    for what in ("signals", "alerts"):
        sides = []
        for topics, known in zip((left, right), causes, strict=True):
            topic = topics.signals if what == "signals" else topics.alerts
            with progress(f"reading {topic}") as on_record:
                sides.append([*_all_sent(topic, settings, since, on_record, known)])
        found[what] = compare(sides[0], sides[1], reaches)
    return PrefixDiff(found["signals"], found["alerts"])


Sent = tuple[Moment, Source | None]


def compare(left: list[Sent], right: list[Sent], reaches: list[Reach]) -> Diff:
    """Compare what two prefixes have sent; pure."""
    diff = Diff()
    seen: list[list[Moment]] = []
    for sent in (left, right):
        # Copies of one signal are one.
        covered = {moment: None for moment, cause in sent if cause is None or all(r.covers(cause) for r in reaches)}
        diff.unseen += len({moment for moment, _ in sent}) - len(covered)
        seen.append(list(covered))
    there = [{_identity(one) for one in many} for many in seen]
    diff.same = Counter(one.signal for one in seen[0] if _identity(one) in there[1])
    only = [[one for one in seen[n] if _identity(one) not in there[1 - n]] for n in (0, 1)]
    by_subject: dict[tuple[str, str], list[Moment]] = defaultdict(list)
    for one in sorted(only[1], key=_order):
        by_subject[one.signal, one.subject].append(one)
    for one in sorted(only[0], key=_order):
        others = by_subject[one.signal, one.subject]
        if others:
            diff.moved.append((one, others.pop(0)))
        else:
            diff.only_left.append(one)
    diff.only_right = sorted((one for others in by_subject.values() for one in others), key=_order)
    return diff


def _identity(one: Moment) -> tuple[str, str, str]:
    return one.signal, one.subject, one.event_id or one.occurred_at


def _order(one: Moment) -> tuple[str, str, str]:
    return one.occurred_at, one.signal, one.subject


class _Cause(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    event_id: str


class _Record(msgspec.Struct):
    """What is asked of a signal, or of an alert, which has no `cause` but its signals."""

    id: str
    signal: str
    occurred_at: str
    kind: str = ""
    status: str = _OPEN
    scope: str = ""
    user_id: str | None = None
    workspace_id: str | None = None
    cause: _Cause | None = None
    signal_ids: list[str] = []


def sent_of(value: bytes | None, causes: dict[str, Source]) -> Sent | None:
    """
    What a record of `signals` or `alerts` says; None of measures, of what is no new alert, and of what is not ours.

    Args:
        causes: Those of signals by their ids, which signals add to: an alert has that of the signal that opened it.
    """
    try:
        record = msgspec.json.decode(value or b"", type=_Record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if record.kind == _MEASURE or record.status != _OPEN:
        return None
    cause, opener = record.cause, record.signal_ids[0] if record.signal_ids else record.id
    if cause is not None:
        causes[record.id] = Source(cause.topic, cause.partition, cause.offset)
    subject = f"user:{record.user_id}" if record.scope == "user" else str(record.workspace_id)
    return Moment(record.signal, subject, "" if cause is None else cause.event_id, record.occurred_at), causes.get(
        opener
    )


def _all_sent(
    topic: str, settings: Settings, since: int | None, on_record: Callable[[int, int], None], causes: dict[str, Source]
) -> Iterator[Sent]:
    found = (sent_of(message.value(), causes) for message in read_topic(topic, settings, on_record, since=since))
    return (one for one in found if one is not None)


def _reach(topics: Topics, settings: Settings) -> Reach:
    """What a prefix has read: from the first events in its log of users, to what its group has committed."""
    firsts: dict[tuple[str, int], int] = {}
    for place in islice(_origins(topics, settings), _FIRST_EVENTS):
        at = place.topic, place.partition
        firsts[at] = min(place.offset, firsts.get(at, place.offset))
    consumer = Consumer({**settings.kafka_options, "group.id": topics.prefix, "enable.auto.commit": False})
    try:
        read = {topic for topic, _ in firsts}
        described = {topic: consumer.list_topics(topic, timeout=settings.connect_timeout_s) for topic in read}
        places = [
            TopicPartition(topic, n) for topic, found in described.items() for n in found.topics[topic].partitions
        ]
        committed = consumer.committed(places, timeout=settings.connect_timeout_s) if places else []
    finally:
        consumer.close()
    # A partition without an event among the first is taken to have been read from its beginning.
    ends = {(one.topic, one.partition): one.offset for one in committed}
    return Reach({at: (firsts.get(at, 0), end) for at, end in ends.items()})


def _origins(topics: Topics, settings: Settings) -> Iterator[Source]:
    for message in read_topic(topics.user_events, settings):
        try:
            records = decode_user_records(message.value() or b"")
        except msgspec.MsgspecError:
            # Nobody of us wrote it.
            continue
        for record in records:
            if isinstance(record, Event):
                yield record.source
