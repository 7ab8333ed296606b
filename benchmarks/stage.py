"""A river of the benchmark to be watched: its own topics on a broker, workers whose CPU time, memory and state show."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from confluent_kafka import ConsumerGroupState, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from benchmarks.machine import Cores, ProgramFailed, cpu_seconds, peak_bytes, resident_bytes, running, tail
from benchmarks.river import delete_topics, demo_config
from streams.admin import create_topics
from streams.lag import LagReader
from streams.settings import Settings
from streams.topics import Topics

POLL_S = 0.1
LIMIT_S = 240.0
_ANSWER_S = 10.0
_ADDRESS = re.compile(r'"address": "([^"]+)".*health\.listening|health\.listening.*"address": "([^"]+)"')

# Topic, partition, key, value, and time in Unix milliseconds (0 for now).
Sent = tuple[str, int, bytes, bytes, int]


@dataclass
class Worker:
    """A `plg worker` of the run; `started_at` is on the clock of `time.monotonic`."""

    process: subprocess.Popen[bytes]
    log: Path
    started_at: float

    @property
    def cpu_s(self) -> float:
        """CPU time so far, all threads."""
        return cpu_seconds(self.process.pid) or 0.0

    @property
    def resident(self) -> int:
        """Memory in hand, bytes."""
        return resident_bytes(self.process.pid)

    @property
    def peak(self) -> int:
        """The most memory it has had in hand, bytes."""
        return peak_bytes(self.process.pid)

    def readiness(self) -> dict[str, bool | int]:
        """What its health server says; empty while it does not listen yet."""
        found = _ADDRESS.search(self.log.read_text(errors="replace"))
        if found is None:
            return {}
        try:
            with urllib.request.urlopen(f"http://{found[1] or found[2]}/ready", timeout=_ANSWER_S) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as not_ready:
            return dict(json.load(not_ready))
        except OSError:
            return {}

    def is_ready(self) -> bool:
        """Whether it has partitions, their states are recovered, and it takes records."""
        said = self.readiness()
        return bool(said.get("ok")) and bool(said.get("partitions"))

    def check(self) -> None:
        """
        See that it lives.

        Raises:
            ProgramFailed: It has ended.
        """
        if self.process.poll() is not None:
            raise ProgramFailed(f"plg worker ended with code {self.process.returncode}\n{tail(self.log)}")


class Stage:
    """
    One prefix with all its topics, the product's too; they are gone at the end of a `with` block.

    Args:
        kafka: Bootstrap servers.
        prefix: What all its topics begin with; used once.
        folder: For config and logs.
    """

    def __init__(self, kafka: str, prefix: str, cores: Cores, folder: Path) -> None:
        self.config, self._path = demo_config(prefix, f"{prefix}-product", folder / f"{prefix}.yaml")
        self.topics = Topics(prefix, self.config.topics.partitions)
        self.source = self.config.source.topics[0]
        self.settings = Settings(kafka=kafka)
        self._cores = cores
        self._folder = folder
        self._workers = 0
        create_topics(self.config, self.settings, sources=True)
        self._reader = LagReader(self.config, self.settings)
        self._admin = AdminClient(self.settings.kafka_options)
        # A moment passes until each new partition has its leader.
        wait_for([], lambda: all(self.ends(spec.name) is not None for spec in self.topics.specs()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        delete_topics(self.settings.kafka, self.topics.prefix)

    @contextlib.contextmanager
    def workers(self, count: int) -> Iterator[list[Worker]]:
        """So many workers on the programs' core; at the end of the block they are gone."""
        environment = {"PLG_KAFKA": self.settings.kafka, "PLG_CONFIG": str(self._path), "PLG_HEALTH": "127.0.0.1:0"}
        with contextlib.ExitStack() as alive:
            made = []
            for _ in range(count):
                log = self._folder / f"{self.topics.prefix}-worker-{self._workers}.log"
                self._workers += 1
                started_at = time.monotonic()
                process = alive.enter_context(running(["-m", "streams.cli", "worker"], self._cores, log, environment))
                made.append(Worker(process, log, started_at))
            yield made

    def wait_until_shared(self, workers: list[Worker]) -> None:
        """Wait until each worker has partitions, has recovered them and takes records, and all stays so."""
        wait_for(workers, lambda: self._members() == len(workers) and all(worker.is_ready() for worker in workers))

    def wait_until_settled(self, workers: list[Worker]) -> None:
        """Wait until nothing is left on any input log."""
        wait_for(workers, lambda: not any(self._reader.lag().values()))

    def ends(self, topic: str) -> int | None:
        """How many records a topic of ours has had; None while it has no leaders yet."""
        partitions = 1 if topic in {self.topics.commands, self.topics.config} else self.topics.partitions
        latest = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
        try:
            return sum(answer.result(_ANSWER_S).offset for answer in self._admin.list_offsets(latest).values())
        except (KafkaException, TimeoutError):
            return None

    def send(self, records: Iterable[Sent]) -> int:
        """
        Send records as they are.

        Returns:
            How many; the broker has them all.

        Raises:
            ProgramFailed: It does not take them.
        """
        producer = Producer({**self.settings.kafka_options, "acks": "all", "linger.ms": 20, "compression.type": "lz4"})
        number = 0
        for number, (topic, partition, key, value, at) in enumerate(records, 1):
            while True:
                try:
                    producer.produce(topic, value, key, partition, timestamp=at)
                    break
                except BufferError:
                    producer.poll(POLL_S)
            if number % 1_000 == 0:
                producer.poll(0)
        if producer.flush(LIMIT_S):
            raise ProgramFailed("the broker did not take all records")
        return number

    def _members(self) -> int:
        """Members of the group that have partitions; 0 while it rebalances."""
        group = self.topics.prefix
        try:
            described = self._admin.describe_consumer_groups([group])[group].result(_ANSWER_S)
        except (KafkaException, TimeoutError):
            # The first group of a broker waits for the topic of its offsets.
            return 0
        if described.state != ConsumerGroupState.STABLE:
            return 0
        return sum(bool(member.assignment.topic_partitions) for member in described.members)


def wait_for(workers: list[Worker], is_there: Callable[[], bool], poll_s: float = POLL_S) -> float:
    """
    Wait for something that workers do.

    Returns:
        When it was there, on the clock of `time.monotonic`.

    Raises:
        ProgramFailed: A worker ended, or it was not there in time.
    """
    give_up_at = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up_at:
        for worker in workers:
            worker.check()
        if is_there():
            return time.monotonic()
        time.sleep(poll_s)
    raise ProgramFailed(f"not there after {LIMIT_S:g} s\n" + "\n".join(tail(each.log) for each in workers))
