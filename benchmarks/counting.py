"""Runs the counting programs on one broker and believes no time before the answer is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.job import PARTITIONS, Count, Job, Result, changelog_of, events, expected
from benchmarks.machine import Cores, ProgramFailed, run_to_end
from streams.topics import partition_of

# Stock Faust is so much slower that it gets fewer events: its rate does not depend on their number.
STOCK_EVENTS = 30_000
_LIMIT_S = 180.0
_TIMEOUT_S = 30.0
# `at` and `due`, 8 bytes each, stand before every stored state of ours (signals/shard.py).
_SEAL_BYTES = 16


@dataclass(frozen=True)
class Program:
    """One of the compared: `read_count` reads a record of its changelog, None where it reports its counts itself."""

    name: str
    module: str
    what: str
    counts: bool = True
    read_count: Callable[[bytes], Count] | None = None
    max_events: int | None = None


def _read_plain(value: bytes) -> Count:
    return msgspec.msgpack.decode(value, type=Count)


def _read_ours(value: bytes) -> Count:
    return msgspec.msgpack.decode(value[_SEAL_BYTES:], type=Count)


PROGRAMS = (
    Program("plain", "benchmarks.plain", "confluent-kafka loop by hand", read_count=_read_plain),
    Program("ours-count", "benchmarks.ours_count", "the job on our runtime", read_count=_read_ours),
    Program("ceiling", "benchmarks.ceiling", "consume and parse only", counts=False),
    Program("stock-faust", "benchmarks.stock_faust", "table[user] += 1 per event", max_events=STOCK_EVENTS),
)


@dataclass
class Counting:
    """
    The counting side of a run: fills the topics once, then runs programs against them.

    Args:
        kafka: Bootstrap servers.
        prefix: What all its topics begin with.
        count: Events of a long run.
        folder: For results and logs.
    """

    kafka: str
    prefix: str
    count: int
    cores: Cores
    folder: Path
    right_counts: dict[int, dict[str, Count]] = field(default_factory=dict)

    def fill(self, programs: tuple[Program, ...]) -> None:
        """Put the events where the programs will read them."""
        for count in {self.events_of(program) for program in programs}:
            self._create(self._topic(count))
            self.right_counts[count] = expected(count)
            self._produce(count)

    def events_of(self, program: Program) -> int:
        """How many events a program gets."""
        return self.count if program.max_events is None else min(self.count, program.max_events)

    def run(self, program: Program, round_: int) -> Result:
        """
        Run a program once.

        Raises:
            ProgramFailed: It failed, or counted wrongly.
        """
        count = self.events_of(program)
        name = f"{self.prefix}-{program.name}-{round_}"
        job = Job(self.kafka, self._topic(count), name, count, str(self.folder / f"{name}.json"))
        if program.read_count is not None:
            self._create(changelog_of(name), {"cleanup.policy": "compact"})
        arguments = ["-m", program.module, msgspec.json.encode(job).decode()]
        run_to_end(arguments, self.cores, self.folder / f"{name}.log", _LIMIT_S)
        result = msgspec.json.decode(Path(job.result).read_bytes(), type=Result)
        if program.counts:
            counts = result.counts if program.read_count is None else self._fold(name, program.read_count)
            _require_equal(program.name, counts, self.right_counts[count])
        return result

    def _topic(self, count: int) -> str:
        return f"{self.prefix}-events-{count}"

    def _create(self, topic: str, settings: Mapping[str, str] | None = None) -> None:
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        wanted = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1, config=dict(settings or {}))
        admin.create_topics([wanted])[topic].result(_TIMEOUT_S)

    def _produce(self, count: int) -> None:
        producer = Producer({"bootstrap.servers": self.kafka, "linger.ms": 20, "acks": "all"})
        topic = self._topic(count)
        for number, (user, _day, event) in enumerate(events(count)):
            while True:
                try:
                    producer.produce(topic, event, user, partition_of(user, PARTITIONS))
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1_000 == 0:
                producer.poll(0)
        if producer.flush(_TIMEOUT_S):
            raise ProgramFailed(f"the broker did not take all events of {topic}")

    def _fold(self, prefix: str, read_count: Callable[[bytes], Count]) -> dict[str, Count]:
        """What a restart would recover: the last record of each key."""
        topic = changelog_of(prefix)
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": prefix, "enable.auto.commit": False})
        places = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
        left = sum(consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1] for place in places)
        consumer.assign(places)
        counts: dict[str, Count] = {}
        while left > 0:
            messages = consumer.consume(min(left, 10_000), _TIMEOUT_S)
            if not messages:
                raise ProgramFailed(f"{topic}: {left} records did not come")
            left -= len(messages)
            for message in messages:
                # A fence of ours begins with NUL; it counts nobody.
                if not message.key().startswith(b"\0"):
                    counts[message.key().decode()] = read_count(message.value())
        consumer.close()
        return counts


def _require_equal(program: str, counts: dict[str, Count], right: dict[str, Count]) -> None:
    wrong = [user for user in right.keys() | counts.keys() if counts.get(user) != right.get(user)]
    if wrong:
        user = min(wrong)
        raise ProgramFailed(
            f"{program} counted {len(wrong):,} of {len(right):,} users wrongly, "
            f"such as {user}: {counts.get(user)} instead of {right.get(user)}; its time does not count"
        )
