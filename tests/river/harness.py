"""A river of processes for tests: starts workers and sinks as in production, and reads what they leave behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, ConsumerGroupState, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from signals.config import Config
from streams.admin import create_topics
from streams.config_source import load_config
from streams.lag import LagReader
from streams.settings import Settings
from streams.topics import Topics
from tests.river.process import Process, wait_for

# An address at which nothing listens.
NOBODY = "127.0.0.1:1"
# Short, so that a kill is noticed soon; above the broker's minimum of 6 s.
SESSION_TIMEOUT_S = 6.0


@dataclass
class River:
    """One prefix on one broker, with the processes that serve it."""

    folder: Path
    config_path: Path
    settings: Settings
    config: Config
    processes: list[Process] = field(default_factory=list)
    # More environment variables for every process.
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def topics(self) -> Topics:
        return Topics(self.config.prefix, self.config.topics.partitions)

    def start(self, *arguments: str, **more: str) -> Process:
        """Start a command; `more` are environment variables of this process alone."""
        process = Process(arguments, self.environment | more, self.folder, len(self.processes))
        self.processes.append(process)
        return process

    def worker(self) -> Process:
        return self.start("worker")

    def redis_sink(self) -> Process:
        return self.start("sinks", "redis")

    def plg(self, *arguments: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "streams.cli", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PLG_KAFKA": self.settings.kafka,
            "PLG_REDIS_URL": self.settings.redis_url.get_secret_value(),
            "PLG_CONFIG": str(self.config_path),
            "PLG_SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
            "PLG_TICK_S": "1",
            **self.extra,
        }

    def lag(self) -> dict[str, int]:
        return LagReader(self.config, self.settings).lag()

    def wait_until_settled(self, timeout_s: float = 90.0) -> None:
        """Wait until every input log is committed to its end, and stays so."""
        reader = LagReader(self.config, self.settings)

        def is_settled() -> bool:
            return not any(reader.lag().values())

        wait_for(lambda: is_settled() and (time.sleep(1.2) or is_settled()), timeout_s, lambda: f"lag {reader.lag()}")

    def read(self, topic: str) -> list[Message]:
        """Every record of a topic, partition by partition."""
        consumer = Consumer({**self.settings.kafka_options, "group.id": "test-reader", "enable.auto.commit": False})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            ranges = {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
                for number in partitions
            }
            left = {number: high for number, (low, high) in ranges.items() if high > low}
            consumer.assign([TopicPartition(topic, number, ranges[number][0]) for number in left])
            found: list[Message] = []
            while left:
                message = consumer.poll(10)
                assert message is not None, f"{topic}: nothing came from {left}"
                assert message.error() is None, message.error()
                found.append(message)
                if message.offset() + 1 >= left.get(message.partition(), 0):
                    left.pop(message.partition(), None)
            found.sort(key=lambda message: (message.partition(), message.offset()))
            return found
        finally:
            consumer.close()

    def read_json(self, topic: str) -> list[dict[str, Any]]:
        """The objects of a topic; of a keyed log those in its bundles."""
        values = [msgspec.json.decode(message.value()) for message in self.read(topic)]
        return [item for value in values for item in (value if isinstance(value, list) else [value])]

    def committed(self, topic: str, group: str | None = None) -> dict[int, int]:
        """What a group (the workers' if None) has committed, for every partition of a keyed topic."""
        with self._asking(group or self.config.prefix) as consumer:
            places = [TopicPartition(topic, number) for number in range(self.topics.partitions)]
            return {place.partition: max(place.offset, 0) for place in consumer.committed(places, timeout=10)}

    def ends(self, topic: str) -> dict[int, int]:
        """Where every partition of a keyed topic ends."""
        with self._asking(self.config.prefix) as consumer:
            return {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
                for number in range(self.topics.partitions)
            }

    def left(self, topic: str, group: str | None = None) -> int:
        """Records of a topic that a group has not committed past."""
        done, ends = self.committed(topic, group), self.ends(topic)
        return sum(ends.values()) - sum(done.values())

    def wait_until_delivered(self, timeout_s: float = 60.0) -> None:
        """Wait until the Redis sink has committed every alert and snapshot."""
        group = f"{self.config.prefix}-sink-redis"
        topics = (self.topics.alerts, self.topics.workspaces)
        wait_for(
            lambda: not any(self.left(topic, group) for topic in topics),
            timeout_s,
            lambda: f"left for the sink {[self.left(topic, group) for topic in topics]}",
        )

    def shares(self) -> list[int]:
        """How many partitions each member of the workers' group has, fewest first; empty while it rebalances."""
        admin = AdminClient(self.settings.kafka_options)
        described = admin.describe_consumer_groups([self.config.prefix])[self.config.prefix].result(10)
        if described.state != ConsumerGroupState.STABLE:
            return []
        return sorted(len(member.assignment.topic_partitions) for member in described.members)

    def wait_until_shared(self, workers: int, timeout_s: float = 40.0) -> None:
        """Wait until so many workers have partitions and the group has committed something new since."""
        wait_for(lambda: len(self.shares()) == workers and all(self.shares()), timeout_s, lambda: str(self.shares()))
        [source] = self.config.source.topics
        before = sum(self.committed(source).values())
        wait_for(
            lambda: sum(self.committed(source).values()) > before, timeout_s, lambda: f"committed {before}, no more"
        )

    @contextlib.contextmanager
    def _asking(self, group: str) -> Iterator[Consumer]:
        """A consumer that joins nothing: it only asks for offsets."""
        consumer = Consumer({**self.settings.kafka_options, "group.id": group, "enable.auto.commit": False})
        try:
            yield consumer
        finally:
            consumer.close()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()


@contextlib.contextmanager
def river(  # noqa: PLR0913 - each has a default, and says what a test is about
    folder: Path,
    kafka: str,
    prefix: str,
    *,
    redis_url: str = "redis://localhost:1/0",
    clock: str = "events",
    events: str = "{activated: [Report Shared], core: [Project Created, Data Imported]}",
    overrides: str = "",
    topics: bool = True,
) -> Iterator[River]:
    """
    A river with its topics, and nothing running yet; whatever the test starts is killed at the end.

    Args:
        events: The config's section of this name, as YAML.
        overrides: More YAML for the config.
        topics: Create them.
    """
    config_path = folder / "plg.yaml"
    config_path.write_text(
        f"prefix: {prefix}\n"
        f"clock: {clock}\n"
        f"source: {{topics: [{prefix}-events], start: earliest}}\n"
        f"events: {events}\n"
        "internal: {domains: [oursaas.example]}\n" + overrides
    )
    settings = Settings(
        kafka=kafka,
        redis_url=SecretStr(redis_url),
        config=config_path,
        session_timeout_s=SESSION_TIMEOUT_S,
        connect_timeout_s=10.0,
    )
    made = River(folder, config_path, settings, load_config(config_path))
    if topics:
        create_topics(made.config, settings, sources=True)
        # A moment passes until each new partition has its leader.
        wait_for(lambda: _has_leaders(made), 60.0, lambda: "new topics without leaders")
    try:
        yield made
    finally:
        made.stop()
        _delete_topics(made)


def _delete_topics(made: River) -> None:
    # A river has some 400 partitions, and a broker keeps files open for each: a few dozen tests would exhaust it.
    admin = AdminClient(made.settings.kafka_options)
    ours = [name for name in admin.list_topics(timeout=10).topics if name.startswith(made.config.prefix)]
    for deleted in admin.delete_topics(ours).values() if ours else ():
        with contextlib.suppress(KafkaException):
            deleted.result(20)


def _has_leaders(made: River) -> bool:
    try:
        for topic in (
            *made.config.source.topics,
            made.topics.redrive,
            made.topics.user_events,
            made.topics.workspace_facts,
        ):
            made.ends(topic)
    except KafkaException:
        return False
    return True
