"""How long an event takes from the product to Redis, beside a bare relay: `python -m benchmarks.latency`."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.latency_report import LatencyReport, Turn
from benchmarks.latency_sides import Side, Stage
from benchmarks.machine import Cores, ProgramFailed, busy, claim_cores, versions
from benchmarks.open_loop import MEASURED_PER_S, Schedule
from signals.errors import PlgError
from tests.docker_engine import ServerMissingError
from tests.servers import find_kafka, find_redis

_SHARES = (0.1, 0.5, 0.9)
_INTERRUPTED = 130
# Events of the backlog by which the maximum is found; enough that its beginning and its end do not matter.
_BACKLOG = 100_000
_FIRST_S = 12.0
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
console = Console(highlight=False, markup=False)


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1, help="How often each load is measured; the medians count.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="How long a turn is measured, in seconds.")] = 8.0,
    warm_up: Annotated[float, typer.Option(min=0, help="How long each turn runs before that, in seconds.")] = 3.0,
    max_rate: Annotated[
        int | None, typer.Option(min=100, help="The maximum, events a second; measured with a backlog if not given.")
    ] = None,
    backlog: Annotated[int, typer.Option(min=1_000, help="Events of that backlog.")] = _BACKLOG,
    json: Annotated[Path | None, typer.Option(help="Also write all numbers to this file.")] = None,
) -> None:
    """
    Milliseconds from an event's due time until its alert is in Redis, at 10, 50 and 90 % of the maximum rate.

    One `plg worker` and one `plg sinks redis` on one core, by turns with a bare relay over as many topics into the same
    Redis. Events are sent on a fixed schedule and each one's time counts from when it was due, so that nobody is spared
    the wait behind a slow one. At the end it says how long each hop took. About 8 minutes.

    PLG_TEST_KAFKA and PLG_TEST_REDIS name servers; without them they are started. How to read the numbers:
    benchmarks/README.md.

    Shorter, to see the effect of a change: --rounds 2 --max-rate 8000
    """
    # Being asked to end is like Ctrl-C: everything that was started is ended first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = _measure(rounds, (warm_up, seconds), max_rate, backlog)
    except KeyboardInterrupt:
        console.print("stopped; what was started is gone")
        raise typer.Exit(_INTERRUPTED) from None
    except (ProgramFailed, ServerMissingError, PlgError) as failed:
        console.print(f"failed: {failed}", soft_wrap=True)
        raise typer.Exit(1) from None
    for table in report.tables():
        console.print(table)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report.as_json())))
    if late := report.late():
        console.print(f"failed: {late}", soft_wrap=True)
        raise typer.Exit(1)


def _measure(rounds: int, lengths_s: tuple[float, float], max_rate: int | None, backlog: int) -> LatencyReport:
    load, cores = busy(), claim_cores()
    with contextlib.ExitStack() as running:
        kafka = find_kafka()
        running.callback(kafka.stop)
        redis = find_redis()
        running.callback(redis.remove)
        facts = versions(kafka.description) | {"redis": redis.description, "cores": cores.text}
        for name, fact in facts.items():
            console.print(f"{name}: {fact}", soft_wrap=True)
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="plg-bench-")))
        with _shown(rounds * len(_SHARES) * 2) as show:
            stage = running.enter_context(_stage(kafka.address, redis.url, cores, folder, show, max_rate, backlog))
            report = LatencyReport(facts, stage.max_rate, [])
            for round_ in range(1, rounds + 1):
                for share in _SHARES:
                    # A B A B: what disturbs the machine for a while disturbs both.
                    for side in stage.sides:
                        show(f"round {round_} of {rounds}: {side.name}, {share:.0%} of {stage.max_rate:,.0f}/s")
                        report.turns.append(_turn(stage, side, share, lengths_s))
    if load is not None:
        console.print(f"the machine was busy when this began ({load}): trust the ratios more than the times")
    return report


@contextlib.contextmanager
def _stage(
    kafka: str,
    redis: str,
    cores: Cores,
    folder: Path,
    show: Callable[[str], None],
    max_rate: float | None,
    backlog: int,
) -> Iterator[Stage]:
    """Both sides at work, and the maximum known."""
    show("events of a simulated week")
    stage = Stage(kafka, redis, f"bench-{uuid.uuid4().hex[:8]}", cores, folder)
    with contextlib.closing(stage):
        if max_rate is None:
            show(f"a backlog of {backlog:,} events")
            stage.load.backlog(stage.ours.source, backlog)
            stage.start_ours()
            stage.max_rate = stage.catch_up(backlog)
        else:
            stage.start_ours()
            stage.max_rate = float(max_rate)
        stage.start_relay()
        for side in stage.sides:
            show(f"first events of {side.name}")
            # A broker just started is slow for half a minute: its code is compiled while it runs.
            stage.turn(side, Schedule(stage.max_rate / 2, warm_up_s=0, seconds=_FIRST_S))
        yield stage


def _turn(stage: Stage, side: Side, share: float, lengths_s: tuple[float, float]) -> Turn:
    warm_up_s, seconds = lengths_s
    rate = stage.max_rate * share
    schedule = Schedule(rate, warm_up_s, seconds, min(MEASURED_PER_S, rate / 2))
    return Turn(side.name, share, stage.turn(side, schedule))


@contextlib.contextmanager
def _shown(steps: int) -> Iterator[Callable[[str], None]]:
    """What is under way: a bar in a terminal, a line each elsewhere; it moves with each turn."""
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=steps)
        begun = -1

        def show(description: str) -> None:
            nonlocal begun
            begun += description.startswith("round ")
            progress.update(task, description=description, completed=max(begun, 0))
            if not console.is_terminal:
                console.print(description)

        yield show


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.latency")
