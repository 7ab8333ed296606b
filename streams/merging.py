"""Reads what a topic holds now in the order of time over all its partitions, in little memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from streams.reading import SILENCE_S, ReadingFailed, read_with
from streams.settings import Settings

# Records in hand: from the first on, partitions of which there are some wait for those of which there are none, until
# it is the second. To let one wait costs a fetch, so it is not done for less; they take some 50 MB.
_MANY, _FEW = 20_000, 10_000
_POLL_S = 0.25
_AT_ONCE = 500


class _Lane:
    """The records of one partition that are in hand, oldest first; `is_done` once the last one has been read."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.is_done = False
        self.is_paused = False
        self.records: deque[tuple[int, Message]] = deque()
        self._newest = -1

    def put(self, message: Message) -> None:
        """Take a record; its own partition's order counts for more than what clocks say of it."""
        self._newest = max(self._newest, message.timestamp()[1])
        self.records.append((self._newest, message))


def read_by_time(
    topic: str,
    settings: Settings,
    on_record: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    since: int | None = None,
    until: int | None = None,
) -> Iterator[Message]:
    """
    Every record that a topic holds now, the oldest first; each partition in offset order whatever its timestamps say.

    Args:
        on_record: Told now and then how many of how many records are read.
        since: Only from each partition's first record on whose Kafka timestamp is not before it, Unix milliseconds.
        until: Only up to the last record before each partition's first one that is later.

    Raises:
        ReadingFailed: The topic does not exist, or the broker stops answering.
    """
    yield from read_with(
        lambda consumer, name, ends: _Merge(consumer, name, ends).records(),
        topic,
        settings,
        on_record,
        since=since,
        until=until,
    )


class _Merge:
    """Hands out the oldest head of all partitions, once each has one or is done."""

    def __init__(self, consumer: Consumer, topic: str, ends: Mapping[int, int]) -> None:
        self._consumer = consumer
        self._topic = topic
        self._lanes = {partition: _Lane(end) for partition, end in ends.items()}
        self._empty = set(self._lanes)
        self._heads: list[tuple[int, int]] = []
        self._in_hand = 0

    def records(self) -> Iterator[Message]:
        while self._empty or self._heads:
            if self._empty:
                self._fill()
                continue
            _, partition = heappop(self._heads)
            lane = self._lanes[partition]
            self._in_hand -= 1
            yield lane.records.popleft()[1]
            if lane.records:
                heappush(self._heads, (lane.records[0][0], partition))
            elif not lane.is_done:
                self._empty.add(partition)

    def _fill(self) -> None:
        """Read until something comes."""
        self._balance()
        give_up_at = time.monotonic() + SILENCE_S
        while (first := self._consumer.poll(_POLL_S)) is None:
            if time.monotonic() > give_up_at:
                waiting = sorted(self._empty)
                raise ReadingFailed(f"{self._topic}: nothing came for {SILENCE_S:g} s from partitions {waiting}")
        for message in (first, *self._consumer.consume(_AT_ONCE, 0)):
            self._take(message)

    def _take(self, message: Message) -> None:
        error, partition = message.error(), message.partition()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own name
            raise ReadingFailed(f"{self._topic}/{partition}: {error.str()}")
        lane = self._lanes[partition]
        if error is None and message.offset() < lane.end:
            lane.put(message)
            self._in_hand += 1
            if partition in self._empty:
                self._empty.discard(partition)
                heappush(self._heads, (lane.records[0][0], partition))
        # A partition may have fewer records than its offsets say.
        if not lane.is_done and (error is not None or message.offset() + 1 >= lane.end):
            lane.is_done = True
            self._empty.discard(partition)
            self._pause(partition, lane)

    def _balance(self) -> None:
        for partition, lane in self._lanes.items():
            if lane.is_done:
                continue
            if lane.is_paused and (partition in self._empty or self._in_hand < _FEW):
                self._consumer.resume([TopicPartition(self._topic, partition)])
                lane.is_paused = False
            elif not lane.is_paused and lane.records and self._in_hand >= _MANY:
                self._pause(partition, lane)

    def _pause(self, partition: int, lane: _Lane) -> None:
        self._consumer.pause([TopicPartition(self._topic, partition)])
        lane.is_paused = True
