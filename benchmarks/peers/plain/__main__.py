"""The measure: a hand-written confluent-kafka loop that re-keys by a topic of its own, keeps changelogs and commits."""

from __future__ import annotations

import sys
import time

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks.job import COMMIT_S, Job, Stopwatch, read_job, write_result
from benchmarks.reference import Activity, Team, Use, UserCount, day_of

_BATCH = 1_000
# How long a batch may wait to become full; it matters at the end of the topics only.
_BATCH_WAIT_S = 0.05


class _Loop:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._users: dict[str, UserCount] = {}
        self._teams: dict[str, Team] = {}
        # What the next flush writes, each with the partition it came from.
        self._changed_users: dict[str, int] = {}
        self._changed_teams: dict[str, int] = {}
        # By topic and partition: the offset after the last record applied.
        self._positions: dict[tuple[str, int], int] = {}
        self._decode_use = msgspec.json.Decoder(Use).decode
        self._decode_activity = msgspec.msgpack.Decoder(Activity).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._producer = Producer(
            {
                "bootstrap.servers": job.kafka,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
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
        self._consumer.subscribe([self._job.topic, self._job.activity])
        # Each event comes twice: as itself, and re-keyed.
        left, watch, flushed = 2 * self._job.events, None, time.monotonic()
        while left:
            messages = self._consumer.consume(_BATCH, _BATCH_WAIT_S)
            if not messages:
                self._producer.poll(0)
                continue
            watch = watch or Stopwatch.start()
            self._apply(messages)
            self._producer.poll(0)
            left -= len(messages)
            if time.monotonic() - flushed > COMMIT_S:
                self._flush()
                flushed = time.monotonic()
        self._flush()
        assert watch is not None
        write_result(self._job, watch.result(self._job.events))
        self._consumer.close()

    def _apply(self, messages: list[Message]) -> None:
        activity, positions = self._job.activity, self._positions
        for message in messages:
            topic, partition = message.topic(), message.partition()
            if topic == activity:
                self._see(message.value(), partition)
            else:
                self._count(message.value(), partition)
            positions[topic, partition] = message.offset() + 1

    def _count(self, value: bytes, partition: int) -> None:
        use = self._decode_use(value)
        user = use.userId
        count = self._users.get(user)
        if count is None:
            count = self._users[user] = UserCount()
        day = day_of(use.timestamp)
        before = count.add(day)
        self._changed_users[user] = partition
        workspace = use.context.groupId
        self._producer.produce(self._job.activity, self._encode(Activity(workspace, user, day, before)), workspace)

    def _see(self, value: bytes, partition: int) -> None:
        activity = self._decode_activity(value)
        if activity.day == activity.before:
            # Seen there on that day already: nothing of the workspace changes.
            return
        workspace = activity.workspace
        team = self._teams.get(workspace)
        if team is None:
            team = self._teams[workspace] = Team()
        if team.add(activity.day, activity.before):
            self._producer.produce(self._job.signals, b'{"signal":"multi_user"}', workspace)
        self._changed_teams[workspace] = partition

    def _flush(self) -> None:
        produce, encode, job = self._producer.produce, self._encode, self._job
        for user, partition in self._changed_users.items():
            produce(job.users_changelog, encode(self._users[user]), user, partition)
        for workspace, partition in self._changed_teams.items():
            produce(job.workspaces_changelog, encode(self._teams[workspace]), workspace, partition)
        self._changed_users.clear()
        self._changed_teams.clear()
        # The re-keyed events and the signals sent so far too: they are durable before the offsets that led to them.
        self._producer.flush()
        places = [TopicPartition(topic, partition, at) for (topic, partition), at in self._positions.items()]
        self._consumer.commit(offsets=places, asynchronous=False)


if __name__ == "__main__":
    _Loop(read_job(sys.argv[1])).run()
