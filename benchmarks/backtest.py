"""
A backtest's speed beside the river's, and the memory of a sweep: `python -m benchmarks.backtest`.

River and backtest take turns (A B) over the same file with the same config: a worker and its broker with a core each,
and the backtest, which needs no broker, with both. `CPU us/event` is the work of all processes of the program; the
target is a backtest of at least 1.5 times the river's rate. The second table is of memory: all events, and a quarter of
them that has every subject, through one config and through eight. What two processes had at most is added up, though
they share what was there before the second one began, some 60 MB.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import Cores, ProgramFailed, busy, claim_cores, peak_bytes, tree_of
from benchmarks.river import RiverBench, demo_config, simulated_events
from streams.replaying import read_lines
from tests.servers import find_kafka

TARGET = 1.5
_SWEEP = ("--sweep", "signals.multi_user.active_users=4..11")
_EVERY = 5
_LOOK_S = 0.02
console = Console(highlight=False)
app = typer.Typer(add_completion=False)


class Ran(msgspec.Struct, frozen=True):
    """What one backtest took: `peak_mb` is the most memory that each of its processes had, added up."""

    records: int
    configs: int
    seconds: float
    cpu_s: float
    peak_mb: float


class _Said(msgspec.Struct):
    records: int
    configs: int
    seconds: float
    cpu_seconds: float


@app.command()
def main(
    events: Annotated[int, typer.Option(min=1_000, help="Simulated events of 60 days.")] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run, in turns.")] = 3,
    *,
    river: Annotated[bool, typer.Option(help="Run the river beside the backtest; it takes a Kafka.")] = True,
    memory: Annotated[bool, typer.Option(help="Measure the memory of sweeps, too.")] = True,
) -> None:
    """Hold the backtest against the river, and show that its memory goes by subjects."""
    load, cores = busy(), claim_cores()
    with tempfile.TemporaryDirectory(prefix="plg-bench-") as name:
        folder = Path(name)
        file = simulated_events(events, folder)
        if river:
            console.print(speed_table(file, rounds, cores, folder))
        if memory:
            console.print(memory_table(file, cores, folder))
    if load is not None:
        console.print(f"the machine was busy when this began ({load}): trust the CPU time more than the rates")


def speed_table(file: Path, rounds: int, cores: Cores, folder: Path) -> Table:
    """The river and the backtest in turns, by their medians."""
    rivers, backtests = [], []
    with contextlib.ExitStack() as stack:
        kafka = find_kafka()
        stack.callback(kafka.stop)
        bench = RiverBench(kafka.address, f"bench-{uuid.uuid4().hex[:8]}", file, cores, folder)
        bench.fill()
        for round_ in range(1, rounds + 1):
            console.print(f"round {round_} of {rounds}")
            rivers.append(bench.run(round_))
            _config, path = bench.config(f"backtest-{round_}")
            backtests.append(run_backtest(path, file, cores, folder))
    table = Table("run", "events/s", "CPU us/event", title="The same events with the same config")
    river_rate = statistics.median(one.events / one.seconds for one in rivers)
    own_rate = statistics.median(one.records / one.seconds for one in backtests)
    river_cpu = statistics.median((one.cpu_s or 0.0) / one.events for one in rivers)
    own_cpu = statistics.median(one.cpu_s / one.records for one in backtests)
    table.add_row("plg worker, backlog", f"{river_rate:,.0f}", f"{river_cpu * 1e6:.1f}")
    table.add_row("plg backtest, two processes", f"{own_rate:,.0f}", f"{own_cpu * 1e6:.1f}")
    table.add_row("the backtest's rate over the river's", f"{own_rate / river_rate:.2f} (target {TARGET})", "")
    return table


def memory_table(file: Path, cores: Cores, folder: Path) -> Table:
    """Peak memory by events and by configs."""
    _config, path = demo_config("bench", "bench-product", folder / "config-memory.yaml")
    part = thinned(file, folder / "part.jsonl")
    columns = "events", "configs", "processes", "events/s", "CPU us/event", "peak MB"
    table = Table(*columns, title="Memory goes by subjects, not by events")
    for events in (part, file):
        for options in ((), _SWEEP):
            for processes in ("1", "2"):
                ran = run_backtest(path, events, cores, folder, (*options, "--processes", processes))
                rate, work = f"{ran.records / ran.seconds:,.0f}", f"{ran.cpu_s / ran.records * 1e6:.1f}"
                table.add_row(f"{ran.records:,}", str(ran.configs), processes, rate, work, f"{ran.peak_mb:,.0f}")
    return table


def run_backtest(config: Path, events: Path, cores: Cores, folder: Path, options: Sequence[str] = ()) -> Ran:
    """
    Run `plg backtest` as a process of its own, with both cores.

    Its memory is looked at every so often, so what it takes for a moment may be missed.

    Raises:
        ProgramFailed: It ended with an error.
    """
    out, log = folder / "backtest.json", folder / "backtest.log"
    prefix = cores.both().prefix
    command = [*prefix, sys.executable, "-m", "streams.cli", "backtest", str(config), str(events), "--json"]
    # Of each process; what the kernel itself tells at its end begins with what this one has in hand.
    peaks: dict[int, int] = {}
    with out.open("wb") as said, log.open("wb") as errors:
        process = subprocess.Popen([*command, *options], stdout=said, stderr=errors)
        while process.poll() is None:
            for pid in tree_of(process.pid):
                with contextlib.suppress(ProgramFailed):
                    peaks[pid] = peak_bytes(pid)
            time.sleep(_LOOK_S)
    if process.returncode:
        raise ProgramFailed(f"plg backtest ended with {process.returncode}\n{log.read_text()[-500:]}")
    report = msgspec.json.decode(out.read_bytes(), type=_Said)
    return Ran(report.records, report.configs, report.seconds, report.cpu_seconds, sum(peaks.values()) / 2**20)


def thinned(events: Path, out: Path) -> Path:
    """About a quarter of the events, with all subjects: the first of each user in each workspace, and some others."""
    out.write_bytes(b"\n".join(_some(events)))
    return out


def _some(events: Path) -> Iterator[bytes]:
    seen: set[tuple[object, object]] = set()
    for number, line in enumerate(read_lines([events])):
        record = msgspec.json.decode(line)
        context = record.get("context") or {}
        subject = record.get("userId") or record.get("anonymousId"), context.get("groupId") or record.get("groupId")
        if subject not in seen or number % _EVERY == 0:
            seen.add(subject)
            yield line


if __name__ == "__main__":
    app()
