"""Where the measured events were when: the times that Kafka and Redis keep with each record, read afterwards."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence

import redis
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from benchmarks.machine import ProgramFailed
from benchmarks.open_loop import naps

# The name of a measured event: user and workspace are called so, in every record that speaks of it.
MARK = re.compile(rb"lat-\d+-\d+")
_AT_ONCE = 2_000
_TIMEOUT_S = 20.0
_HUNDRED = 100

Ends = Mapping[tuple[str, int], int]


def marks_in(value: bytes) -> set[str]:
    """
    The measured events of which a record speaks, on whichever of the topics.

    By their names alone: it is all the same whether the value is one object or a list of them.
    """
    return {mark.decode() for mark in MARK.findall(value)}


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest of the values that at least so many percent of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / _HUNDRED * len(ordered)) - 1)]


class Logs:
    """
    The topics that a side writes on the way, read after a step so that reading costs the step nothing.

    Args:
        kafka: Bootstrap servers.
        topics: In the order in which an event passes them.
    """

    def __init__(self, kafka: str, topics: Sequence[str], partitions: int) -> None:
        self.topics = topics
        self._places = [(topic, number) for topic in topics for number in range(partitions)]
        options = {"bootstrap.servers": kafka, "log_level": 0}
        self._admin = AdminClient(options)
        # No group: it assigns itself what it reads.
        self._consumer = Consumer(options | {"group.id": "bench-passages", "enable.auto.commit": False})

    def ends(self) -> Ends:
        """Where each partition ends now."""
        asked = {TopicPartition(topic, number): OffsetSpec.latest() for topic, number in self._places}
        for _ in naps(_TIMEOUT_S):
            # A topic made a moment ago has no leader yet.
            with contextlib.suppress(KafkaException):
                answers = self._admin.list_offsets(asked).items()
                return {(place.topic, place.partition): answer.result(_TIMEOUT_S).offset for place, answer in answers}
        raise ProgramFailed(f"the broker does not say where {', '.join(self.topics)} end")

    def sent_ms(self, begin: Ends, wanted: Iterable[str]) -> list[dict[str, float]]:
        """
        When the side sent what it says of each wanted event, by topic.

        That is the record's CreateTime, which the producer notes when the program hands it over; of several records
        the first. What has been written since `begin` is read.
        """
        ends, wanted = self.ends(), set(wanted)
        left = {place: end for place, end in ends.items() if end > begin[place]}
        found: dict[str, dict[str, float]] = {topic: {} for topic in self.topics}
        self._consumer.assign([TopicPartition(*place, begin[place]) for place in left])
        for _ in naps(_TIMEOUT_S):
            while messages := self._consumer.consume(_AT_ONCE, 0.2):
                for message in messages:
                    topic, number = message.topic(), message.partition()
                    if message.offset() + 1 >= left.get((topic, number), math.inf):
                        del left[topic, number]
                    for mark in wanted.intersection(marks_in(message.value() or b"")):
                        found[topic].setdefault(mark, float(message.timestamp()[1]))
            if not left:
                return [found[topic] for topic in self.topics]
        raise ProgramFailed(f"could not read {', '.join(sorted({topic for topic, _ in left}))} to the end")

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


class Stream:
    """
    The end of the way: a stream of alerts in Redis, each entry named for the millisecond of its writing.

    The server gives these names, on the clock of the machine that the sender reads too; nobody has to read along.
    """

    def __init__(self, url: str, key: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._key = key
        self._last = b"-"

    def written_ms(self, wanted: Iterable[str], limit_s: float) -> dict[str, float]:
        """
        Wait for the wanted events; returns when each of them was written, of several entries the first.

        Raises:
            ProgramFailed: Some are not there in time.
        """
        wanted, found = set(wanted), dict[str, float]()
        for _ in naps(limit_s):
            while entries := self._client.xrange(self._key, self._last, count=_AT_ONCE):
                for entry, fields in entries:
                    self._last = b"(" + entry
                    for mark in wanted.intersection(marks_in(fields[b"data"])):
                        found.setdefault(mark, float(entry.partition(b"-")[0]))
            if len(found) == len(wanted):
                return found
        raise ProgramFailed(f"{self._key}: {len(wanted) - len(found)} of {len(wanted)} measured events never came")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
