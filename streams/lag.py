"""How far the river is behind: committed offsets of its group against the ends of its input logs."""

from __future__ import annotations

import time
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from signals.config import Config
from streams.settings import Settings
from streams.sources import source_topics
from streams.topics import Topics


class Shown(Protocol):
    """Where a reading goes."""

    applied: int
    lag: int
    per_s: float


class LagReader:
    """Reads lag and speed of the river's group; never joins it."""

    def __init__(self, config: Config, settings: Settings) -> None:
        topics = Topics(config.prefix, config.topics.partitions)
        self._timeout_s = settings.connect_timeout_s
        self._options = settings.kafka_options
        self._consumer = Consumer({**self._options, "group.id": config.prefix, "enable.auto.commit": False})
        self._admin = AdminClient(self._options)
        sources = source_topics(config, settings)
        self._inputs = [*topics.ingested(sources), topics.user_events, topics.workspace_facts]
        self._sources = set(sources)
        self._before: tuple[float, int] | None = None

    def lag(self) -> dict[str, int]:
        """Records not yet committed past, by topic."""
        return {topic: behind(done, end) for topic, (done, end) in self._read().items()}

    def read_into(self, shown: Shown) -> None:
        """Refresh what a person looks at."""
        read = self._read()
        applied = sum(done for topic, (done, _end) in read.items() if topic in self._sources)
        now = time.monotonic()
        if self._before is not None and now > self._before[0]:
            shown.per_s = max(0.0, (applied - self._before[1]) / (now - self._before[0]))
        self._before = (now, applied)
        shown.applied = applied
        shown.lag = sum(behind(done, end) for done, end in read.values())

    def _read(self) -> dict[str, tuple[int, int]]:
        read = {}
        for topic in self._inputs:
            partitions = self._consumer.list_topics(topic, timeout=self._timeout_s).topics[topic].partitions
            places = [TopicPartition(topic, partition) for partition in partitions]
            committed = self._consumer.committed(places, timeout=self._timeout_s)
            read[topic] = (sum(max(place.offset, 0) for place in committed), self._end(places))
        return read

    def _end(self, places: list[TopicPartition]) -> int:
        """The sum of the partitions' ends, asked for at once: one by one it keeps a broker at work that has others."""
        latest = dict.fromkeys(places, OffsetSpec.latest())
        try:
            answers = self._admin.list_offsets(latest, request_timeout=self._timeout_s).values()
            return sum(answer.result(self._timeout_s).offset for answer in answers)
        except KafkaException:
            # This client may remember for ever that a topic made a moment ago had no leader yet.
            self._admin = AdminClient(self._options)
            return sum(self._consumer.get_watermark_offsets(place, timeout=self._timeout_s)[1] for place in places)


def behind(done: int, end: int) -> int:
    """
    How many records are left.

    The embedded broker tells the end of a partition as one after the first record of its last batch: who has read all
    of that is past it.
    """
    return max(0, end - done)
