"""What bad records cost the good ones: latency with and without 5 % of them, and a flood (`make bench`)."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import typer
from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Cores, ProgramFailed, busy, claim_cores, running, tail, versions
from signals.moments import iso
from streams.admin import create_topics
from streams.config_source import load_config
from streams.settings import Settings
from streams.topics import Topics
from tests.servers import KafkaServer, find_kafka
from tests.streams.fuzzing import Mutant, mutants
from tests.streams.rulebook import Good, judge

# One bad record after so many good ones: 5 % of all.
_GOOD_TO_BAD = 19
_MAX_BYTES = 262_144
_SOURCE_BYTES = 1_000_000
_WAIT_S = 60.0
_START_S = 90.0
_PERCENT = 100
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, markup=False)


@dataclass
class _Round:
    """The milliseconds of each good event from produced to passed on, in a round."""

    has_bad: bool
    latencies_ms: list[float]

    def percentile(self, percent: int) -> float:
        return quantiles(self.latencies_ms, n=_PERCENT)[percent - 1]


@dataclass
class _Watch:
    """Reads a topic of the worker's from its end and notes when each record came."""

    kafka: str
    topic: str
    partitions: int
    key_of: Callable[[bytes], str]
    seen: dict[str, float] = field(default_factory=dict)
    count: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[_Watch]:
        consumer = Consumer(
            {"bootstrap.servers": self.kafka, "group.id": "bench-watch", "log_level": 0, "fetch.wait.max.ms": 5}
        )
        places = [TopicPartition(self.topic, number) for number in range(self.partitions)]
        for place in places:
            place.offset = consumer.get_watermark_offsets(place, timeout=_WAIT_S)[1]
        consumer.assign(places)
        thread = threading.Thread(target=self._read, args=(consumer,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()
            consumer.close()

    def _read(self, consumer: Consumer) -> None:
        while not self._stop.is_set():
            messages = consumer.consume(500, 0.02)
            now = time.monotonic()
            for message in messages:
                if message.error() is None:
                    self.count += 1
                    self.seen.setdefault(self.key_of(message.value() or b""), now)


@app.command()
def bench(
    rate: Annotated[int, typer.Option(min=10, help="Good events a second.")] = 60,
    seconds: Annotated[int, typer.Option(min=1, help="How long a round is.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds without and with bad records, by turns.")] = 16,
    flood: Annotated[int, typer.Option(min=100, help="Records of the flood.")] = 10_000,
) -> None:
    """
    How much later good events are passed on when 5 % of all records are bad, through one worker on a real Kafka.

    PLG_TEST_KAFKA names a broker; without it one is started. How to read the numbers: benchmarks/README.md.
    """
    # Being asked to end is like Ctrl-C: everything that was started is ended first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    load, cores = busy(), claim_cores()
    with contextlib.ExitStack() as running_things:
        kafka = find_kafka()
        running_things.callback(kafka.stop)
        for name, fact in (versions(kafka.description) | {"cores": cores.text}).items():
            console.print(f"{name}: {fact}", soft_wrap=True)
        folder = Path(running_things.enter_context(tempfile.TemporaryDirectory(prefix="plg-bench-")))
        try:
            with _worker(kafka, cores, folder) as stage:
                console.print(_latencies(stage.rounds(rate, seconds, rounds)))
                console.print(
                    _floods({kind: stage.flood(flood, is_bad=kind == "bad") for kind in ("good", "bad")}, flood)
                )
        except ProgramFailed as failed:
            console.print(f"failed: {failed}", soft_wrap=True)
            raise typer.Exit(1) from None
    if load is not None:
        console.print(f"the machine was busy when this began ({load}): trust the ratios more than the times")


@dataclass
class _Stage:
    """A worker at work, and the producer of its topic."""

    kafka: str
    topics: Topics
    source: str
    log: Path
    is_alive: Callable[[], bool]
    _sent: int = 0

    def __post_init__(self) -> None:
        self._producer = Producer(
            {"bootstrap.servers": self.kafka, "log_level": 0, "linger.ms": 1, "message.max.bytes": 2 * _SOURCE_BYTES}
        )
        self._bad = _bad_values(random.Random(5).randrange(10**6))

    def rounds(self, rate: int, seconds: int, rounds: int) -> list[_Round]:
        """Rounds without and with bad records by turns, after one that lets the worker see every path."""
        self._wait(lambda: b"worker.started" in self.log.read_bytes(), _START_S)
        with self._watch(self.topics.user_events).running() as watch:
            self._round(watch, 100, 3, has_bad=True)
            # A B B A: what gets slower or faster all the while does so for both.
            turns = [(has_bad != bool(number % 2)) for number in range(rounds) for has_bad in (False, True)]
            return [self._round(watch, rate, seconds, has_bad=has_bad) for has_bad in turns]

    def _round(self, watch: _Watch, rate: int, seconds: int, *, has_bad: bool) -> _Round:
        """Produce good events evenly, with a bad record after each 19 of them or without, and see them passed on."""
        sent: dict[str, float] = {}
        begun = time.monotonic()
        for number in range(rate * seconds):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            event_id = self._produce_good()
            sent[event_id] = time.monotonic()
            if has_bad and number % _GOOD_TO_BAD == 0:
                self._producer.produce(self.source, next(self._bad))
            self._producer.poll(0)
        self._producer.flush(_WAIT_S)
        self._wait(lambda: sent.keys() <= watch.seen.keys(), _WAIT_S)
        return _Round(has_bad, [(watch.seen[one] - sent[one]) * 1e3 for one in sent])

    def flood(self, count: int, *, is_bad: bool) -> float:
        """Records a second of a backlog that is all good or all bad, from the first sent to the last that came out."""
        with self._watch(self.topics.dead_letters if is_bad else self.topics.user_events).running() as watch:
            begun = time.monotonic()
            for number in range(count):
                if is_bad:
                    self._producer.produce(self.source, next(self._bad))
                else:
                    self._produce_good()
                if number % 500 == 0:
                    self._producer.poll(0)
            self._producer.flush(_WAIT_S)
            self._wait(lambda: watch.count >= count, 2 * _WAIT_S)
            return count / (time.monotonic() - begun)

    def _produce_good(self) -> str:
        self._sent += 1
        event_id = f"e{self._sent}"
        record = {
            "type": "track",
            "event": "Project Created",
            "messageId": event_id,
            "userId": f"u{self._sent % 997}",
            "timestamp": iso(time.time_ns() // 1_000_000),
            "context": {"groupId": f"w{self._sent % 97}", "library": {"name": "analytics.js", "version": "2.11.1"}},
            "properties": {"name": "Quarterly plan", "template": "blank", "tags": ["a", "b"], "size": 12},
        }
        self._producer.produce(self.source, json.dumps(record).encode(), key=f"u{self._sent % 997}")
        return event_id

    def _watch(self, topic: str) -> _Watch:
        def key_of(value: bytes) -> str:
            return str(json.loads(value)["id"]) if topic == self.topics.user_events and b'"event"' in value[:20] else ""

        return _Watch(self.kafka, topic, self.topics.partitions, key_of)

    def _wait(self, is_there: Callable[[], bool], limit_s: float) -> None:
        give_up_at = time.monotonic() + limit_s
        while not is_there():
            if not self.is_alive() or time.monotonic() > give_up_at:
                raise ProgramFailed(f"not everything came out of the worker\n{tail(self.log)}")
            time.sleep(0.05)


@contextlib.contextmanager
def _worker(kafka: KafkaServer, cores: Cores, folder: Path) -> Iterator[_Stage]:
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    path = folder / "plg.yaml"
    path.write_text(
        f"prefix: {prefix}\nsource: {{topics: [{prefix}-events], start: earliest}}\n"
        f"events: {{activated: [Report Shared], core: [Project Created]}}\nlimits: {{max_event_bytes: {_MAX_BYTES}}}\n"
    )
    config, settings = load_config(path), Settings(kafka=kafka.address)
    create_topics(config, settings, sources=True)
    log = folder / "worker.log"
    environment = {"PLG_KAFKA": kafka.address, "PLG_CONFIG": str(path), "PLG_HEALTH": "off"}
    with running(["-m", "streams.cli", "worker"], cores, log, environment) as worker:
        topics = Topics(prefix, config.topics.partitions)
        yield _Stage(kafka.address, topics, config.source.topics[0], log, lambda: worker.poll() is None)


def _bad_values(seed: int) -> Iterator[bytes | None]:
    """Bad records of every kind, without those whose time is in the sending or the size of a topic's records."""
    pool = [
        mutant.value
        for mutant in mutants(seed, 3_000, undated=False)
        if _is_bad(mutant) and len(mutant.value or b"") < _SOURCE_BYTES
    ]
    while True:
        yield from pool


def _is_bad(mutant: Mutant) -> bool:
    return not isinstance(judge(mutant.value, mutant.time, _MAX_BYTES), Good)


def _latencies(measured: list[_Round]) -> Table:
    table = Table(title="good events, produced to passed on, ms: medians of the rounds", title_justify="left")
    for column in ("bad records", "p50", "p95", "p99", "p99, quietest and busiest half"):
        table.add_column(column, justify="right")
    by_kind = {}
    for has_bad in (False, True):
        mine = [one for one in measured if one.has_bad == has_bad]
        by_kind[has_bad] = medians = [median(one.percentile(percent) for one in mine) for percent in (50, 95, 99)]
        ordered = sorted(one.percentile(99) for one in mine)
        halves = (median(ordered[: len(ordered) // 2 + 1]), median(ordered[len(ordered) // 2 :]))
        table.add_row(
            "5 %" if has_bad else "none",
            *(f"{value:.1f}" for value in medians),
            ", ".join(f"{half:.1f}" for half in halves),
        )
    ratios = (with_bad / without for with_bad, without in zip(by_kind[True], by_kind[False], strict=True))
    table.add_row("ratio", *(f"{ratio:.2f} x" for ratio in ratios), "")
    return table


def _floods(rates: dict[str, float], count: int) -> Table:
    table = Table(title=f"a backlog of {count:,} records, sent and out again", title_justify="left")
    table.add_column("records")
    table.add_column("a second", justify="right")
    for kind, rate in rates.items():
        table.add_row(f"all {kind}", f"{rate:,.0f}")
    return table


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.bad_input")
