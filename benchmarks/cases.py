"""
The whole river in several cases, side by side in one run: `python -m benchmarks.cases`.

The backlog of the simulator, two that are as bad as a backlog can be, and the steady state at half the backlog's rate.
"""

from __future__ import annotations

import contextlib
import re
import signal
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.job import Result
from benchmarks.machine import Cores, ProgramFailed, busy, claim_cores, versions
from benchmarks.product import recorded
from benchmarks.report import Series
from benchmarks.river import EVENTS, RiverBench, delete_topics, simulated_events
from benchmarks.stage import Sent, Stage
from signals.errors import PlgError
from signals.moments import iso
from simulator.scenario import DEFAULT_END
from streams.replaying import read_lines
from tests.docker_engine import ServerMissingError
from tests.servers import find_kafka

BACKLOG, STEADY = "backlog", "steady"
CASES = {
    BACKLOG: "60 simulated days",
    "new-users": "every event is the first of its user",
    "one-workspace": "one workspace has 30 % of all events",
    STEADY: "half of the backlog's rate, as events come",
}
_SHARE = 30
_GROUP = re.compile(rb'"groupId":"[^"]*"')
_USER = re.compile(rb'"(?:userId|anonymousId)":"([^"]*)"')
_BIG = b'"groupId":"ws_large"'
_TEAM = 5
_INTERRUPTED = 130
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
console = Console(highlight=False, markup=False)


def new_users(count: int) -> Iterator[bytes]:
    """So many events, none of a user that was there before; five users make a team."""
    end = int(DEFAULT_END.timestamp() * 1_000)
    for number in range(count):
        at = iso(end - 100 * (count - number))
        yield msgspec.json.encode(
            {
                "type": "track",
                "messageId": f"new-{number:08d}",
                "event": "Dashboard Viewed",
                "userId": f"n_{number:08d}",
                "context": {"groupId": f"nw_{number // _TEAM:07d}", "library": {"name": "analytics.js"}},
                "properties": {"path": "/dashboard"},
                "timestamp": at,
                "receivedAt": at,
            }
        )


