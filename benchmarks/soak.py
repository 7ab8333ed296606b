"""
The soak: a fixed population works for minutes after every ring is full; memory and open files must stay flat.

`make soak FOR=10m`. Simulated days pass at full speed: first as many as the longest ring remembers, which are not
measured, then further ones while the worker and the Redis sink are sampled.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.machine import versions
from signals.moments import iso
from signals.units import DAY_MS, parse_duration
from signals.window import KEPT_DAYS
from streams.replaying import Replay
from tests.river.harness import River, river
from tests.river.process import Process
from tests.servers import find_kafka, find_redis

# A Monday: 2024-01-01T00:00:00Z.
_START = 1_704_067_200_000
# Active days are remembered for 120 days, the longest of all that is remembered by day.
_WARM_DAYS = max(KEPT_DAYS, 120) + 30
_SAMPLE_S = 2.0
_SAY_EVERY_S = 30.0
# What the last quarter may stand above the first one: the noise of an allocator, not a leak.
_FLAT = 1.02
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
console = Console(highlight=False, markup=False)


@dataclass
class Population:
    """People who come to work every day, in teams of ten; `days` is how many have passed."""

    users: int
    days: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def lines(self) -> Iterator[bytes]:
        """Their events, day after day, until stopped."""
        while not self.stop.is_set():
            for user in range(self.users):
                yield self._event(user, user, "Dashboard Viewed")
                if user % 20 == self.days % 20:
                    yield self._event(user, self.users + user, "Report Shared")
                if user % 10 == self.days % 10:
                    yield self._event(user, 2 * self.users + user, *self._occasion(user))
            self.days += 1

    def _occasion(self, user: int) -> tuple[str, dict[str, object]]:
        """What happens to somebody every ten days, in few words: all that is remembered by name is known soon."""
        word = self.days % 3
        usage = {"metric": f"metric {word}", "used": 10 + word, "limit": 100, "period": f"period {word}"}
        return (
            ("MSA Requested", {}),
            ("Feature Gated", {"feature": f"feature {word}"}),
            ("Usage Reported", usage),
            ("Account Removed User", {}),
            ("Subscription Updated", {"plan": f"plan {word}", "seats": 5 + word}),
        )[user % 5]

    @property
    def _day(self) -> int:
        return _START + self.days * DAY_MS

    def _event(self, user: int, second: int, name: str, properties: dict[str, object] | None = None) -> bytes:
        # The seconds of a working day, so that times within one rise.
        at = self._day + 8 * 3_600_000 + second * 5_000 % (10 * 3_600_000)
        return json.dumps(
            {
                "messageId": f"{self.days}-{user}-{name}",
                "type": "track",
                "event": name,
                "userId": f"u{user}",
                "context": {"groupId": f"w{user // 10}", "traits": {"email": f"u{user}@team{user // 10}.example"}},
                "properties": properties or {},
                "timestamp": iso(at),
            }
        ).encode()


@dataclass
class Samples:
    """Resident memory in MB, open files and threads of one process, in the order taken."""

    name: str
    memory_mb: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def take(self, process: Process) -> None:
        """Look at the process once."""
        pid = process.popen.pid
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        )
        self.memory_mb.append(int(status["VmRSS"].split()[0]) / 1_024)
        self.threads.append(int(status["Threads"]))
        self.files.append(len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208  # names only, and many

    @property
    def is_flat(self) -> bool:
        """Whether the last quarter needs no more than the first one, but for noise."""
        before, after = _quarters(self.memory_mb)
        files_before, files_after = _quarters(self.files)
        return after <= before * _FLAT and files_after <= files_before

    def __str__(self) -> str:
        parts = [
            f"{what} {before:,.1f} -> {after:,.1f} (max {max(values):,.1f})"
            for what, values in (("MB", self.memory_mb), ("open files", self.files), ("threads", self.threads))
            for before, after in [_quarters(values)]
        ]
        return f"{self.name}: medians of the first and last quarter: {', '.join(parts)}"


def _quarters(values: list[float] | list[int]) -> tuple[float, float]:
    size = max(1, len(values) // 4)
    return statistics.median(values[:size]), statistics.median(values[-size:])


@app.command()
def soak(
    for_: Annotated[str, typer.Option("--for", help="How long to measure: 10m, 90s.")] = "10m",
    users: Annotated[int, typer.Option(min=10, help="How many people there are, in teams of ten.")] = 2_000,
    rate: Annotated[int, typer.Option(min=1, help="Events a second.")] = 3_000,
) -> None:
    """Let a fixed population work, and see that memory and open files stay flat."""
    duration_s = parse_duration(for_).total_seconds()
    with contextlib.ExitStack() as running:
        kafka, redis = find_kafka(), find_redis()
        running.callback(kafka.stop)
        running.callback(redis.stop)
        for name, fact in versions(kafka.description).items():
            console.print(f"{name}: {fact}", soft_wrap=True)
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="plg-soak-")))
        made = running.enter_context(river(folder, kafka.address, f"soak-{uuid.uuid4().hex[:8]}", redis_url=redis.url))
        samples = _soak(made, Population(users), rate, duration_s)
    for one in samples:
        console.print(str(one), soft_wrap=True)
    if not all(one.is_flat for one in samples):
        console.print("not flat")
        raise typer.Exit(1)
    console.print("flat")


def _soak(made: River, population: Population, rate: int, duration_s: float) -> list[Samples]:
    watched = [(Samples("worker"), made.worker()), (Samples("redis sink"), made.redis_sink())]
    replay = Replay(made.config, made.settings, rate=rate)
    player = threading.Thread(target=replay.play, args=(population.lines(),), daemon=True)
    player.start()
    try:
        _wait_until_warm(made, population, player)
        started, events, days, said = time.monotonic(), replay.report.events, population.days, 0.0
        while (passed := time.monotonic() - started) < duration_s:
            time.sleep(_SAMPLE_S)
            for samples, process in watched:
                samples.take(process)
            if passed - said >= _SAY_EVERY_S:
                said = passed
                now = ", ".join(f"{samples.name} {samples.memory_mb[-1]:,.1f} MB" for samples, _ in watched)
                console.print(f"{passed:,.0f} s: day {population.days}, {now}", soft_wrap=True)
        console.print(
            f"{len(watched[0][0].files)} samples over {passed:,.0f} s: {replay.report.events - events:,} events of "
            f"{population.users:,} users on {population.days - days} further days; "
            f"lag at the end {sum(made.lag().values()):,}",
            soft_wrap=True,
        )
    finally:
        population.stop.set()
        player.join(60)
    return [samples for samples, _ in watched]


def _wait_until_warm(made: River, population: Population, player: threading.Thread) -> None:
    said = -30
    while population.days < _WARM_DAYS or sum(made.lag().values()) > 50_000:  # noqa: PLR2004  # it keeps up
        time.sleep(_SAMPLE_S)
        if not player.is_alive():
            raise SystemExit("the events ended by themselves")
        if population.days - said >= 30:  # noqa: PLR2004  # a line a month
            said = population.days
            console.print(f"warming up: day {said} of {_WARM_DAYS}")


if __name__ == "__main__":
    try:
        app(prog_name="python -m benchmarks.soak")
    except KeyboardInterrupt:
        console.print("stopped; what was started is gone")
        sys.exit(130)
