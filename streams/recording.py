"""Records a topic to a file of JSON lines: what `plg backtest --facts` reads, and what a person looks into."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from signals.errors import PlgError
from streams.reach import require_broker
from streams.settings import Settings

SILENCE_S = 10.0


class RecordingFailed(PlgError):
    """The topic does not exist, or the broker stopped answering."""


def record_topic(
    topic: str, out: Path, settings: Settings, on_record: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """
    Write every record that a topic holds now; each partition in offset order, the partitions interleaved.

    One JSON object a line: `partition`, `offset`, `timestamp`, `key` (text), `value` (the JSON it holds, as it is).
    A name that ends in `.gz` is compressed. The file appears only when it is complete.

    Args:
        on_record: Told now and then how many of how many records are written.

    Returns:
        The number of records.

    Raises:
        RecordingFailed: The topic does not exist, or the broker stops answering.
        BrokerUnavailable: None answers.
    """
    require_broker(settings)
    options = {"group.id": "plg-recorder", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**settings.kafka_options, **options})
    partial = out.with_name(out.name + ".part")
    try:
        starts, ends = _ranges(consumer, topic, settings)
        total = sum(ends[start.partition] - start.offset for start in starts)
        done = 0
        with (gzip.open if out.suffix == ".gz" else open)(partial, "wb") as file:
            consumer.assign(starts)
            for message in _until(consumer, topic, ends):
                file.write(_line(message))
                done += 1
                if done % 1_000 == 0:
                    on_record(done, total)
        partial.replace(out)
        return done
    finally:
        consumer.close()
        partial.unlink(missing_ok=True)


def _ranges(consumer: Consumer, topic: str, settings: Settings) -> tuple[list[TopicPartition], dict[int, int]]:
    described = consumer.list_topics(topic, timeout=settings.connect_timeout_s).topics[topic]
    if described.error is not None or not described.partitions:
        raise RecordingFailed(f"topic {topic} does not exist at {settings.kafka}")
    starts, ends = [], {}
    for partition in described.partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=settings.connect_timeout_s)
        if high > low:
            starts.append(TopicPartition(topic, partition, low))
            ends[partition] = high
    return starts, ends


def _until(consumer: Consumer, topic: str, ends: dict[int, int]) -> Iterator[Message]:
    """Every message below the ends; a compacted partition may have fewer than its offsets say."""
    left = set(ends)
    while left:
        message = consumer.poll(SILENCE_S)
        if message is None:
            raise RecordingFailed(f"{topic}: nothing came for {SILENCE_S:g} s from partitions {sorted(left)}")
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name
            raise RecordingFailed(f"{topic}/{message.partition()}: {error.str()}")
        if error is None and message.offset() < ends[message.partition()]:
            yield message
        if error is not None or message.offset() + 1 >= ends[message.partition()]:
            left.discard(message.partition())


def _line(message: Message) -> bytes:
    value = message.value()
    line = {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": (message.key() or b"").decode("utf-8", "replace"),
        "value": None if value is None else msgspec.Raw(value),
    }
    return msgspec.json.encode(line) + b"\n"
