"""Records a topic to a file of JSON lines: what `plg backtest --facts` reads, and what a person looks into."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, TopicPartition

from signals.errors import PlgError
from streams.settings import Settings


class RecordingFailed(PlgError):
    """The topic does not exist, or the broker stopped answering."""


def record_topic(
    topic: str, out: Path, settings: Settings, on_record: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """
    Write every record that a topic holds now, partition by partition in offset order.

    One JSON object a line: `partition`, `offset`, `timestamp`, `key` (text), `value` (the JSON it holds, as it is).
    A name that ends in `.gz` is compressed. The file appears only when it is complete.

    Returns:
        The number of records.

    Raises:
        RecordingFailed: The topic does not exist.
    """
    consumer = Consumer({**settings.kafka_options, "group.id": "plg-recorder", "enable.auto.commit": False})
    try:
        described = consumer.list_topics(topic, timeout=settings.connect_timeout_s).topics[topic]
        if described.error is not None or not described.partitions:
            raise RecordingFailed(f"topic {topic} does not exist at {settings.kafka}")
        ranges = {}
        for partition in described.partitions:
            ranges[partition] = consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=settings.connect_timeout_s
            )
        total = sum(high - low for low, high in ranges.values())
        partial = out.with_name(out.name + ".part")
        done = 0
        opener = gzip.open if out.suffix == ".gz" else open
        with opener(partial, "wb") as file:
            for partition, (low, high) in ranges.items():
                if high > low:
                    done += _write_partition(consumer, TopicPartition(topic, partition, low), high, file.write)
                    on_record(done, total)
        partial.replace(out)
        return done
    finally:
        consumer.close()


def _write_partition(consumer: Consumer, start: TopicPartition, end: int, write: Callable[[bytes], int]) -> int:
    consumer.assign([start])
    count = 0
    while True:
        for message in consumer.consume(1_000, timeout=10.0):
            if message.error() is not None:
                raise RecordingFailed(f"{start.topic}/{start.partition}: {message.error().str()}")
            value = message.value()
            line = {
                "partition": message.partition(),
                "offset": message.offset(),
                "timestamp": message.timestamp()[1],
                "key": (message.key() or b"").decode("utf-8", "replace"),
                "value": None if value is None else msgspec.Raw(value),
            }
            write(msgspec.json.encode(line) + b"\n")
            count += 1
            if message.offset() + 1 >= end:
                return count
