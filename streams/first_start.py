"""Where the very first start begins in the customer's topics: `source.start`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from signals.config import Config
from signals.errors import ConfigError
from signals.sources import EARLIEST, LATEST
from streams.settings import Settings

log = structlog.get_logger()


def position_sources(config: Config, settings: Settings, topics: Sequence[str]) -> None:
    """
    Commit where a group begins that has never committed anything: at the ends of its topics, or at a time.

    Done before the worker joins, since a group with members takes no commits from outside: of two workers that start
    together, the one that comes later finds the positions of the other. A partition or topic added later is read from
    its beginning: nothing of it has been seen.

    Args:
        topics: The customer's topics that this worker reads.

    Raises:
        ConfigError: `source.start` is a time that has not come yet.
    """
    if config.source.start == EARLIEST:
        return
    consumer = Consumer({**settings.kafka_options, "group.id": config.prefix, "enable.auto.commit": False})
    try:
        places = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in consumer.list_topics(topic, timeout=settings.connect_timeout_s).topics[topic].partitions
        ]
        committed = consumer.committed(places, timeout=settings.connect_timeout_s)
        if any(place.offset >= 0 for place in committed):
            return
        consumer.commit(offsets=_starts(config, consumer, places, settings.connect_timeout_s), asynchronous=False)
        event = "source.starts_at" if config.source.starts_at is not None else "source.starts_at_latest"
        log.info(event, start=config.source.start, topics=list(topics), partitions=len(places))
    except KafkaException as error:
        # Most likely another worker has joined in between; then it has set the positions.
        log.warning("source.not_positioned", error=str(error.args[0]))
    finally:
        consumer.close()


def rewind_sources(config: Config, settings: Settings, topics: Sequence[str]) -> None:
    """
    Commit the beginnings of topics for a group that has just been forgotten, so that a rebuild reads all they hold.

    Only where the config begins at `latest`: its first start would pass over what is to be read again. Earlier than a
    time in the config nothing is wanted, and `earliest` begins there anyway.

    Args:
        topics: The customer's topics; one that does not exist is passed over.

    Raises:
        KafkaException: The broker does not answer, or a worker has joined in between.
    """
    if config.source.start != LATEST:
        return
    timeout_s = settings.connect_timeout_s
    consumer = Consumer({**settings.kafka_options, "group.id": config.prefix, "enable.auto.commit": False})
    try:
        begins = []
        for topic in topics:
            for partition in consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions:
                low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s)
                begins.append(TopicPartition(topic, partition, low))
        if begins:
            consumer.commit(offsets=begins, asynchronous=False)
    finally:
        consumer.close()


def _starts(config: Config, consumer: Consumer, places: list[TopicPartition], timeout_s: float) -> list[TopicPartition]:
    # The ends first: what arrives while we ask for the time is then after them, and is read.
    ends = {
        (place.topic, place.partition): consumer.get_watermark_offsets(place, timeout=timeout_s)[1] for place in places
    }
    starts = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
    at_ms = config.source.starts_at
    if at_ms is None:
        return starts
    if at_ms > time.time_ns() // 1_000_000:
        raise ConfigError(
            f"source.start: {config.source.start} has not come yet; write latest to begin with what happens from now on"
        )
    asked = [TopicPartition(topic, partition, at_ms) for topic, partition in ends]
    found = consumer.offsets_for_times(asked, timeout=timeout_s)
    # Below 0: the partition holds nothing from this time on.
    return [
        TopicPartition(
            place.topic, place.partition, place.offset if place.offset >= 0 else ends[place.topic, place.partition]
        )
        for place in found
    ]
