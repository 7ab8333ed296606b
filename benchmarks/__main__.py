"""The command: `python -m benchmarks` runs every program in turn, round after round, and prints what came of it."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.comparison import PROGRAMS, Comparison, Program
from benchmarks.environments import PEERS, PeerMissing
from benchmarks.job import Result
from benchmarks.machine import Cores, ProgramFailed, busy, claim_cores, versions
from benchmarks.report import RIVER, Report, Series
from benchmarks.river import BACKLOG, RiverBench, simulated_events
from signals.errors import PlgError
from tests.docker_engine import ServerMissingError
from tests.servers import KafkaServer, find_kafka

_NAMES = [program.name for program in PROGRAMS] + list(RIVER)
_INTERRUPTED = 130
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
# Without markup: what programs say is to be seen as it is.
console = Console(highlight=False, markup=False)


@dataclass(frozen=True)
class _Step:
    """One run of one program; `take` gets the number of the round."""

    series: Series
    take: Callable[[int], Result]


@app.command()
def bench(
    events: Annotated[int, typer.Option(min=1, help="Events of the reference job; the slowest get fewer.")] = 400_000,
    river_events: Annotated[
        int, typer.Option(min=1, help="Simulated events of 60 days for the river and the backtest.")
    ] = BACKLOG,
    rounds: Annotated[int, typer.Option(min=1, help="How often each program runs; the median counts.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only this one, may be repeated: {', '.join(_NAMES)}.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write all numbers to this file.")] = None,
) -> None:
    """
    Events per second of this pipeline and of what others would use instead: one broker, one run, turn by turn.

    PLG_TEST_KAFKA names a broker; without it one is started. How to read the numbers: benchmarks/README.md.
    """
    chosen = only or _NAMES
    unknown = sorted(set(chosen) - set(_NAMES))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; known are {', '.join(_NAMES)}", param_hint="--only")
    # Being asked to end is like Ctrl-C: everything that was started is ended first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = _measure(chosen, events, river_events, rounds)
    except KeyboardInterrupt:
        console.print("stopped; what was started is gone")
        raise typer.Exit(_INTERRUPTED) from None
    except (ProgramFailed, ServerMissingError, PlgError) as failed:
        console.print(f"failed: {failed}", soft_wrap=True)
        raise typer.Exit(1) from None
    for table in (report.compared(), report.river()):
        if table.row_count:
            console.print(table)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report.as_json())))


def _measure(chosen: list[str], events: int, river_events: int, rounds: int) -> Report:
    load = busy()
    cores = claim_cores()
    with contextlib.ExitStack() as running:
        kafka = find_kafka()
        running.callback(kafka.stop)
        peers = {peer.package: peer.version for peer in PEERS if peer.name in chosen}
        report = Report(versions(kafka.description) | peers | {"cores": cores.text}, [])
        for name, fact in report.facts.items():
            console.print(f"{name}: {fact}", soft_wrap=True)
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="plg-bench-")))
        with _shown(rounds) as show:
            steps = _prepare(chosen, events, river_events, kafka, cores, folder, show)
            report.series = [step.series for step in steps]
            for round_ in range(1, rounds + 1):
                # A B A B: what disturbs the machine for a while disturbs each of them.
                for step in steps:
                    show(f"round {round_} of {rounds}: {step.series.name}, {step.series.what}", len(steps))
                    step.series.results.append(step.take(round_))
    if load is not None:
        console.print(f"the machine was busy when this began ({load}): trust the CPU seconds more than the rates")
    return report


def _prepare(
    chosen: list[str],
    events: int,
    river_events: int,
    kafka: KafkaServer,
    cores: Cores,
    folder: Path,
    show: Callable[[str, int], None],
) -> list[_Step]:
    """Fill the topics that the chosen ones read."""
    # Of this run alone: the broker may be somebody's who keeps what he has.
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    programs = _installed([program for program in PROGRAMS if program.name in chosen], show)
    steps = []
    if programs:
        show("events of the reference job, and the right answer", 0)
        comparison = Comparison(kafka.address, prefix, events, cores, folder)
        comparison.fill(programs)
        steps = [
            _Step(Series(program.name, program.what), lambda round_, program=program: comparison.run(program, round_))  # type: ignore[misc]  # a default binds the loop's value
            for program in programs
        ]
    if set(chosen) & RIVER.keys():
        show("events of 60 simulated days", 0)
        river = RiverBench(kafka.address, prefix, simulated_events(river_events, folder), cores, folder)
        if "river" in chosen:
            river.fill()
            steps.append(_Step(Series("river", RIVER["river"]), river.run))
        if "backtest" in chosen:
            steps.append(_Step(Series("backtest", RIVER["backtest"]), river.backtest))
    return steps


def _installed(programs: list[Program], show: Callable[[str, int], None]) -> tuple[Program, ...]:
    """Those that can run here; it is said which cannot."""
    found = []
    for program in programs:
        try:
            if program.peer is not None:
                program.peer.install(lambda text: show(text, 0))
        except PeerMissing as missing:
            console.print(f"without {program.name}: {missing}", soft_wrap=True)
        else:
            found.append(program)
    return tuple(found)


@contextlib.contextmanager
def _shown(rounds: int) -> Iterator[Callable[[str, int], None]]:
    """What is under way: a bar in a terminal, a line each elsewhere; told the number of steps in a round."""
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        begun = -1

        def show(description: str, steps: int) -> None:
            nonlocal begun
            if steps:
                begun += 1
            progress.update(task, description=description, total=steps * rounds or None, completed=max(begun, 0))
            if not console.is_terminal:
                console.print(description)

        yield show


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
