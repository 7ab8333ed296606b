"""What the latency of is measured: the river with its sink, and the bare relay, each on topics of its own."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import SecretStr
from ruamel.yaml import YAML

from benchmarks.machine import Cores, ProgramFailed, cpu_seconds, running, tail
from benchmarks.open_loop import OpenLoop, Schedule, Sending, naps, simulated_lines
from benchmarks.passages import Logs, Stream
from benchmarks.relay import RelayJob
from signals.config import Config
from streams.admin import TopicsMissing, create_topics, require_topics
from streams.config_source import load_config
from streams.lag import LagReader
from streams.settings import Settings
from streams.topics import Topics

_DEMO_CONFIG = Path(__file__).resolve().parent.parent / "config" / "demo.yaml"
_TIMEOUT_S = 20.0
# Starting and joining included; and how long a measured event may take before it counts as lost.
_LIMIT_S = 120.0
# What the last events of a turn leave behind (checkpoints, snapshots) is not to disturb the next one.
_REST_S = 0.7


@dataclass
class Side:
    """
    One way from the product to Redis.

    Args:
        name: `ours` or `relay`.
        source: The product's topic.
        logs: The topics that it writes, in order.
        stream: Where it ends.
        programs: Its processes, by what they are called, with their logs.
    """

    name: str
    source: str
    logs: Logs
    stream: Stream
    programs: dict[str, tuple[subprocess.Popen[bytes], Path]] = field(default_factory=dict)

    def require_alive(self) -> None:
        """
        See that nothing has ended.

        Raises:
            ProgramFailed: Something has.
        """
        for name, (program, log) in self.programs.items():
            if program.poll() is not None:
                raise ProgramFailed(f"{name} ended with code {program.returncode}\n{tail(log)}")

    def cpu_s(self) -> float:
        """CPU time of its processes so far."""
        return sum(cpu_seconds(program.pid) or 0.0 for program, _log in self.programs.values())


@dataclass
class Passage:
    """
    What became of a turn's measured events.

    Args:
        rate: Events a second that were sent.
        latencies_ms: From due to written, an event each.
        hops_ms: The same by hop, in order; `sent` is what the sender was late.
        cpu: The share of a core that the side's processes used meanwhile.
    """

    HOPS: ClassVar = ("sent", "user-events", "workspace-facts", "alerts", "redis")

    rate: float
    latencies_ms: list[float]
    hops_ms: dict[str, list[float]]
    cpu: float


class Stage:
    """
    Both sides on one broker and one Redis, all their programs on the programs' core.

    The one whose turn it is not stays up and has nothing to do.
    """

    def __init__(self, kafka: str, redis: str, prefix: str, cores: Cores, folder: Path) -> None:
        self.max_rate = 0.0
        self.load = OpenLoop(kafka, simulated_lines(folder))
        self._cores, self._folder = cores, folder
        self._running = contextlib.ExitStack()
        self._turns = 0
        self._config, self._config_path = _config(prefix, folder)
        self._settings = Settings(kafka=kafka, redis_url=SecretStr(redis))
        create_topics(self._config, self._settings, sources=True)
        topics = Topics(prefix, self._config.topics.partitions)
        self.ours = self._side(
            "ours",
            [self._config.source.topics[0], topics.user_events, topics.workspace_facts, topics.alerts],
            f"{{{prefix}}}:alerts",
        )
        relayed = [f"{prefix}-relay-{name}" for name in ("product", "user-events", "workspace-facts", "alerts")]
        _create(kafka, relayed, topics.partitions)
        self.relay = self._side("relay", relayed, f"{prefix}-relay")
        self._job = RelayJob(kafka, relayed, redis)
        self._stream = f"{prefix}-relay"

    @property
    def sides(self) -> tuple[Side, Side]:
        """In the order of their turns."""
        return self.ours, self.relay

    def start_ours(self) -> None:
        """Start a worker and the sink, once the broker knows all topics that were made a moment ago."""
        for _ in naps(_TIMEOUT_S):
            with contextlib.suppress(TopicsMissing):
                require_topics(self._config, self._settings)
                break
        self._start(self.ours, "plg worker", ["-m", "streams.cli", "worker"])
        self._start(self.ours, "plg sinks redis", ["-m", "streams.cli", "sinks", "redis"])

    def start_relay(self) -> None:
        """Start the program of the first three hops and that of the last."""
        ends = msgspec.structs.replace(self._job, topics=self._job.topics[-1:], stream=self._stream)
        for name, job in (("relay", self._job), ("relay to redis", ends)):
            self._start(self.relay, name, ["-m", "benchmarks.relay", msgspec.json.encode(job).decode()])

    def catch_up(self, events: int) -> float:
        """
        Wait until a worker just started has worked off a backlog.

        Returns:
            Events a second, from the first one passed on until nothing is left on any input log.
        """
        logs, reader, begun = self.ours.logs, LagReader(self._config, self._settings), None
        for _ in naps(_LIMIT_S):
            self.ours.require_alive()
            if begun is None and any(logs.ends().values()):
                begun = time.monotonic()
            if begun is not None and not any(reader.lag().values()):
                return events / (time.monotonic() - begun)
        raise ProgramFailed(f"plg worker: {events:,} events were too many for {_LIMIT_S:g} s")

    def turn(self, side: Side, schedule: Schedule) -> Passage:
        """
        Send on a schedule and see every measured event arrive.

        Raises:
            ProgramFailed: A program ended, or an event never came.
        """
        self._turns += 1
        side.require_alive()
        begin, cpu_s, begun = side.logs.ends(), side.cpu_s(), time.monotonic()
        sending = self.load.send(side.source, schedule, self._turns)
        cpu = (side.cpu_s() - cpu_s) / (time.monotonic() - begun)
        try:
            written = side.stream.written_ms(sending.due_ms, _LIMIT_S)
        except ProgramFailed:
            side.require_alive()
            raise
        passage = _passage(sending, written, side.logs.sent_ms(begin, sending.due_ms))
        passage.rate, passage.cpu = sending.events / schedule.length_s, cpu
        time.sleep(_REST_S)
        return passage

    def close(self) -> None:
        """End everything that was started."""
        self._running.close()

    def _side(self, name: str, topics: list[str], stream: str) -> Side:
        logs = Logs(self._settings.kafka, topics[1:], self._config.topics.partitions)
        end = Stream(self._settings.redis_url.get_secret_value(), stream)
        self._running.callback(logs.close)
        self._running.callback(end.close)
        return Side(name, topics[0], logs, end)

    def _start(self, side: Side, name: str, arguments: list[str]) -> None:
        log = self._folder / f"{name.replace(' ', '-')}.log"
        environment = {
            "PLG_KAFKA": self._settings.kafka,
            "PLG_REDIS_URL": self._settings.redis_url.get_secret_value(),
            "PLG_CONFIG": str(self._config_path),
            "PLG_HEALTH": "off",
        }
        side.programs[name] = (self._running.enter_context(running(arguments, self._cores, log, environment)), log)


def _passage(sending: Sending, written: dict[str, float], sent: list[dict[str, float]]) -> Passage:
    """What is known of a turn's measured events, taken apart into hops."""
    hops: dict[str, list[float]] = {hop: [] for hop in Passage.HOPS}
    hops["sent"] = sending.behind_ms
    times = [*sent, written]
    for (mark, due), behind in zip(sending.due_ms.items(), sending.behind_ms, strict=True):
        before = due + behind
        for hop, passed in zip(Passage.HOPS[1:], times, strict=True):
            if mark not in passed:
                raise ProgramFailed(f"{mark} is in Redis and nowhere on {hop}")
            hops[hop].append(passed[mark] - before)
            before = passed[mark]
    return Passage(0.0, [written[mark] - due for mark, due in sending.due_ms.items()], hops, 0.0)


def _config(prefix: str, folder: Path) -> tuple[Config, Path]:
    """The demo's config under another prefix, on the clock of the wall."""
    yaml = YAML()
    content = yaml.load(_DEMO_CONFIG.read_text(encoding="utf-8"))
    content["prefix"], content["clock"] = prefix, "wall"
    content["source"] = {"topics": [f"{prefix}-product"], "start": "earliest"}
    path = folder / "plg.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
    return load_config(path), path


def _create(kafka: str, topics: list[str], partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    try:
        for answer in admin.create_topics([NewTopic(name, partitions, 1) for name in topics]).values():
            answer.result(_TIMEOUT_S)
    except KafkaException as error:
        raise ProgramFailed(f"the relay's topics: {error}") from error
