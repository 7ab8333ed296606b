"""What a group has committed and where its logs end, read again and again, also while brokers are away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.river.harness import River

# Topic and partition.
Place = tuple[str, int]
_TIMEOUT_S = 3.0


class Offsets:
    """
    The places of a group; it never joins.

    Args:
        river: Whose topics.
        group: The consumer group.
        topics: Topics with `topics.partitions` partitions each.
    """

    def __init__(self, river: River, group: str, topics: Sequence[str]) -> None:
        self._options = {**river.settings.kafka_options, "group.id": group, "enable.auto.commit": False}
        self._places = [TopicPartition(topic, number) for topic in topics for number in range(river.topics.partitions)]
        self._consumer: Consumer | None = None

    def read(self) -> Mapping[Place, tuple[int, int]] | None:
        """For each place what is committed and where its log ends; None while the brokers do not answer."""
        consumer = self._consumer = self._consumer or Consumer(self._options)
        try:
            return {
                (place.topic, place.partition): (
                    max(place.offset, 0),
                    consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1],
                )
                for place in consumer.committed(self._places, timeout=_TIMEOUT_S)
            }
        except KafkaException:
            # One that has lost its group's coordinator may look for the next one for minutes.
            self.close()
            return None

    def close(self) -> None:
        """Let go of the brokers."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def lag(self) -> int | None:
        """Records not committed past; None while the brokers do not answer."""
        read = self.read()
        return None if read is None else sum(end - done for done, end in read.values())


class Recovery:
    """
    Watches a group from a fault on until it has committed anew wherever there is news: also where the dead one was.

    It begins before the fault, so that a place is known even if no broker answers afterwards; `hit` is called at it.
    """

    def __init__(self, offsets: Offsets) -> None:
        self._offsets = offsets
        self._mark = dict(offsets.read() or {})
        self._started = time.monotonic()
        self._fed: set[Place] = set()
        self.took_s: float | None = None
        self.waiting: list[Place] = []

    @property
    def lag(self) -> int:
        """Records that waited when it was hit."""
        return sum(end - done for done, end in self._mark.values())

    def hit(self, at: float) -> None:
        """The fault was at that moment: what has been committed until now was before it."""
        self._started = at
        # The dead commit nothing more, and the living have had a few milliseconds.
        self._mark |= self._offsets.read() or {}

    def look(self) -> bool:
        """Whether every place with news has committed anew; True for good once it was."""
        if self.took_s is None and (read := self._offsets.read()) is not None:
            self._fed |= {place for place, (_, end) in read.items() if end > self._mark[place][0]}
            self.waiting = [place for place in self._fed if read[place][0] <= self._mark[place][0]]
            if self._fed and not self.waiting:
                self.took_s = time.monotonic() - self._started
        return self.took_s is not None


@contextlib.contextmanager
def offsets(river: River, group: str, topics: Sequence[str]) -> Iterator[Offsets]:
    """Look at a group for a while."""
    watched = Offsets(river, group, topics)
    try:
        yield watched
    finally:
        watched.close()
