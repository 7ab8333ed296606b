"""
The crash explorer: ends the worker at every durable operation, in every way, and holds what is left against the oracle.

`make explore` runs all of it, pairs of crashes included; the suite runs all single points and 200 pairs. A run is named
by what happened and its seed, and comes out the same every time: `--run "frozen 41 0"` repeats one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Self

import msgspec
import redis
import structlog
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sinks.base import Delivery
from sinks.redis import RedisSink
from streams import packing
from tests.oracle import alert_state
from tests.servers import find_redis
from tests.streams import stock_idiom
from tests.streams.crashes import broker_with, crash, history
from tests.streams.crashes import operations as counting_operations
from tests.streams.real_lives import Outcome, dies_after, dies_again, is_frozen_after, is_taken_over_after, operations

Run = tuple[str, int, int, int]
# Of the small river, to stand beside what stock Faust makes of it.
COUNTED = history(24)
# A run that is many: the second crash at every operation after the first.
_EVERY_SECOND = "dies twice, each"
# What a run without an outcome reports.
_BROKE = "the run itself failed: "


@dataclass
class Tally:
    """What the runs of one kind came to."""

    kind: str
    points: set[tuple[int, int]] = field(default_factory=set)
    runs: int = 0
    wrong: list[str] = field(default_factory=list)
    repeated: int = 0
    doubled: int = 0
    missing: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, wrong or doubled."""
        return not (self.wrong or self.doubled or self.missing)

    def __str__(self) -> str:
        return (
            f"{self.kind}: {len(self.points)} points, {self.runs} runs, {len(self.wrong)} disagreements, "
            f"{self.repeated} records repeated on topics, {self.doubled} doubled and {self.missing} missing in Redis"
        )


def single_runs(seed: int) -> dict[str, list[Run]]:
    """Every way to be disturbed once, at every durable operation of an undisturbed life."""
    points = range(1, operations(seed) + 1)
    return {kind: [(kind, point, 0, seed) for point in points] for kind in ("dies", "taken over", "frozen")}


def pair_runs(seed: int, count: int | None) -> list[Run]:
    """Two crashes in a row: `count` pairs drawn by the seed, or all of them."""
    last = operations(seed)
    if count is None:
        return [(_EVERY_SECOND, first, 0, seed) for first in range(1, last + 1)]
    chance = random.Random(seed)
    return [("dies twice", chance.randint(1, last), chance.randint(1, last), seed + n) for n in range(count)]


def carry_out(run: Run) -> list[tuple[Run, Outcome]]:
    """Carry a run out; one that stands for every second crash after a first one is many."""
    # What a worker says when it ends itself is part of the outcome.
    structlog.configure(processors=[_silent])
    kind, first, second, seed = run
    try:
        if kind == _EVERY_SECOND:
            return [(("dies twice", first, again, seed), outcome) for again, outcome in dies_again(first, seed)]
        if kind == "taken over":
            return [(run, is_taken_over_after(first, seed))]
        if kind == "frozen":
            return [(run, is_frozen_after(first, seed))]
        return [(run, dies_after((first,) if kind == "dies" else (first, second), seed))]
    except Exception as error:  # noqa: BLE001  # one run that hangs or breaks is a finding, not the end
        return [(run, Outcome(" ".join(map(str, run)), f"{_BROKE}{error!r}", (), 0))]


def _silent(_logger: object, _method: str, _event: dict[str, object]) -> dict[str, object]:
    raise structlog.DropEvent


def explore(kind: str, runs: Sequence[Run], redis_url: str, on_run: Callable[[], object] = lambda: None) -> Tally:
    """Carry runs out on all cores, deliver the alerts of each to a real Redis, and count."""
    tally = Tally(kind)
    context = get_context("spawn")
    with ProcessPoolExecutor(_processes(), context, _pack_at_once) as pool, _Redis(redis_url) as sink:
        for outcomes in pool.map(carry_out, runs):
            for run, outcome in outcomes:
                tally.points.add(run[1:3])
                tally.runs += 1
                tally.repeated += outcome.repeated
                if outcome.wrong is not None:
                    tally.wrong.append(f"{' '.join(map(str, run))}: {outcome.wrong}")
                doubled, missing = sink.deliver(outcome.alerts, random.Random(repr(run)))
                tally.doubled += doubled
                tally.missing += missing
            on_run()
    return tally


