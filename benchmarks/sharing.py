"""What a million events cost when several workers share them, and what they leave on the broker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from kafka.admin import KafkaAdminClient

from benchmarks.machine import child_named, cpu_seconds
from benchmarks.product import recorded
from benchmarks.stage import Stage


class _Partition(msgspec.Struct):
    partition_size: int


class _Topic(msgspec.Struct):
    name: str
    partitions: list[_Partition]


class _Folder(msgspec.Struct):
    topics: list[_Topic]


class _Broker(msgspec.Struct):
    log_dirs: list[_Folder]


class Shared(msgspec.Struct):
    """A backlog that some workers have worked off; `cpu_s` has each of them, `broker_cpu_s` None where nobody knows."""

    events: int
    seconds: float
    cpu_s: list[float]
    broker_cpu_s: float | None

    @property
    def per_million(self) -> float:
        """CPU seconds of all workers for a million events."""
        return sum(self.cpu_s) / self.events * 1e6

    @property
    def shares(self) -> list[float]:
        """Which part of that each worker has used."""
        return [one / sum(self.cpu_s) for one in self.cpu_s]


@dataclass
class Sharing:
    """
    Lets workers that have all joined and wait work off a backlog.

    The events are sent when the group is settled: what a start and a rebalance cost is not in it. Sending takes a
    second or two, much less than working them off.
    """

    stage: Stage
    events: Path

    def run(self, workers: int) -> Shared:
        """Measure from the first event sent until nothing is left on any input log."""
        stage = self.stage
        records = recorded(stage, self.events)
        broker = child_named("java")
        with stage.workers(workers) as made:
            stage.wait_until_shared(made)
            before, broker_before = [worker.cpu_s for worker in made], _cpu_of(broker)
            started = time.monotonic()
            count = stage.send(records)
            stage.wait_until_settled(made)
            seconds = time.monotonic() - started
            cpu_s = [worker.cpu_s - was for worker, was in zip(made, before, strict=True)]
            broker_after = _cpu_of(broker)
        took = None if broker_before is None or broker_after is None else broker_after - broker_before
        return Shared(count, seconds, cpu_s, took)

    def bytes_by_topic(self) -> dict[str, int]:
        """What stands in the logs of its topics, compressed as it is on disk, one replica; empty topics left out."""
        settings = self.stage.settings
        client = KafkaAdminClient(bootstrap_servers=settings.kafka.split(","))
        try:
            return sizes(client.describe_log_dirs(), self.stage.topics.prefix)
        finally:
            client.close()


def sizes(brokers: list[dict[str, object]], prefix: str) -> dict[str, int]:
    """Bytes by topic, its prefix left out, of what `DescribeLogDirs` answers."""
    found: dict[str, int] = {}
    for broker in msgspec.convert(brokers, list[_Broker]):
        for topic in (topic for folder in broker.log_dirs for topic in folder.topics):
            if topic.name.startswith(prefix):
                name = topic.name.removeprefix(prefix).lstrip(".-")
                found[name] = found.get(name, 0) + sum(partition.partition_size for partition in topic.partitions)
    return {name: size for name, size in sorted(found.items()) if size}


def _cpu_of(pid: int | None) -> float | None:
    return None if pid is None else cpu_seconds(pid)
