"""Tells which partitions died between their states and their offsets, and freezes workers at just that moment."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from confluent_kafka import Consumer, TopicPartition

from signals.shard import Fence
from streams.tables import _FENCE
from tests.river.harness import River
from tests.river.offsets import Offsets, Place, offsets
from tests.river.process import Process

# Of a worker that keeps up, about one try in ten falls between the two.
MOST_TRIES = 50
READ_LIMIT_S = 20.0
# A heartbeat every 0.6 s must fit in, or the worker ends itself as a stale owner.
THAWED_S = (0.3, 1.0)


class Fences:
    """Reads the changelogs along and holds each fence against the committed offset."""

    def __init__(self, made: River, consumer: Consumer, inputs: Offsets) -> None:
        self._consumer = consumer
        self._inputs = inputs
        self._logs = {
            made.topics.users_changelog: made.topics.user_events,
            made.topics.workspaces_changelog: made.topics.workspace_facts,
        }
        self._read: dict[Place, int] = {}
        self._fences: dict[Place, int] = {}
        self._places = [TopicPartition(log, n, 0) for log in self._logs for n in range(made.topics.partitions)]
        consumer.assign(self._places)

    def stuck(self, after_s: float = 1.5) -> set[Place]:
        """
        Partitions whose fence stands beyond their committed offset and stays there: a dead or frozen worker's.

        A living worker commits what it has written within a moment; the group gives the partitions of a dead one away
        only after the session timeout.
        """
        self._read_on()
        fences = dict(self._fences)
        time.sleep(after_s)
        committed = self._inputs.read() or {}
        return {place for place, end in fences.items() if place in committed and end > committed[place][0]}

    def _read_on(self) -> None:
        ends = {
            (place.topic, place.partition): self._consumer.get_watermark_offsets(place, timeout=10)[1]
            for place in self._places
        }
        give_up_at = time.monotonic() + READ_LIMIT_S
        while any(self._read.get(place, 0) < end for place, end in ends.items()):
            assert time.monotonic() < give_up_at, "the changelogs cannot be read to their ends"
            # It waits for so many or so long, and a worker may be frozen meanwhile.
            for message in self._consumer.consume(1_000, 0.05):
                assert message.error() is None, message.error()
                self._read[message.topic(), message.partition()] = message.offset() + 1
                if message.key() == _FENCE:
                    fence = msgspec.msgpack.decode(message.value(), type=Fence)
                    self._fences[self._logs[message.topic()], message.partition()] = fence.end


def freeze_within_a_checkpoint(worker: Process, fences: Fences, chance: random.Random) -> set[Place]:
    """
    Freeze a worker at random moments until one falls between its states and its offsets.

    Returns:
        The partitions caught there; none if no such moment was met, and the worker is frozen all the
        same unless it has ended itself.
    """
    for _ in range(MOST_TRIES):
        worker.freeze()
        caught = fences.stuck(after_s=0.4)
        if caught or worker.popen.poll() is not None:
            return caught
        worker.thaw()
        time.sleep(chance.uniform(*THAWED_S))
    worker.freeze()
    return set()


@contextmanager
def fences_of(made: River) -> Iterator[Fences]:
    """Read the changelogs of a river along for a while."""
    consumer = Consumer({**made.settings.kafka_options, "group.id": "test-fences", "enable.auto.commit": False})
    topics = (made.topics.user_events, made.topics.workspace_facts)
    try:
        with offsets(made, made.config.prefix, topics) as inputs:
            yield Fences(made, consumer, inputs)
    finally:
        consumer.close()
