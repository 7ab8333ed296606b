"""Reads what an explanation needs: the state, signals and verdicts of a subject, from the topics or from files."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from confluent_kafka import Message

from signals.codec import decode_user_state, decode_workspace_state
from signals.compiled import Engine
from signals.config import Clock, Config
from signals.domains import Domains
from signals.errors import PlgError
from signals.explaining import Read, explain_user, explain_workspace
from signals.explanation import Explanation, Origin, SignalRead, VerdictRead
from signals.facts import Firing, Outputs, Verdict
from signals.known import newest_time
from signals.moments import iso
from signals.replay import Backtest
from signals.rule import Scope
from signals.shard import Fence, unsealed
from signals.user import UserState
from signals.workspace import WorkspaceState
from streams.backtesting import read_until
from streams.reach import require_broker
from streams.reading import read_topic, reader, topic_ranges
from streams.replaying import read_lines
from streams.settings import Settings
from streams.stored import FENCE, to_key
from streams.topics import Topics

T = TypeVar("T")
# Told how many of how many records are read.
OnRecord = Callable[[int, int], None]
# Says what is being read, and hands out whom to tell.
Progress = Callable[[str], AbstractContextManager[OnRecord]]


class UnknownSubject(PlgError):
    """Nothing is known of it; the text says where it was looked for."""


@dataclass(frozen=True)
class Subject:
    """Whom to explain; a user's id is without `user:`."""

    scope: Scope
    id: str

    @property
    def key(self) -> str:
        """The key of its state."""
        return f"user:{self.id}" if self.scope is Scope.USER else self.id

    def owns(self, scope: str, user_id: str | None, workspace_id: str | None) -> bool:
        """Whether a signal is the subject's own, of a workspace also that of one of its users."""
        if self.scope is Scope.USER:
            return scope == Scope.USER.value and user_id == self.id
        return workspace_id == self.id

    def __str__(self) -> str:
        return f"{self.scope.value} {self.id}"


@dataclass
class _Stored:
    """The newest state of a subject in a changelog, and the fence of its partition; times in Unix milliseconds."""

    body: bytes | None = None
    at: int = -1
    written_at: int = -1
    fence: Fence | None = None
    fenced_at: int = -1
    records: int = 0


def explain_live(
    subject: Subject, config: Config, settings: Settings, *, since: int, progress: Progress
) -> Explanation:
    """
    Explain a subject from what the topics hold now; no worker is needed.

    Args:
        subject: Whom.
        config: The config in force.
        settings: Where the broker is.
        since: How far back signals and verdicts are read, by when they were written: Unix milliseconds.
        progress: Shows how far each reading has come.

    Raises:
        UnknownSubject: It has no state.
        PlgError: A topic does not exist or cannot be read.
    """
    require_broker(settings)
    topics = Topics(config.prefix, config.topics.partitions)
    is_user = subject.scope is Scope.USER
    changelog = topics.users_changelog if is_user else topics.workspaces_changelog
    log = topics.user_events if is_user else topics.workspace_facts
    partition = topics.of(subject.key)
    with progress("reading states") as on_record:
        messages = read_topic(changelog, settings, on_record, partitions={partition})
        stored = _find_state(to_key(subject.key), messages)
    if stored.body is None:
        raise UnknownSubject(
            f"no {subject} in {changelog}/{partition} ({stored.records:,} records); ids are compared exactly, "
            "and a state is there once a worker has made a checkpoint"
        )
    state = (decode_user_state if is_user else decode_workspace_state)(stored.body)
    fence = stored.fence or Fence()
    now = round(time.time() * 1_000) if config.clock is Clock.WALL else max(newest_time(state), fence.tick)
    signals, newest_config = _read_signals(subject, topics, settings, since, progress)
    origin = Origin(
        f"{changelog}/{partition}",
        iso(stored.written_at),
        iso(stored.fenced_at) if stored.fence is not None else None,
        max(0, _end(log, partition, settings) - fence.end),
    )
    read = Read(
        origin,
        tuple(signals),
        tuple(_read_verdicts(state, subject, signals, topics, settings, since, progress)),
        fence.muted,
        newest_config,
    )
    return _explain(subject, state, Engine(config), now, read)


def explain_files(
    subject: Subject, config: Config, files: Iterable[Path], *, until: str | None, on_bytes: Callable[[int], None]
) -> Explanation:
    """
    Explain a subject from event files, as a backtest of them leaves it.

    Args:
        until: ISO 8601 text; the moment to explain. None for the newest event time.

    Raises:
        UnknownSubject: No event of the files is about it.
        PlgError: A file cannot be read, or `until` is no time.
    """
    files = list(files)
    until_ms = read_until(until, config)
    domains = Domains(config.domains)
    seen = _Seen(subject, config.hash)
    run = Backtest(config, domains, seen.take)
    for line in read_lines(files, on_bytes):
        run.feed(line)
    run.finish(until_ms)
    state: UserState | WorkspaceState | None = (
        run.user(subject.id) if subject.scope is Scope.USER else run.workspace(subject.id)
    )
    if state is None:
        where = ", ".join(map(str, files))
        raise UnknownSubject(
            f"no {subject} in {where} ({run.lines:,} lines, {run.dead_letters.total():,} of them unusable); "
            "ids are compared exactly"
        )
    read = Read(Origin(", ".join(map(str, files))), tuple(seen.signals), tuple(seen.verdicts))
    now = (run.newest or 0) if until_ms is None else until_ms
    return _explain(subject, state, Engine(config, domains), now, read)


