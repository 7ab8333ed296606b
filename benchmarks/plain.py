"""The measure: a hand-written confluent-kafka loop that counts, keeps a changelog and commits after it."""

from __future__ import annotations

import sys
import time

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks.job import COMMIT_S, Click, Count, Job, Stopwatch, changelog_of, read_job, write_result

_BATCH = 1_000
# How long a batch may wait to become full; it matters at the end of the topic only.
_BATCH_WAIT_S = 0.05


class _Counter:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._decode = msgspec.json.Decoder(Click).decode
        self._counts: dict[str, Count] = {}
        # User to partition: what the next flush writes.
        self._dirty: dict[str, int] = {}
        self._positions: dict[int, int] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": job.kafka,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
            }
        )
        self._consumer = Consumer(
            {
                "bootstrap.servers": job.kafka,
                "group.id": job.prefix,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )

    def run(self) -> None:
        self._consumer.subscribe([self._job.topic])
        done, watch, flushed = 0, None, time.monotonic()
        while done < self._job.events:
            messages = self._consumer.consume(_BATCH, _BATCH_WAIT_S)
            if not messages:
                continue
            watch = watch or Stopwatch.start()
            self._count(messages)
            done += len(messages)
            if time.monotonic() - flushed > COMMIT_S:
                self._flush()
                flushed = time.monotonic()
        self._flush()
        assert watch is not None
        write_result(self._job, watch.result(done))
        self._consumer.close()

    def _count(self, messages: list[Message]) -> None:
        decode, counts, dirty, positions = self._decode, self._counts, self._dirty, self._positions
        for message in messages:
            click = decode(message.value())
            user = click.userId
            count = counts.get(user)
            if count is None:
                count = counts[user] = Count()
            count.add(click.day)
            partition = message.partition()
            dirty[user] = partition
            positions[partition] = message.offset() + 1

    def _flush(self) -> None:
        changelog, encode = changelog_of(self._job.prefix), msgspec.msgpack.encode
        for user, partition in self._dirty.items():
            self._producer.produce(changelog, encode(self._counts[user]), user, partition)
        self._dirty.clear()
        self._producer.flush()
        places = [TopicPartition(self._job.topic, partition, at) for partition, at in self._positions.items()]
        self._consumer.commit(offsets=places, asynchronous=False)


if __name__ == "__main__":
    _Counter(read_job(sys.argv[1])).run()