def one_workspace(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same events, but three in ten users, with all they do in any workspace, work in one and the same."""
    for line in lines:
        found = _USER.search(line)
        is_there = found is not None and zlib.crc32(found[1]) % 100 < _SHARE
        yield _GROUP.sub(_BIG, line) if is_there else line


@dataclass
class Cases:
    """
    Fills a topic for each case, and runs them.

    Args:
        kafka: Bootstrap servers.
        steady_s: How long events come in the steady state.
    """

    kafka: str
    cores: Cores
    folder: Path
    events: Path
    steady_s: float
    benches: dict[str, RiverBench] = field(default_factory=dict)

    def fill(self, case: str) -> None:
        """Put the events of a case into its topic."""
        if case == STEADY:
            return
        path = self.events
        if case != BACKLOG:
            path = self.folder / f"{case}.jsonl"
            lines = list(read_lines([self.events]))
            made = new_users(len(lines)) if case == "new-users" else one_workspace(lines)
            path.write_bytes(b"\n".join(made) + b"\n")
        self.benches[case] = RiverBench(self.kafka, _prefix(), path, self.cores, self.folder)
        self.benches[case].fill()

    def remove(self) -> None:
        """Let go of the topics that were filled."""
        for bench in self.benches.values():
            delete_topics(self.kafka, bench.prefix)

    def run(self, case: str, round_: int, backlog: float | None) -> Result:
        """
        Run a case once.

        Args:
            backlog: Events a second of the plain backlog in this run, for the steady state.
        """
        if case == STEADY:
            assert backlog is not None
            return self._steady(backlog / 2)
        return self.benches[case].run(round_)

    def _steady(self, rate: float) -> Result:
        with Stage(self.kafka, _prefix(), self.cores, self.folder) as stage, stage.workers(1) as made:
            records = recorded(stage, self.events)[: int(rate * self.steady_s)]
            stage.wait_until_shared(made)
            before, started = made[0].cpu_s, time.monotonic()
            count = stage.send(paced(records, rate))
            stage.wait_until_settled(made)
            return Result(count, time.monotonic() - started, made[0].cpu_s - before)


def paced(records: list[Sent], rate: float) -> Iterator[Sent]:
    """Hand out records as a clock asks for them, so many a second, however long the last one took."""
    started = time.monotonic()
    for number, record in enumerate(records):
        ahead = number / rate - (time.monotonic() - started)
        if ahead > 0.005:  # noqa: PLR2004  # shorter sleeps cost more than they pace
            time.sleep(ahead)
        yield record


@app.command()
def cases(
    events: Annotated[int, typer.Option(min=1, help="Events of each backlog.")] = EVENTS,
    rounds: Annotated[int, typer.Option(min=1, help="How often each case runs; the median counts.")] = 5,
    steady: Annotated[float, typer.Option(min=1, help="Seconds of the steady state.")] = 10.0,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this and the backlog it is held against, may be repeated: {', '.join(CASES)}."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write all numbers to this file.")] = None,
) -> None:
    """
    The whole river, one worker, 32 partitions: the backlog of the simulator, the worst cases, and the steady state.

    All of them round after round on one broker, so the ratios hold on a noisy machine. How to read it:
    benchmarks/README.md.
    """
    unknown = sorted(set(only or []) - CASES.keys())
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; known are {', '.join(CASES)}", param_hint="--only")
    chosen = [case for case in CASES if case == BACKLOG or only is None or case in only]
    # Being asked to end is like Ctrl-C: everything that was started is ended first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        series = _measure(chosen, events, rounds, steady)
    except KeyboardInterrupt:
        console.print("stopped; what was started is gone")
        raise typer.Exit(_INTERRUPTED) from None
    except (ProgramFailed, ServerMissingError, PlgError) as failed:
        console.print(f"failed: {failed}", soft_wrap=True)
        raise typer.Exit(1) from None
    for table in tables(series):
        console.print(table)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(series))))


def _measure(chosen: list[str], events: int, rounds: int, steady_s: float) -> dict[str, Series]:
    load = busy()
    cores = claim_cores()
    with contextlib.ExitStack() as running:
        kafka = find_kafka()
        running.callback(kafka.stop)
        for name, fact in (versions(kafka.description) | {"cores": cores.text}).items():
            console.print(f"{name}: {fact}", soft_wrap=True)
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="plg-cases-")))
        status = running.enter_context(console.status("simulating"))
        made = Cases(kafka.address, cores, folder, simulated_events(events, folder), steady_s)
        running.callback(made.remove)
        for case in chosen:
            status.update(f"events of {case}")
            made.fill(case)
        series = {case: Series(case, CASES[case]) for case in chosen}
        for round_ in range(1, rounds + 1):
            for case in chosen:
                status.update(f"round {round_} of {rounds}: {case}, {CASES[case]}")
                known = series[BACKLOG].rate if series[BACKLOG].results else None
                series[case].results.append(made.run(case, round_, known))
    if load is not None:
        console.print(f"the machine was busy when this began ({load}): trust CPU seconds and ratios, not rates")
    return series


def tables(series: dict[str, Series]) -> Iterator[Table]:
    """What was found, beside the plain backlog of the same run; two tables, so that 80 columns hold them."""
    # The rate of the steady state was set, not found.
    found = {name: one.rates for name, one in series.items() if name != STEADY}
    yield _table("events/s of the river on one core", "{:,.0f}", found)
    yield _table("CPU seconds per million events", "{:.1f}", {name: _costs(one) for name, one in series.items()})


def _table(title: str, form: str, found: dict[str, list[float]]) -> Table:
    shown = Table(title=title, title_justify="left")
    shown.add_column("case", no_wrap=True)
    for column in ("median", "min", "max", "to backlog"):
        shown.add_column(column, justify="right")
    for name, values in found.items():
        spread = (form.format(value) for value in (median(values), min(values), max(values)))
        shown.add_row(name, *spread, f"{median(values) / median(found[BACKLOG]):.2f} x")
    return shown


def as_json(series: dict[str, Series]) -> dict[str, Any]:
    """All numbers, for whoever compares two runs."""
    return {
        name: {"median_per_s": one.rate, "cpu_s_per_million": median(_costs(one)), "rounds": one.results}
        for name, one in series.items()
    }


def _costs(one: Series) -> list[float]:
    return [(result.cpu_s or 0.0) / result.events * 1e6 for result in one.results]


def _prefix() -> str:
    return f"bench-{uuid.uuid4().hex[:8]}"


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.cases")
