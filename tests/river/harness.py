"""A river of processes for tests: starts workers and sinks as in production, and reads what they leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition
from pydantic import SecretStr

from signals.config import Config
from streams.admin import create_topics
from streams.config_source import load_config
from streams.lag import LagReader
from streams.settings import Settings
from streams.topics import Topics

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

    @property
    def topics(self) -> Topics:
        return Topics(self.config.prefix, self.config.topics.partitions)

    def start(self, *arguments: str) -> Process:
        process = Process(self, arguments, len(self.processes))
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
        return [msgspec.json.decode(message.value()) for message in self.read(topic)]

    def committed(self, topic: str, partitions: int) -> dict[int, int]:
        consumer = Consumer({**self.settings.kafka_options, "group.id": self.config.prefix})
        try:
            places = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=10)
            return {place.partition: max(place.offset, 0) for place in places}
        finally:
            consumer.close()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()


class Process:
    """A `plg` process with its log."""

    def __init__(self, river: River, arguments: tuple[str, ...], number: int) -> None:
        self.log_path = river.folder / f"{number}-{'-'.join(arguments)}.log"
        self._log = self.log_path.open("wb")
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *arguments],
            env=river.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def kill(self) -> None:
        """Like `kill -9`."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)
        self._log.close()

    def terminate(self, timeout_s: float = 40.0) -> int:
        self.popen.send_signal(signal.SIGTERM)
        code = self.popen.wait(timeout_s)
        self._log.close()
        return code

    def wait_for_log(self, text: str, timeout_s: float = 30.0) -> None:
        wait_for(lambda: text in self.log, timeout_s, lambda: f"{text!r} in the log:\n{self.log[-2_000:]}")


@contextlib.contextmanager
def river(
    folder: Path, kafka: str, prefix: str, *, redis_url: str = "redis://localhost:1/0", overrides: str = ""
) -> Iterator[River]:
    """A river with its topics, and nothing running yet; whatever the test starts is killed at the end."""
    config_path = folder / "plg.yaml"
    config_path.write_text(
        f"prefix: {prefix}\n"
        "clock: events\n"
        f"source: {{topics: [{prefix}-events], start: earliest}}\n"
        "events: {activated: [Report Shared], core: [Project Created, Data Imported]}\n"
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
    create_topics(made.config, settings, sources=True)
    try:
        yield made
    finally:
        made.stop()


def wait_for(condition: Callable[[], Any], timeout_s: float, seen: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {seen()}")
        time.sleep(0.1)