def _pack_at_once() -> None:
    # As in conftest.py, which another process does not know.
    packing.SAMPLES = 4


def _processes() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Redis:
    """Delivers the alerts of a run as a sink does that dies between a delivery and its commit."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = redis.Redis.from_url(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def deliver(self, alerts: Sequence[tuple[int, int, bytes]], chance: random.Random) -> tuple[int, int]:
        """Deliver; returns how many states of alerts are in the stream too often, and how many are not in it."""
        prefix = f"explore-{uuid.uuid4().hex}"
        sink = RedisSink(self._url, prefix)
        records = [Delivery(f"{prefix}.alerts", partition, offset, b"", value) for partition, offset, value in alerts]
        died = chance.randint(0, len(records))
        committed = chance.randint(0, died)
        try:
            sink.deliver_batch(records[:died])
            sink.deliver_batch(records[committed:])
        finally:
            sink.close()
        wanted = {alert_state(msgspec.json.decode(value)) for _, _, value in alerts}
        entries: list[tuple[bytes, dict[bytes, bytes]]] = self._client.xrange(f"{{{prefix}}}:alerts")  # type: ignore[assignment]  # redis-py's union with its asynchronous client
        seen = [alert_state(msgspec.json.decode(fields[b"data"])) for _, fields in entries]
        keys = list(self._client.scan_iter(f"{{{prefix}}}:*", count=1_000))
        self._client.delete(*keys)
        return len(seen) - len(set(seen)), len(wanted - set(seen))


def side_by_side() -> Iterator[str]:
    """The small river at all single points: as stock Faust's users write it, and over our runtime."""
    broker = broker_with(COUNTED)
    stock_idiom.live(broker, 0)
    lives = [
        stock_idiom.live(stock_idiom.live(broker_with(COUNTED), 0, dies_after=point), 1)
        for point in range(1, broker.operations + 1)
    ]
    found = [stock_idiom.losses(life, COUNTED) for life in lives]
    yield (
        f"stock Faust idiom: {len(found)} points, {sum(map(any, found))} disagreements "
        f"(signals lost or made up in {sum(signals for signals, _ in found)}, wrong states in "
        f"{sum(states for _, states in found)})"
    )
    points = range(1, counting_operations(COUNTED) + 1)
    ours = [crash(COUNTED, [point]) for point in points]
    yield f"the same river over our runtime: {len(ours)} points, {sum(map(bool, ours))} disagreements"


def main(arguments: Sequence[str] | None = None) -> int:
    """Explore as asked for, and say what was found."""
    options = _parser().parse_args(arguments)
    if options.run:
        *kind, first, second, seed = options.run.rsplit(" ", 3)
        [(_, outcome)] = carry_out((" ".join(kind), int(first), int(second), int(seed)))
        print(f"{outcome.run}: {outcome.wrong or 'agrees with the oracle'}")
        return outcome.wrong is not None
    server = find_redis()
    print(f"seed {options.seed}; {server.description}; {_processes()} processes", flush=True)
    try:
        tallies = _explore_all(options.seed, None if options.pairs == "all" else int(options.pairs), server.url)
    finally:
        server.stop()
    for line in side_by_side():
        print(line)
    for tally in tallies:
        print(tally)
        for wrong in tally.wrong[:5]:
            print(f"    {wrong}")
    return not all(tally.is_clean for tally in tallies)


def _explore_all(seed: int, pairs: int | None, redis_url: str) -> list[Tally]:
    kinds = {**single_runs(seed), "dies twice": pair_runs(seed, pairs)}
    columns: Iterable[object] = (
        TextColumn("{task.description:>11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    tallies = []
    with Progress(*columns) as progress:  # type: ignore[arg-type]
        for kind, runs in kinds.items():
            task = progress.add_task(kind, total=len(runs))
            tallies.append(explore(kind, runs, redis_url, lambda task=task: progress.advance(task)))  # type: ignore[misc]
    return tallies


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.streams.explore", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="which latencies, batches and pairs (default 0)")
    parser.add_argument("--pairs", default="all", help="how many pairs of crashes, or `all` (the default)")
    parser.add_argument("--run", help='repeat one run, as a disagreement names it: "<kind> <first> <second> <seed>"')
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
