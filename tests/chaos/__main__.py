"""The command: `python -m tests.chaos` breaks a river until the time is over, and says what it found."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from signals.errors import PlgError
from simulator import Scenario as World
from simulator import simulate
from streams.replaying import read_lines
from tests.chaos.plan import SCENARIOS, Round, rounds
from tests.chaos.running import run_round
from tests.chaos.stage import Ground
from tests.chaos.tally import Outcome, as_json, table
from tests.docker_engine import ServerMissingError
from tests.kafka_cluster import kafka_cluster
from tests.kafka_jars import KafkaJarsError
from tests.servers import find_kafka, find_redis

_INTERRUPTED = 130
_UNITS = {"s": 1, "m": 60, "h": 3_600}
# Events of the story of a round: more than any round plays.
_EVENTS = 100_000
# No round is begun for less than this.
_SHORTEST_S = 45.0
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
# A table in a log is as wide as in a terminal.
console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)


@app.command()
def chaos(
    *,
    for_: Annotated[str, typer.Option("--for", help="How long to go on breaking: 90s, 20m, 2h.")] = "20m",
    seed: Annotated[int | None, typer.Option(help="The same seed, the same plan of faults. Drawn if missing.")] = None,
    scenario: Annotated[
        list[str] | None, typer.Option(help=f"Only this one, may be repeated: {', '.join(SCENARIOS)}.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Say what each scenario does, and the plan; break nothing.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Also write all that was seen to this file.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep configs and logs of all processes in this folder.")] = None,
) -> None:
    """
    Break a river under load, scenario after scenario, and hold what is left against the oracle each time.

    Its table has rows that are to be zero, from lost to leaks; the exit code is 1 if one is not.
    Needs Apache Kafka (PLG_TEST_KAFKA, Docker or its jars) and a Redis; `brokers` needs the jars.

    Examples: [bold]make chaos FOR=20m SEED=7[/bold], [bold]python -m tests.chaos --for 5m --scenario workers[/bold]
    """
    names = _known(scenario)
    limit_s = _seconds(for_)
    seed = random.SystemRandom().randrange(10_000) if seed is None else seed
    console.print(f"seed {seed}: the same plan again with --seed {seed}")
    if list_:
        _show_plan(seed, names)
        return
    # Being asked to end is like Ctrl-C, also where a shell has us in the background and Ctrl-C means nothing to us:
    # everything that was started is ended first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    outcomes: list[Outcome] = []
    started, is_interrupted = time.monotonic(), False
    try:
        _run(seed, names, limit_s, keep, outcomes)
    except KeyboardInterrupt:
        is_interrupted = True
        console.print("stopped; what was started is gone, what was seen so far:")
    except (ServerMissingError, KafkaJarsError, PlgError) as failed:
        console.print(f"failed: {failed}", soft_wrap=True)
        raise typer.Exit(1) from None
    _tell(seed, time.monotonic() - started, outcomes, json)
    if is_interrupted:
        raise typer.Exit(_INTERRUPTED)
    if not outcomes or not all(outcome.is_clean for outcome in outcomes):
        raise typer.Exit(1)


def _known(chosen: list[str] | None) -> list[str]:
    unknown = sorted(set(chosen or ()) - set(SCENARIOS))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; known are {', '.join(SCENARIOS)}", param_hint="--scenario")
    return list(dict.fromkeys(chosen or SCENARIOS))


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smh])", text)
    if match is None:
        raise typer.BadParameter(f"a number and s, m or h such as 20m; got {text!r}", param_hint="--for")
    return float(int(match[1]) * _UNITS[match[2]])


def _show_plan(seed: int, names: list[str]) -> None:
    for planned, _ in zip(rounds(seed, names), names, strict=False):
        console.print(f"{planned.scenario.name}: {planned.scenario.says}")
        for fault in planned.faults:
            console.print(f"  after {fault.after_s:.1f} s {fault.text()}")


def _run(seed: int, names: list[str], limit_s: float, keep: Path | None, outcomes: list[Outcome]) -> None:
    ends_at = time.monotonic() + limit_s
    with contextlib.ExitStack() as running:
        kafka = find_kafka()
        running.callback(kafka.stop)
        if not kafka.is_apache:
            raise ServerMissingError(f"chaos needs Apache Kafka, this is {kafka.description}")
        redis = find_redis(of_our_own=True)
        running.callback(redis.remove)
        console.print(f"Kafka: {kafka.description}; Redis: {redis.description}", soft_wrap=True)
        folder = keep or Path(running.enter_context(tempfile.TemporaryDirectory(prefix="plg-chaos-")))
        ground = Ground(kafka.address, redis.url, folder.resolve())
        story = _story(ground.folder, seed)
        say = running.enter_context(_shown(ends_at, limit_s))
        for planned in rounds(seed, names):
            if outcomes and ends_at - time.monotonic() < _SHORTEST_S:
                return
            outcomes.append(_play(planned, ground, story, say, lambda: time.monotonic() > ends_at))


def _play(
    planned: Round, ground: Ground, story: Path, say: Callable[[str], None], is_over: Callable[[], bool]
) -> Outcome:
    with contextlib.ExitStack() as running:
        if planned.scenario.brokers > 1:
            say(f"{planned.number} {planned.scenario.name}: starting {planned.scenario.brokers} brokers")
            cluster = running.enter_context(kafka_cluster())
            ground = replace(ground, kafka=cluster.address, cluster=cluster)
        outcome = run_round(planned, ground, read_lines([story]), say, is_over)
    zeros = {name: count for name, count in outcome.zeros().items() if count}
    say(
        f"{planned.number} {outcome.scenario}: {outcome.events:,} events, {outcome.seconds:.0f} s; compared"
        f" {outcome.findings.said()}; {f'WRONG: {zeros}' if zeros else 'nothing wrong'}"
    )
    for line in [] if outcome.is_clean else [*outcome.findings.text().splitlines(), *outcome.stuck]:
        say(f"  {line}")
    return outcome


def _story(folder: Path, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "story.jsonl"
    with path.open("wb") as file:
        for event in simulate(World.for_events(_EVENTS, seed=seed)):
            file.write(msgspec.json.encode(event) + b"\n")
    return path


@contextlib.contextmanager
def _shown(ends_at: float, limit_s: float) -> Iterator[Callable[[str], None]]:
    """A line a fault, and for a terminal a bar of the time below it."""
    columns = (TextColumn("breaking"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=limit_s)

        def say(line: str) -> None:
            bar.update(task, completed=limit_s - (ends_at - time.monotonic()))
            console.print(f"{time.strftime('%H:%M:%S')} {line}", soft_wrap=True)

        yield say


def _tell(seed: int, seconds: float, outcomes: list[Outcome], json: Path | None) -> None:
    if outcomes:
        console.print(table(outcomes))
    for outcome in outcomes:
        for line in outcome.endings:
            console.print(f"round {outcome.number}, {outcome.scenario}: {line} by itself, started again")
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(seed, seconds, outcomes))))


if __name__ == "__main__":
    app(prog_name="python -m tests.chaos")
