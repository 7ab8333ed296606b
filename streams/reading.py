"""Reads what a topic holds now, to where it ended when the reading began, without joining any group."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from signals.errors import PlgError
from streams.settings import Settings

SILENCE_S = 10.0
TELL_EVERY = 1_000
READER = "plg-reader"


class ReadingFailed(PlgError):
    """The topic or the record does not exist, or the broker stopped answering."""


def read_topic(
    topic: str,
    settings: Settings,
    on_record: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    partitions: Collection[int] | None = None,
    since: int | None = None,
    group: str = READER,
) -> Iterator[Message]:
    """
    Every record that a topic holds now; each partition in offset order, the partitions interleaved.

    Args:
        on_record: Told now and then how many of how many records are read.
        partitions: Only these; all of them if None.
        since: Only from each partition's first record on whose Kafka timestamp is not before it, Unix milliseconds.
        group: Under whose name; nobody joins it, but a broker with ACLs must let us read in it.

    Raises:
        ReadingFailed: The topic does not exist, or the broker stops answering.
    """
    yield from read_with(_until, topic, settings, on_record, partitions=partitions, since=since, group=group)


def read_with(  # noqa: PLR0913  # what to read, of it from where to where, and in whose name
    take: Callable[[Consumer, str, Mapping[int, int]], Iterator[Message]],
    topic: str,
    settings: Settings,
    on_record: Callable[[int, int], None],
    *,
    partitions: Collection[int] | None = None,
    since: int | None = None,
    until: int | None = None,
    group: str = READER,
) -> Iterator[Message]:
    """
    What `read_topic` reads, in the order in which `take` has it, up to the given ends.

    Args:
        until: Only up to each partition's first record that is later, Unix milliseconds.
        group: In whose name it is read; nothing is committed.
    """
    with reader(settings, group) as consumer:
        starts, ends = topic_ranges(consumer, topic, settings, partitions)
        if until is not None:
            later = _not_before(consumer, starts, until + 1, settings)
            ends |= {place.partition: place.offset for place in later}
        if since is not None:
            starts = _not_before(consumer, starts, since, settings)
        starts = [start for start in starts if start.offset < ends[start.partition]]
        ends = {start.partition: ends[start.partition] for start in starts}
        total = sum(ends[start.partition] - start.offset for start in starts)
        consumer.assign(starts)
        for done, message in enumerate(take(consumer, topic, ends), 1):
            yield message
            if done % TELL_EVERY == 0:
                on_record(done, total)


def read_record(topic: str, partition: int, offset: int, settings: Settings) -> Message:
    """
    One record.

    Raises:
        ReadingFailed: It is not there (any more), or the broker does not answer.
    """
    with reader(settings) as consumer:
        starts, ends = topic_ranges(consumer, topic, settings)
        held = {start.partition: start.offset for start in starts}
        if not held.get(partition, 0) <= offset < ends.get(partition, 0):
            raise ReadingFailed(f"{topic}: no record at {partition}/{offset}; retention may have deleted it")
        consumer.assign([TopicPartition(topic, partition, offset)])
        message = next(_until(consumer, topic, {partition: offset + 1}), None)
    if message is None:
        raise ReadingFailed(f"{topic}: no record at {partition}/{offset}")
    return message


@contextmanager
def reader(settings: Settings, group: str = READER) -> Iterator[Consumer]:
    """A consumer that joins no group and says where a partition ends."""
    options = {"group.id": group, "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**settings.kafka_options, **options})
    try:
        yield consumer
    finally:
        consumer.close()


def topic_ranges(
    consumer: Consumer, topic: str, settings: Settings, partitions: Collection[int] | None = None
) -> tuple[list[TopicPartition], dict[int, int]]:
    """
    Where each partition that is not empty begins, and where it ends now.

    Args:
        partitions: Only these; all of them if None.

    Raises:
        ReadingFailed: The topic does not exist.
    """
    described = consumer.list_topics(topic, timeout=settings.connect_timeout_s).topics[topic]
    if described.error is not None or not described.partitions:
        raise ReadingFailed(f"topic {topic} does not exist at {settings.kafka}")
    starts, ends = [], {}
    for partition in described.partitions:
        if partitions is not None and partition not in partitions:
            continue
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=settings.connect_timeout_s)
        if high > low:
            starts.append(TopicPartition(topic, partition, low))
            ends[partition] = high
    return starts, ends


def _not_before(
    consumer: Consumer, starts: list[TopicPartition], since: int, settings: Settings
) -> list[TopicPartition]:
    asked = [TopicPartition(start.topic, start.partition, since) for start in starts]
    found = consumer.offsets_for_times(asked, timeout=settings.connect_timeout_s) if asked else []
    # Without an offset there is no record so young.
    return [place for place in found if place.offset >= 0]


def _until(consumer: Consumer, topic: str, ends: Mapping[int, int]) -> Iterator[Message]:
    """Every message below the ends; a compacted partition may have fewer than its offsets say."""
    left = set(ends)
    while left:
        message = consumer.poll(SILENCE_S)
        if message is None:
            raise ReadingFailed(f"{topic}: nothing came for {SILENCE_S:g} s from partitions {sorted(left)}")
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name
            raise ReadingFailed(f"{topic}/{message.partition()}: {error.str()}")
        if error is None and message.offset() < ends[message.partition()]:
            yield message
        if error is not None or message.offset() + 1 >= ends[message.partition()]:
            left.discard(message.partition())
