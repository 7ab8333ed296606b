"""Sends what a file says to `plg.commands`, and waits until the workers have applied it."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from signals.codec import encode_record
from signals.config import Config
from signals.errors import PlgError
from signals.import_rows import ImportRows
from streams.admin import TopicsMissing
from streams.settings import Settings
from streams.topics import Topics

# How long the broker may be silent before what is unacknowledged counts as failed.
ACK_S = 60.0
ASK_EVERY_S = 0.2


class ImportNotSent(PlgError):
    """The broker did not take all of it; the same command once more sends it again, and nothing counts twice."""


def send_import(
    rows: ImportRows,
    config: Config,
    settings: Settings,
    on_sent: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """
    Append the records to `plg.commands`; returns when the brokers have them all.

    Returns:
        The offset of the last one.

    Raises:
        TopicsMissing: The topic is not there.
        ImportNotSent: The broker did not take all of them.
    """
    topic = Topics(config.prefix, config.topics.partitions).commands
    options = {"acks": "all", "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"}
    producer = Producer({**settings.kafka_options, **options, "message.timeout.ms": int(ACK_S * 1_000)})
    if producer.list_topics(topic, timeout=settings.connect_timeout_s).topics[topic].error is not None:
        raise TopicsMissing(f"topic {topic} does not exist; `plg topics create` makes it")
    sent, last, failures, total = 0, -1, list[str](), len(rows)

    def answered(error: KafkaError | None, message: Message) -> None:
        nonlocal sent, last
        if error is not None:
            failures.append(error.name())
            return
        sent, last = sent + 1, max(last, message.offset() or 0)
        if sent % 1_000 == 0 or sent == total:
            on_sent(sent, total)

    try:
        for record in rows.records():
            key, value = record.workspace_id.encode(), encode_record(record)
            while True:
                try:
                    producer.produce(topic, value, key, 0, answered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        producer.flush(ACK_S + 5.0)
    except (KeyboardInterrupt, SystemError) as error:
        # An interrupt that falls into `answered` is lost on its way through the client, which raises the other one.
        producer.purge(in_flight=False)
        producer.flush(5.0)
        raise KeyboardInterrupt from error
    if sent < total:
        because = failures[0] if failures else "no answer"
        raise ImportNotSent(
            f"the broker took {sent:,} of {total:,} records ({because}); "
            "run the same command again, nothing counts twice"
        )
    return last


class Applied:
    """
    Whether the workers have applied what stands on `plg.commands` up to an offset: read from what they have committed.

    First ingest, then what stood in each of the two logs when the step before had come so far.
    """

    def __init__(self, config: Config, settings: Settings, last: int) -> None:
        self._topics = Topics(config.prefix, config.topics.partitions)
        self._timeout_s = settings.connect_timeout_s
        self._settings = settings
        self._consumer = Consumer({**settings.kafka_options, "group.id": config.prefix, "enable.auto.commit": False})
        self._left = [self._topics.user_events, self._topics.workspace_facts]
        self._goals = {(self._topics.commands, 0): last + 1}

    @property
    def has_workers(self) -> bool:
        """Whether anybody is there to apply it; true where nobody may ask."""
        group = self._topics.prefix
        client = AdminClient(self._settings.kafka_options)
        try:
            found = client.describe_consumer_groups([group], request_timeout=self._timeout_s)[group].result()
        except KafkaException:
            return True
        return bool(found.members)

    def look(self) -> bool:
        """Look once more; whether all of it is applied."""
        while True:
            places = [TopicPartition(topic, partition) for topic, partition in self._goals]
            for place in self._consumer.committed(places, timeout=self._timeout_s):
                if place.offset >= self._goals[place.topic, place.partition]:
                    del self._goals[place.topic, place.partition]
            if self._goals:
                return False
            if not self._left:
                return True
            topic = self._left.pop(0)
            for partition in range(self._topics.partitions):
                end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=self._timeout_s)[1]
                if end > 0:
                    self._goals[topic, partition] = end

    def wait(self, limit_s: float) -> bool:
        """Look until all is applied; False if that takes longer than `limit_s`."""
        give_up_at = time.monotonic() + limit_s
        while not self.look():
            if time.monotonic() > give_up_at:
                return False
            time.sleep(ASK_EVERY_S)
        return True

    def close(self) -> None:
        """Let the connection go."""
        self._consumer.close()