@dataclass
class _Seen:
    """What a backtest finds of one subject."""

    subject: Subject
    config_hash: str
    signals: list[SignalRead] = field(default_factory=list)
    verdicts: list[VerdictRead] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)

    def take(self, out: Outputs) -> None:
        """Keep what is about the subject."""
        for firing in out.signals:
            if self.subject.owns(firing.scope.value, firing.user_id, firing.workspace_id):
                self._ids.add(firing.id)
                self.signals.append(self._signal(firing))
        self.verdicts += [
            _verdict(verdict) for verdict in out.verdicts if verdict.is_final and verdict.signal_id in self._ids
        ]

    def _signal(self, firing: Firing) -> SignalRead:
        moment = iso(firing.time)
        return SignalRead(
            firing.id,
            firing.signal,
            firing.kind.value,
            firing.scope.value,
            moment,
            moment,
            self.config_hash,
            firing.evidence,
            firing.user_id,
            firing.workspace_id,
        )


def _verdict(verdict: Verdict) -> VerdictRead:
    return VerdictRead(
        verdict.signal_id,
        verdict.signal,
        verdict.verdict.value,
        iso(verdict.time),
        verdict.workspace_id,
        verdict.reason,
        verdict.alert_id,
    )


def _explain(subject: Subject, state: UserState | WorkspaceState, engine: Engine, now: int, read: Read) -> Explanation:
    if isinstance(state, UserState):
        return explain_user(subject.id, state, engine, now, read)
    return explain_workspace(subject.id, state, engine, now, read)


def _find_state(key: bytes, messages: Iterable[Message]) -> _Stored:
    found = _Stored()
    for message in messages:
        found.records += 1
        here, value = message.key(), message.value()
        if here == key:
            if value is None:
                found.body, found.at = None, -1
                continue
            at, body = unsealed(value)
            # A lower one that came later is of an owner that had already been replaced (DESIGN 4.8).
            if at >= found.at:
                found.at, found.body, found.written_at = at, body, message.timestamp()[1]
        elif here == FENCE and value is not None:
            fence = msgspec.msgpack.decode(value, type=Fence)
            if found.fence is None or fence.end >= found.fence.end:
                found.fence, found.fenced_at = fence, message.timestamp()[1]
    return found


def _end(topic: str, partition: int, settings: Settings) -> int:
    with reader(settings) as consumer:
        _, ends = topic_ranges(consumer, topic, settings, {partition})
    return ends.get(partition, 0)


def _read_signals(
    subject: Subject, topics: Topics, settings: Settings, since: int, progress: Progress
) -> tuple[list[SignalRead], str | None]:
    """
    Those of the subject.

    Returns:
        The signals, and the config hash of the newest signal of anybody that was read.
    """
    # The signals of its users have their keys: they may be in any partition.
    partitions = {topics.of(subject.id)} if subject.scope is Scope.USER else None
    needle, decoder = msgspec.json.encode(subject.id), msgspec.json.Decoder(SignalRead)
    found, newest, newest_at = list[SignalRead](), None, -1
    with progress("reading signals") as on_record:
        for message in read_topic(topics.signals, settings, on_record, partitions=partitions, since=since):
            value, written_at = message.value(), message.timestamp()[1]
            if value is None:
                continue
            if written_at >= newest_at:
                newest, newest_at = value, written_at
            # Nearly all are of others: they are not decoded.
            if needle not in value:
                continue
            signal = _decoded(decoder, value)
            if signal is not None and subject.owns(signal.scope, signal.user_id, signal.workspace_id):
                found.append(signal)
    last = None if newest is None else _decoded(decoder, newest)
    return found, None if last is None else last.config


def _read_verdicts(
    state: UserState | WorkspaceState,
    subject: Subject,
    signals: Collection[SignalRead],
    topics: Topics,
    settings: Settings,
    since: int,
    progress: Progress,
) -> Iterator[VerdictRead]:
    # A verdict's key is its workspace; that of a signal which moved with its user is the one it moved to.
    keys = {signal.workspace_id or signal.id for signal in signals}
    if isinstance(state, WorkspaceState):
        keys |= {subject.id} if state.moved_to is None else {subject.id, state.moved_to}
    ids, decoder = {signal.id for signal in signals}, msgspec.json.Decoder(VerdictRead)
    with progress("reading verdicts") as on_record:
        partitions = {topics.of(key) for key in keys}
        for message in read_topic(topics.verdicts, settings, on_record, partitions=partitions, since=since):
            value = message.value()
            verdict = None if value is None else _decoded(decoder, value)
            if verdict is not None and verdict.signal_id in ids:
                yield verdict


def _decoded(decoder: msgspec.json.Decoder[T], value: bytes) -> T | None:
    try:
        return decoder.decode(value)
    except msgspec.MsgspecError:
        # Nobody of us wrote it.
        return None
