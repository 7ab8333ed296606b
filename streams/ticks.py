"""
Ticks: the watermark that lets time pass for subjects that stay silent (DESIGN 4.1).

A tick is a watermark, not a clock. Time t enters the log of the users only when everything the customer's topics held
at t has been ingested, and the log of the workspaces only when the users have seen the tick: while the pipeline lags,
time stands still.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from signals.config import Config
from signals.event import Tick
from streams.settings import Settings
from streams.sources import SourcesRead
from streams.topics import Topics

Offsets = Mapping[tuple[str, int], int]


class Watermark:
    """
    Which ticks may be sent now. Pure: offsets in, decisions out.

    `pending` holds, oldest first, times with the end offsets of what ingest reads when they were noted; `relayed`
    holds ticks that stand in the users' log with their offsets there.
    """

    def __init__(self) -> None:
        self.pending: deque[tuple[int, Offsets]] = deque()
        self.relayed: deque[tuple[int, Offsets]] = deque()

    def note(self, time_ms: int, ends: Offsets) -> None:
        """Remember that everything up to `time_ms` stands before these end offsets."""
        self.pending.append((time_ms, ends))

    def for_users(self, committed: Offsets) -> int | None:
        """The newest noted time whose records ingest has committed past, None if there is none."""
        return _take_passed(self.pending, committed)

    def sent_to_users(self, time_ms: int, offsets: Offsets) -> None:
        """Remember where a tick went: `offsets` are those after it, in each partition."""
        self.relayed.append((time_ms, offsets))

    def for_workspaces(self, committed: Offsets) -> int | None:
        """The newest tick that every partition of the users has committed past, None if there is none."""
        return _take_passed(self.relayed, committed)

    @property
    def settled(self) -> bool:
        """True when nothing is on its way."""
        return not self.pending and not self.relayed


def _take_passed(waiting: deque[tuple[int, Offsets]], committed: Offsets) -> int | None:
    passed = None
    while waiting and all(committed.get(place, 0) >= end for place, end in waiting[0][1].items()):
        passed = waiting.popleft()[0]
    return passed


class TickSender:
    """
    Reads offsets, asks the watermark, appends ticks. Blocking: call it from a thread of its own.

    Args:
        config: For prefix and partitions.
        settings: For the broker.
        sources: The customer's topics that this process knows.
    """

    def __init__(self, config: Config, settings: Settings, sources: tuple[str, ...]) -> None:
        self._topics = Topics(config.prefix, config.topics.partitions)
        self._read = SourcesRead(config, settings, sources)
        self._timeout_s = settings.connect_timeout_s
        options = settings.kafka_options
        # Never subscribes: it only asks what the river's group has committed and where logs end.
        self._offsets = Consumer({**options, "group.id": config.prefix, "enable.auto.commit": False})
        self._producer = Producer({**options, "acks": "all", "enable.idempotence": True})
        self._watermark = Watermark()
        self.sent = 0
        # The newest tick in each log, and the config that ticks name; empty where they name none.
        self._newest = {self._topics.user_events: 0, self._topics.workspace_facts: 0}
        self._config = ""

    def note(self, time_ms: int) -> None:
        """Note a time with where everything that ingest reads ends now."""
        self._watermark.note(time_ms, self._ends(self._topics.ingested(self._read.topics())))

    def name(self, config: str, *, at_once: bool = True) -> None:
        """
        Let every tick name a config (its hash) from now on.

        Args:
            at_once: Append the last tick of both logs once more, with the name: a config need not wait until the
                pipeline has caught up. Where this sender has sent none, that is time 0, which only a log without any
                tick takes; another log takes the next one.
        """
        if config == self._config:
            return
        self._config = config
        if at_once:
            for topic, time_ms in self._newest.items():
                self._append(topic, time_ms)

    def relay(self) -> None:
        """Move each tick on as far as the commits of the river allow."""
        if self._watermark.pending:
            noted = {topic for _time, ends in self._watermark.pending for topic, _partition in ends}
            time_ms = self._watermark.for_users(self._committed(noted))
            if time_ms is not None:
                self._watermark.sent_to_users(time_ms, self._append(self._topics.user_events, time_ms))
        if self._watermark.relayed:
            time_ms = self._watermark.for_workspaces(self._committed([self._topics.user_events]))
            if time_ms is not None:
                self._append(self._topics.workspace_facts, time_ms)

    @property
    def settled(self) -> bool:
        """True when every noted time has reached the workspaces' log."""
        return self._watermark.settled

    @property
    def has_pending(self) -> bool:
        """True while a noted time waits for ingest."""
        return bool(self._watermark.pending)

    def close(self) -> None:
        """Close the connections."""
        self._offsets.close()

    def _append(self, topic: str, time_ms: int) -> dict[tuple[str, int], int]:
        value = msgspec.json.encode(Tick(time_ms, self._config))
        after: dict[tuple[str, int], int] = {}

        def delivered(error: object, message: object) -> None:
            if error is None:
                after[topic, message.partition()] = message.offset() + 1  # type: ignore[attr-defined]  # confluent's Message is untyped

        for partition in range(self._topics.partitions):
            self._producer.produce(topic, value, partition=partition, on_delivery=delivered)
        self._producer.flush(self._timeout_s)
        if len(after) != self._topics.partitions:
            raise KafkaException(f"a tick reached {len(after)} of {self._topics.partitions} partitions of {topic}")
        self.sent += 1
        self._newest[topic] = time_ms
        return after

    def _ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        ends = {}
        for place in self._places(topics):
            _low, high = self._offsets.get_watermark_offsets(place, timeout=self._timeout_s)
            if high > 0:
                ends[place.topic, place.partition] = high
        return ends

    def _committed(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        places = self._places(topics)
        committed = self._offsets.committed(places, timeout=self._timeout_s) if places else []
        return {(place.topic, place.partition): max(place.offset, 0) for place in committed}

    def _places(self, topics: Iterable[str]) -> list[TopicPartition]:
        places = []
        for topic in topics:
            described = self._offsets.list_topics(topic, timeout=self._timeout_s).topics[topic]
            places += [TopicPartition(topic, partition) for partition in described.partitions]
        return places


class WallTicks:
    """Ticks from the wall clock, sent by the owner of partition 0."""

    def __init__(self, config: Config, settings: Settings, sources: tuple[str, ...]) -> None:
        self._sender = TickSender(config, settings, sources)
        self._every_ms = int(settings.tick_s * 1_000)
        self._noted_at = 0
        self._named: str | None = None

    def is_news(self, config: str) -> bool:
        """Whether ticks name another config so far."""
        return config != self._named

    def step(self, now_ms: int, config: str, *, is_first: bool = False) -> None:
        """
        Note a new time when one is due and none waits, and move what is on its way.

        Args:
            now_ms: Wall time, Unix milliseconds.
            config: The hash of the config to name.
            is_first: The logs name none so far.
        """
        if self.is_news(config):
            self._sender.name(config, at_once=is_first or self._named is not None)
            self._named = config
        if now_ms - self._noted_at >= self._every_ms and not self._sender.has_pending:
            self._sender.note(now_ms)
            self._noted_at = now_ms
        self._sender.relay()
