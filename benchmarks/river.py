"""Measures the whole river, one worker over 60 simulated days of events, and the backtest over the same file."""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from ruamel.yaml import YAML

from benchmarks.job import Result
from benchmarks.machine import Cores, ProgramFailed, cpu_seconds, run_to_end, running, tail
from signals.config import Config
from streams.admin import create_topics
from streams.config_source import load_config
from streams.lag import LagReader
from streams.replaying import Replay, read_lines
from streams.settings import Settings
from streams.topics import Topics

# Enough to compare one load with another.
EVENTS = 200_000
# So many that what happens at both ends of a run (the first fetches, the last checkpoint: 1 to 1.5 s in all) is a small
# part of it: of 200,000 it is a sixth.
BACKLOG = 1_000_000
_ROOT = Path(__file__).resolve().parent.parent
_CACHE = _ROOT / ".cache" / "bench"
_DEMO_CONFIG = _ROOT / "config" / "demo.yaml"
_POLL_S = 0.1
_TIMEOUT_S = 10.0
_LIMIT_S = 240.0
_REPORTED = re.compile(r"([\d,]+) records in ([\d.]+) s")


class _Moment(NamedTuple):
    """A time on the clock of the wall, and on that of the worker's CPU."""

    at_s: float
    cpu_s: float | None


def simulated_events(count: int, folder: Path) -> Path:
    """About `count` events of 60 days; simulated once and kept until the simulator changes."""
    sources = sorted((_ROOT / "simulator").glob("*.py"))
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    path = _CACHE / f"60-days-{count}-{version}.jsonl"
    if not path.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        arguments = ["-m", "simulator", "--days", "60", "--events", str(count), "--out", str(path)]
        run_to_end(arguments, Cores(None, None), folder / "simulator.log", _LIMIT_S)
    return path


def demo_config(prefix: str, topic: str, path: Path) -> tuple[Config, Path]:
    """The demo's config under another prefix, reading another topic; written to `path` for the workers."""
    yaml = YAML()
    content = yaml.load(_DEMO_CONFIG.read_text(encoding="utf-8"))
    content["prefix"] = prefix
    content["source"]["topics"] = [topic]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
    return load_config(path), path


def delete_topics(kafka: str, prefix: str) -> None:
    """Let go of what begins with a prefix: a river has some 400 partitions, and a broker keeps files open for each."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    ours = [name for name in admin.list_topics(timeout=_TIMEOUT_S).topics if name.startswith(prefix)]
    for deleted in admin.delete_topics(ours).values() if ours else ():
        with contextlib.suppress(KafkaException, TimeoutError):
            deleted.result(_TIMEOUT_S)


@dataclass
class RiverBench:
    """
    The river's side of a run: the product's topic is filled once, each round has a prefix (so a group) of its own.

    Args:
        kafka: Bootstrap servers.
        prefix: What all its topics begin with.
        events: The simulated file.
        folder: For configs, results and logs.
    """

    kafka: str
    prefix: str
    events: Path
    cores: Cores
    folder: Path

    def __post_init__(self) -> None:
        self._admin = self._connected()
        self._count = 0

    def fill(self) -> None:
        """Play the file into the product's topic."""
        config, _path = self.config("source")
        settings = Settings(kafka=self.kafka)
        create_topics(config, settings, sources=True)
        self._wait_for_leaders(config.source.topics[0])
        replay = Replay(config, settings, ticks=False)
        replay.play(read_lines([self.events]))
        self._count = replay.report.events

    def run(self, round_: int) -> Result:
        """
        Let one worker catch up: from the first event that ingest passes on until nothing is left on any input log.

        What a start costs (imports, joining the group, reading changelogs) is not in it.

        Raises:
            ProgramFailed: The worker ended, or did not get there in time.
        """
        config, path = self.config(str(round_))
        settings = Settings(kafka=self.kafka)
        create_topics(config, settings)
        reader = LagReader(config, settings)
        log = self.folder / f"worker-{round_}.log"
        environment = {"PLG_KAFKA": self.kafka, "PLG_CONFIG": str(path)}
        with running(["-m", "streams.cli", "worker"], self.cores, log, environment) as worker:
            started = self._wait(worker, log, lambda: self._has_begun(config))
            ended = self._wait(worker, log, lambda: not any(reader.lag().values()))
        delete_topics(self.kafka, config.prefix)
        cpu_s = None if ended.cpu_s is None or started.cpu_s is None else ended.cpu_s - started.cpu_s
        return Result(self._count, ended.at_s - started.at_s, cpu_s)

    def backtest(self, round_: int) -> Result:
        """
        The same steps over the same file without a broker; the time is the one that `plg backtest` reports.

        It has both cores: those that a worker and its broker have.
        """
        _config, path = self.config(f"backtest-{round_}")
        out = self.folder / f"signals-{round_}.jsonl"
        arguments = ["-m", "streams.cli", "backtest", str(path), str(self.events), "--out", str(out)]
        said = run_to_end(arguments, self.cores.both(), self.folder / f"backtest-{round_}.log", _LIMIT_S)
        reported = _REPORTED.search(said)
        if reported is None:
            raise ProgramFailed(f"plg backtest reports no speed:\n{said[:500]}")
        return Result(int(reported[1].replace(",", "")), float(reported[2]))

    def config(self, name: str) -> tuple[Config, Path]:
        """The demo's config under another prefix, reading the topic of this run."""
        return demo_config(f"{self.prefix}-{name}", f"{self.prefix}-product", self.folder / f"config-{name}.yaml")

    def _wait_for_leaders(self, topic: str) -> None:
        """A moment passes until a new topic is known, and until each of its partitions has its leader."""
        give_up_at = time.monotonic() + _LIMIT_S
        while time.monotonic() < give_up_at:
            known = self._admin.list_topics(timeout=_TIMEOUT_S).topics.get(topic)
            if known is not None and known.partitions and all(each.leader >= 0 for each in known.partitions.values()):
                return
            time.sleep(_POLL_S)
        raise ProgramFailed(f"{topic}: no leaders after {_LIMIT_S:g} s")

    def _has_begun(self, config: Config) -> bool:
        """Whether ingest has passed on its first event; one cheap question, asked while the worker starts."""
        topics = Topics(config.prefix, config.topics.partitions)
        latest = {
            TopicPartition(topics.user_events, partition): OffsetSpec.latest() for partition in range(topics.partitions)
        }
        answers = self._admin.list_offsets(latest).values()
        try:
            return any(answer.result(_TIMEOUT_S).offset > 0 for answer in answers)
        except KafkaException:
            # A topic made a moment ago has no leader yet; this client may remember that for ever.
            self._admin = self._connected()
            return False

    def _connected(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})

    def _wait(self, worker: subprocess.Popen[bytes], log: Path, is_there: Callable[[], bool]) -> _Moment:
        give_up_at = time.monotonic() + _LIMIT_S
        while time.monotonic() < give_up_at:
            if worker.poll() is not None:
                raise ProgramFailed(f"plg worker ended with code {worker.returncode}\n{tail(log)}")
            if is_there():
                return _Moment(time.monotonic(), cpu_seconds(worker.pid))
            time.sleep(_POLL_S)
        raise ProgramFailed(f"plg worker: not there after {_LIMIT_S:g} s\n{tail(log)}")
