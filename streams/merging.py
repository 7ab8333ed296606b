"""Reads what a topic holds now in the order of time over all its partitions, in little memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from streams.reading import SILENCE_S, TELL_EVERY, ReadingFailed, reader, topic_ranges
from streams.settings import Settings

# Of one partition in hand: below the first it is read on, above the second it waits for the others.
_FEW, _MANY = 200, 1_000
_POLL_S = 0.25


class _Lane:
    """The records of one partition that are in hand, oldest first; `is_done` once the last one has been read."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.is_done = False
        self.is_paused = False
        self._records: deque[tuple[int, Message]] = deque()
        self._newest = -1

    def __len__(self) -> int:
        return len(self._records)

    @property
    def head(self) -> int:
        """The time of the first; only where there is one."""
        return self._records[0][0]

    def put(self, message: Message) -> None:
        """Take a record; its own partition's order counts for more than what clocks say of it."""
        self._newest = max(self._newest, message.timestamp()[1])
        self._records.append((self._newest, message))

    def take(self) -> Message:
        """Hand out the first."""
        return self._records.popleft()[1]


def read_by_time(
    topic: str, settings: Settings, on_record: Callable[[int, int], None] = lambda _done, _total: None
) -> Iterator[Message]:
    """
    Every record that a topic holds now, the oldest first; each partition in offset order whatever its timestamps say.

    Args:
        on_record: Told now and then how many of how many records are read.

    Raises:
        ReadingFailed: The topic does not exist, or the broker stops answering.
    """
    with reader(settings) as consumer:
        starts, ends = topic_ranges(consumer, topic, settings)
        total = sum(ends[start.partition] - start.offset for start in starts)
        consumer.assign(starts)
        for done, message in enumerate(_merged(consumer, topic, {p: _Lane(end) for p, end in ends.items()}), 1):
            yield message
            if done % TELL_EVERY == 0:
                on_record(done, total)


def _merged(consumer: Consumer, topic: str, lanes: dict[int, _Lane]) -> Iterator[Message]:
    while lanes:
        if any(not lane and not lane.is_done for lane in lanes.values()):
            _fill(consumer, topic, lanes)
            continue
        lanes = {partition: lane for partition, lane in lanes.items() if lane}
        if lanes:
            first = min(lanes, key=lambda partition: (lanes[partition].head, partition))
            yield lanes[first].take()


def _fill(consumer: Consumer, topic: str, lanes: dict[int, _Lane]) -> None:
    """Read until something comes."""
    _balance(consumer, topic, lanes)
    give_up_at = time.monotonic() + SILENCE_S
    while (message := consumer.poll(_POLL_S)) is None:
        if time.monotonic() > give_up_at:
            waiting = sorted(partition for partition, lane in lanes.items() if not lane and not lane.is_done)
            raise ReadingFailed(f"{topic}: nothing came for {SILENCE_S:g} s from partitions {waiting}")
    for one in (message, *consumer.consume(_FEW, 0)):
        error = one.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name
            raise ReadingFailed(f"{topic}/{one.partition()}: {error.str()}")
        lane = lanes.get(one.partition())
        if lane is None:
            continue
        if error is None and one.offset() < lane.end:
            lane.put(one)
        # A partition may have fewer records than its offsets say.
        if error is not None or one.offset() + 1 >= lane.end:
            lane.is_done = True
            consumer.pause([TopicPartition(topic, one.partition())])


def _balance(consumer: Consumer, topic: str, lanes: dict[int, _Lane]) -> None:
    """Let those wait of which there is plenty, while another one is empty."""
    for partition, lane in lanes.items():
        place = [TopicPartition(topic, partition)]
        if not lane.is_paused and len(lane) > _MANY:
            consumer.pause(place)
            lane.is_paused = True
        elif lane.is_paused and len(lane) < _FEW and not lane.is_done:
            consumer.resume(place)
            lane.is_paused = False
