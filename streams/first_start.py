"""Where the very first start begins in the customer's topics: `source.start`."""

from __future__ import annotations

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from signals.config import Config
from streams.settings import Settings

log = structlog.get_logger()


def position_sources(config: Config, settings: Settings) -> None:
    """
    Commit the ends of the customer's topics for a group that has never committed anything, if the config says `latest`.

    Done before the worker joins, since a group with members takes no commits from outside: of two workers that start
    together, the one that comes later finds the positions of the other. A partition added later is read from its
    beginning: nothing of it has been seen.
    """
    if config.source.start != "latest":
        return
    consumer = Consumer({**settings.kafka_options, "group.id": config.prefix, "enable.auto.commit": False})
    try:
        places = [
            TopicPartition(topic, partition)
            for topic in config.source.topics
            for partition in consumer.list_topics(topic, timeout=settings.connect_timeout_s).topics[topic].partitions
        ]
        committed = consumer.committed(places, timeout=settings.connect_timeout_s)
        if any(place.offset >= 0 for place in committed):
            return
        ends = [
            TopicPartition(
                place.topic,
                place.partition,
                consumer.get_watermark_offsets(place, timeout=settings.connect_timeout_s)[1],
            )
            for place in places
        ]
        consumer.commit(offsets=ends, asynchronous=False)
        log.info("source.starts_at_latest", topics=list(config.source.topics), partitions=len(ends))
    except KafkaException as error:
        # Most likely another worker has joined in between; then it has set the positions.
        log.warning("source.not_positioned", error=str(error.args[0]))
    finally:
        consumer.close()
