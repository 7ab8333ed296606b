"""
Rebuild: Redis written anew from the topics, by the sink's own code, beside a sink that runs or without one.

Kafka is the truth and Redis a projection of it, so whatever Redis has lost can be written again: each record as the
sink would write it, what is there already left as it is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from signals.config import Config
from signals.errors import PlgError
from sinks.base import Delivery, Refused, Unavailable
from sinks.delivery import BATCH_RECORDS
from sinks.intake import delivery_of
from sinks.outage import Outage
from sinks.redis import RedisSink, Written
from streams.merging import read_by_time
from streams.reach import require_broker
from streams.reading import read_topic
from streams.settings import Settings
from streams.sink_setup import redis_sink
from streams.topics import Topics

Progress = Callable[[int, int], None]

_T = TypeVar("_T")
_SETTLING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


class RedisAway(PlgError):
    """Redis does not take what it is given, and has not for a while; what is written stays."""


class SinkRuns(PlgError):
    """The keys of a sink that runs cannot be deleted: it would write between two of them."""


@dataclass
class Rebuilt:
    """What became of the records of one topic, refusals by their reason and the last detail of each."""

    written: int = 0
    known: int = 0
    elsewhere: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)

    def add(self, outcome: Written | Refused) -> None:
        """Count a record."""
        if isinstance(outcome, Refused):
            self.refused[outcome.reason] += 1
            self.details[outcome.reason] = outcome.detail
        self.written += outcome is Written.NEW
        self.known += outcome is Written.KNOWN
        self.elsewhere += outcome is Written.ELSEWHERE


class Rebuild:
    """
    One rebuild: perhaps `empty`, then `alerts` and `workspaces`. Close it, or use `contextlib.closing`.

    Nobody is rung twice: an alert that the sink's group has committed was told on the live channel when it came, and
    is written in silence. What the group has not committed is told by whoever writes it first, the sink or we: had we
    written it in silence, the sink would take it for a copy. Of a group that has committed nothing at all nobody knows
    what it told (Kafka forgets a group that was away for a week): then all is silent.

    Raises:
        BrokerUnavailable: No broker answers.
        ConfigError: Redis does not let us in.
        RedisAway: It does not answer.
    """

    def __init__(self, config: Config, settings: Settings) -> None:
        require_broker(settings)
        self._settings = settings
        self._topics = Topics(config.prefix, config.topics.partitions)
        self._group = f"{config.prefix}-sink-{RedisSink.name}"
        self._sink = redis_sink(config, settings, is_news=self._is_news)
        self._sink.require_access()
        self._patiently(self._sink.check)
        self._delivered = self._read_delivered()

    def close(self) -> None:
        """Let go of Redis."""
        self._sink.close()

    def require_no_sink(self) -> None:
        """
        Make sure that no sink writes.

        Raises:
            SinkRuns: One does, or did a moment ago.
        """
        admin = AdminClient(self._settings.kafka_options)
        described = admin.describe_consumer_groups([self._group])[self._group]
        members = len(described.result(self._settings.connect_timeout_s).members)
        if members:
            raise SinkRuns(
                f"--empty: the group {self._group} has {members} members; stop `plg sinks redis` first, it would write "
                f"between two keys (one that was killed stays in the group for PLG_SESSION_TIMEOUT_S)"
            )

    def empty(self, on_deleted: Callable[[int], None] = lambda _: None) -> int:
        """
        Delete every key of the prefix; returns how many.

        Raises:
            SinkRuns: A sink is writing.
            RedisAway: Redis does not answer; some keys may be left.
        """
        self.require_no_sink()
        return self._patiently(lambda: self._sink.empty(on_deleted))

    def alerts(self, rebuilt: Rebuilt, on_record: Progress = lambda _done, _total: None) -> None:
        """
        Write the alerts that the topic holds now, the oldest first, and count them.

        Raises:
            ReadingFailed: The topic does not exist, or the broker stops answering.
            RedisAway: Redis does not answer; what is written stays.
        """
        self._write(read_by_time(self._topics.alerts, self._settings, on_record), rebuilt)

    def workspaces(self, rebuilt: Rebuilt, on_record: Progress = lambda _done, _total: None) -> None:
        """Write the snapshots; see `alerts`."""
        self._write(read_topic(self._topics.workspaces, self._settings, on_record), rebuilt)

    def _write(self, messages: Iterable[Message], rebuilt: Rebuilt) -> None:
        for batch in _batches(map(delivery_of, messages)):
            # What an attempt wrote that broke off counts as already there in the next one.
            for outcome in self._patiently(lambda batch=batch: self._sink.write(batch)):  # type: ignore[misc]
                rebuilt.add(outcome)

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """Try again while Redis is away, starting or locked, as the sink does, but not for ever."""
        outage = Outage()
        while True:
            try:
                return attempt()
            except Unavailable as error:
                left_s = self._settings.connect_timeout_s - outage.age()
                if left_s <= 0:
                    text = str(error).rstrip(".")
                    raise RedisAway(f"{text}; PLG_REDIS_URL names the server; what is written stays") from error
                outage.extend()
                time.sleep(min(outage.remaining(), left_s))

    def _is_news(self, record: Delivery) -> bool:
        return bool(self._delivered) and record.offset >= self._delivered.get(record.partition, 0)

    def _read_delivered(self) -> dict[int, int]:
        """What the sink's group has committed of the alerts, by partition; empty if it never has."""
        options = {"group.id": self._group, "enable.auto.commit": False}
        with closing(Consumer({**self._settings.kafka_options, **options})) as consumer:
            topic, timeout_s = self._topics.alerts, self._settings.connect_timeout_s
            partitions = consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions
            places = [TopicPartition(topic, partition) for partition in partitions]
            committed = _committed(consumer, places, timeout_s) if places else []
            return {place.partition: place.offset for place in committed if place.offset >= 0}


def _committed(consumer: Consumer, places: list[TopicPartition], timeout_s: float) -> list[TopicPartition]:
    """Ask for places again while the brokers settle who keeps the group."""
    give_up_at = time.monotonic() + timeout_s
    while True:
        try:
            return list(consumer.committed(places, timeout=timeout_s))
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() > give_up_at:
                raise
        time.sleep(0.1)


def _batches(records: Iterator[Delivery]) -> Iterator[list[Delivery]]:
    while batch := list(islice(records, BATCH_RECORDS)):
        yield batch
