"""Lets the doctor look: at the bus, for a while and without a trace, or at files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, TopicPartition

from signals.doctor import Doctor
from signals.event import Source
from streams.reading import ReadingFailed, reader, topic_ranges
from streams.replaying import read_lines
from streams.settings import Settings

POLL_S = 0.25
_AT_ONCE = 500
_NO_TIME = 0


def look_at_files(doctor: Doctor, files: Iterable[Path], on_bytes: Callable[[int], None]) -> None:
    """
    Take every line of the files.

    Raises:
        ReplayFailed: One cannot be read.
    """
    for line in read_lines(files, on_bytes):
        doctor.take(line)


def look_at_bus(
    doctor: Doctor,
    topics: Sequence[str],
    settings: Settings,
    *,
    seconds: float,
    last: int,
    on_time: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """
    Take the newest records of topics, then what comes; joins no group and commits nothing.

    Args:
        topics: The customer's.
        seconds: How long to look; what stood there already is read first, within this time.
        last: About how many of the newest records to begin with, shared by the partitions.
        on_time: Told how much of the time is over, in hundredths of a second.

    Raises:
        ReadingFailed: A topic does not exist, or the broker does not answer.
    """
    with reader(settings) as consumer:
        places = [place for topic in topics for place in _starts(consumer, topic, settings, last // len(topics))]
        consumer.assign(places)
        began = time.monotonic()
        # Where somebody wants none of what comes, what stood there is read to its end all the same.
        left = {(place.topic, place.partition) for place in places} if seconds == _NO_TIME else set()
        while left or time.monotonic() - began < seconds:
            for message in consumer.consume(_AT_ONCE, POLL_S):
                error = message.error()
                place = message.topic() or "", message.partition() or 0
                if error is None:
                    kind, stamp = message.timestamp()
                    source = Source(*place, message.offset() or 0)
                    doctor.take(message.value(), message.key(), stamp if kind else None, source)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name
                    left.discard(place)
                elif error.fatal() or not error.retriable():
                    raise ReadingFailed(f"{place[0]}/{place[1]}: {error.str()}")
            on_time(int((time.monotonic() - began) * 100), int(seconds * 100))


def _starts(consumer: Consumer, topic: str, settings: Settings, last: int) -> list[TopicPartition]:
    """Where each partition is to be read from: its share of the newest records before its end."""
    held, ends = topic_ranges(consumer, topic, settings)
    begins = {place.partition: place.offset for place in held}
    numbers = consumer.list_topics(topic, timeout=settings.connect_timeout_s).topics[topic].partitions
    share = -(-last // max(1, len(held)))
    return [
        TopicPartition(topic, number, max(begins[number], ends[number] - share) if number in ends else -1)
        for number in numbers
    ]
