"""
What the river costs: CPU, bytes on the broker, memory, recovery, start. `python -m benchmarks.cost`.

Rates depend on what else the machine does; CPU seconds and bytes hardly do, so they are what is printed first.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.cost_report import Found, as_json, tables
from benchmarks.machine import Cores, ProgramFailed, busy, claim_cores, versions
from benchmarks.population import simulated_population
from benchmarks.recovery import Recovery, help_s, start
from benchmarks.river import EVENTS, simulated_events
from benchmarks.sharing import Sharing
from benchmarks.stage import Stage
from signals.errors import PlgError
from simulator.scenario import Scenario
from tests.docker_engine import ServerMissingError
from tests.servers import KafkaServer, find_kafka

PARTS = {
    "workers": "CPU seconds per million events with 1, 2 and 4 workers, and bytes per event by topic",
    "start": "from the start of a process to the first event passed on",
    "memory": "bytes per user of 100,000, after a recovery and after an event of each",
    "recovery": "100,000 and 1,000,000 users with 60 simulated days behind them",
}
_WORKERS = (1, 2, 4)
_TOUCHED_PEOPLE = 100_000
_HELP_RUNS = 5
_INTERRUPTED = 130
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
console = Console(highlight=False, markup=False)


@dataclass
class Run:
    """Makes a stage for each measurement, on one broker."""

    kafka: KafkaServer
    cores: Cores
    folder: Path
    scenario: Scenario = field(default_factory=Scenario)

    def stage(self) -> Stage:
        """A river of its own."""
        return Stage(self.kafka.address, f"bench-{uuid.uuid4().hex[:8]}", self.cores, self.folder)


@app.command()
def cost(
    events: Annotated[int, typer.Option(min=1, help="Events of the backlog that workers share.")] = EVENTS,
    rounds: Annotated[int, typer.Option(min=1, help="How often each number of workers runs; the median counts.")] = 3,
    users: Annotated[
        list[int] | None, typer.Option(min=1, help="So many users recover, may be repeated: 100,000 and 1,000,000.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Only this, may be repeated: {', '.join(PARTS)}.")] = None,
    json: Annotated[Path | None, typer.Option(help="Also write all numbers to this file.")] = None,
) -> None:
    """
    What the river costs: CPU seconds, bytes on the broker, memory per user, recovery, start.

    workers: the same backlog with 1, 2 and 4 workers that have joined already, and what it leaves in each topic.
    start: one worker on empty topics. memory: what a user takes up. recovery: the states of so many users, written to
    the changelogs directly; a million take some minutes and 3 GB of memory. How to read it: benchmarks/README.md.

    Example: python -m benchmarks.cost --only recovery --users 100000
    """
    chosen = only or list(PARTS)
    unknown = sorted(set(chosen) - PARTS.keys())
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; known are {', '.join(PARTS)}", param_hint="--only")
    # Being asked to end is like Ctrl-C: everything that was started is ended first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found = _measure(chosen, events, rounds, users or [100_000, 1_000_000])
    except KeyboardInterrupt:
        console.print("stopped; what was started is gone")
        raise typer.Exit(_INTERRUPTED) from None
    except (ProgramFailed, ServerMissingError, PlgError) as failed:
        console.print(f"failed: {failed}", soft_wrap=True)
        raise typer.Exit(1) from None
    for table in tables(found):
        console.print(table)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(found))))


def _measure(chosen: list[str], events: int, rounds: int, users: list[int]) -> Found:
    load = busy()
    cores = claim_cores()
    with contextlib.ExitStack() as running:
        kafka = find_kafka()
        running.callback(kafka.stop)
        found = Found(versions(kafka.description) | {"cores": cores.text})
        for name, fact in found.facts.items():
            console.print(f"{name}: {fact}", soft_wrap=True)
        run = Run(kafka, cores, Path(running.enter_context(tempfile.TemporaryDirectory(prefix="plg-cost-"))))
        steps = list(_steps(run, found, chosen, events, rounds, users))
        with _shown(len(steps)) as show:
            for description, step in steps:
                show(description)
                step()
    if load is not None:
        console.print(f"the machine was busy when this began ({load}): trust CPU seconds and bytes, not seconds")
    return found


def _steps(
    run: Run, found: Found, chosen: list[str], events: int, rounds: int, users: list[int]
) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is to be done, each with what it is called while it runs."""
    if "workers" in chosen:
        for round_ in range(1, rounds + 1):
            for count in _WORKERS:
                name = f"round {round_} of {rounds}: {count} workers"
                yield name, lambda count=count: _share(run, found, events, count)  # type: ignore[misc]  # a default binds the loop's value
    if "start" in chosen:
        yield "start", lambda: _start(run, found)
    if "memory" in chosen and "recovery" not in chosen:
        yield "memory", lambda: _recover(run, found, _TOUCHED_PEOPLE, touch=True)
    if "recovery" in chosen:
        for people in users:
            touch = "memory" in chosen and people <= _TOUCHED_PEOPLE
            yield (
                f"recovery of {people:,} users",
                lambda people=people, touch=touch: _recover(  # type: ignore[misc]
                    run, found, people, touch=touch
                ),
            )


def _share(run: Run, found: Found, events: int, workers: int) -> None:
    with run.stage() as stage:
        sharing = Sharing(stage, simulated_events(events, run.folder))
        shared = sharing.run(workers)
        found.workers.setdefault(workers, []).append(shared)
        if workers == 1:
            found.bytes_by_topic = {name: size / shared.events for name, size in sharing.bytes_by_topic().items()}


def _start(run: Run, found: Found) -> None:
    with run.stage() as stage:
        found.started = start(stage)
    found.help_s = median(help_s() for _ in range(_HELP_RUNS))


def _recover(run: Run, found: Found, people: int, *, touch: bool) -> None:
    if found.started is None or (touch and found.started.worked is None):
        # What a worker holds before it holds anybody.
        with run.stage() as stage:
            found.started = start(stage, work=touch)
    with run.stage() as stage:
        population = simulated_population(run.scenario, stage.config)
        found.recovered.append(Recovery(stage, population, people).run(touch=touch))


@contextlib.contextmanager
def _shown(steps: int) -> Iterator[Callable[[str], None]]:
    """What is under way: a bar in a terminal, a line each elsewhere."""
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=steps)
        begun = -1

        def show(description: str) -> None:
            nonlocal begun
            begun += 1
            progress.update(task, description=description, completed=begun)
            if not console.is_terminal:
                console.print(description)

        yield show


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.cost")
