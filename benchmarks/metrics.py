"""
What the metrics cost of an event: `python -m benchmarks.metrics`.

The agents work through a simulated product once as they are, for what an event costs, and once with metrics that note
every write; what a write of each kind costs is measured alone. CPU time of this process, so other work changes little.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import msgspec
import typer
from faust.types import TP
from rich.console import Console
from rich.table import Table

from benchmarks.stepping import Steps
from signals.config import Config
from signals.facts import Note
from simulator.play import simulate
from simulator.scenario import Scenario
from streams.config_log import ConfigLog
from streams.config_source import load_config
from streams.configs import Configs
from streams.exposition import Exposition
from streams.metric_catalogue import WORKER, WorkerView
from streams.metrics import Metrics
from streams.settings import Settings

_ROOT = Path(__file__).resolve().parent.parent
_SCENARIO = Scenario(days=60, workspaces=60, large=1)
_WRITES = 300_000
_RENDERS = 200
# As in deploy/prometheus/prometheus.yml.
SCRAPE_EVERY_S = 15.0
TARGET = 0.01
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
console = Console(highlight=False, markup=False)


class NotingCounter(Counter[str]):
    """Counts how often it is written."""

    writes = 0

    def __setitem__(self, name: str, value: int) -> None:
        self.writes += 1
        super().__setitem__(name, value)


class NotingMetrics(Metrics):
    """Metrics that note every write: additions to a number, to a counter by name, and durations."""

    def __init__(self) -> None:
        super().__init__()
        for name, value in vars(self).copy().items():
            if isinstance(value, Counter):
                super().__setattr__(name, NotingCounter())
        super().__setattr__("writes", 0)

    def __setattr__(self, name: str, value: object) -> None:
        if "writes" in vars(self):
            vars(self)["writes"] += 1
        super().__setattr__(name, value)

    def written(self) -> dict[str, int]:
        """Writes by kind."""
        counters = [value for value in vars(self).values() if isinstance(value, NotingCounter)]
        observed = [*self.alert_waits.counts, *self.checkpoint_waits.counts]
        return {
            "numbers, once a slice": int(vars(self)["writes"]),
            "counters by name, once an output": sum(counter.writes for counter in counters),
            # Of the wall clock only: here every alert is taken for one.
            "durations, once an alert": sum(self.alerts.values()) + sum(observed),
        }


class Cost(msgspec.Struct):
    """What was found: events, CPU seconds of all of them, writes and seconds of one by kind, seconds of a rendering."""

    events: int
    work_s: float
    writes: dict[str, int]
    write_s: dict[str, float]
    render_s: float

    @property
    def share(self) -> float:
        """The part of an event's cost that is counting."""
        return sum(count * self.write_s[kind] for kind, count in self.writes.items()) / self.work_s

    @property
    def scrape_share(self) -> float:
        """The part of a core that rendering takes at the usual interval."""
        return self.render_s / SCRAPE_EVERY_S


def measure(scenario: Scenario = _SCENARIO) -> Cost:
    """Work through a scenario twice, and measure what a write of each kind costs."""
    config = load_config(_ROOT / "config" / "demo.yaml")
    lines = [msgspec.json.encode(message) for message in simulate(scenario)]
    started = time.process_time()
    _work(Steps(config), lines)
    work_s = time.process_time() - started
    noting = NotingMetrics()
    _work(Steps(config, noting), lines)
    return Cost(len(lines), work_s, noting.written(), _write_costs(list(noting.written())), _render_cost(config))


def _work(steps: Steps, lines: list[bytes]) -> None:
    steps.step_workspaces(steps.step_users(steps.ingest(lines)))


def _write_costs(kinds: list[str]) -> dict[str, float]:
    metrics = Metrics()

    def number() -> None:
        for _ in range(_WRITES):
            metrics.ingested += 2_000

    def counter() -> None:
        for _ in range(_WRITES):
            metrics.notes[Note.DUPLICATE] += 1

    def duration() -> None:
        for _ in range(_WRITES):
            metrics.alert_waits.observe(0.3)

    return dict(zip(kinds, (_each(write) for write in (number, counter, duration)), strict=True))


def _each(write: Callable[[], None]) -> float:
    started = time.process_time()
    write()
    return (time.process_time() - started) / _WRITES


def _render_cost(config: Config) -> float:
    """CPU seconds of one answer of a worker that has all 32 partitions."""
    waiting = {TP(topic, n): 0 for topic in ("events", "plg.user-events", "plg.workspace-facts") for n in range(32)}
    fence = SimpleNamespace(tick=1_000)
    shards: dict[int, Any] = {n: _Shard(fence) for n in range(32)}
    table = SimpleNamespace(name="users", shards=shards, recovered=set(shards), restored=1, changelog_topic_name="c")
    recovery = SimpleNamespace(
        active_highwaters=dict.fromkeys(waiting, 9), active_offsets=dict.fromkeys(waiting, 9), active_tps=set(waiting)
    )
    parts: Any = SimpleNamespace(
        metrics=Metrics(),
        users=table,
        workspaces=SimpleNamespace(**{**vars(table), "name": "workspaces"}),
        app=SimpleNamespace(tables=SimpleNamespace(recovery=recovery)),
        outbox=SimpleNamespace(outstanding=4, oldest_unacked_s=lambda: 1.5),
        consumer=SimpleNamespace(waiting=lambda: waiting, heartbeat_age_s=lambda: 0.25),
    )
    view = WorkerView(parts, config, Configs(config, Settings(), ConfigLog(), 0))
    exposition = Exposition(WORKER, lambda: view)
    started = time.process_time()
    for _ in range(_RENDERS):
        exposition.render()
    return (time.process_time() - started) / _RENDERS


class _Shard(list[str]):
    def __init__(self, fence: object) -> None:
        super().__init__()
        self.fence = fence


@app.command()
def metrics(
    *, workspaces: Annotated[int, typer.Option(help="Companies of the simulated product.")] = _SCENARIO.workspaces
) -> None:
    """What counting costs of an event, and what an answer to Prometheus costs; CPU time, no broker. A minute."""
    try:
        with console.status("counting"):
            found = measure(_SCENARIO.model_copy(update={"workspaces": workspaces}))
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None
    console.print(_table(found))
    console.print(
        f"an event: {found.work_s / found.events * 1e6:.1f} us in the agents; counting: {found.share:.3%} of it\n"
        f"an answer to Prometheus: {found.render_s * 1e3:.1f} ms; every {SCRAPE_EVERY_S:g} s: "
        f"{found.scrape_share:.3%} of a core"
    )
    raise typer.Exit(0 if found.share + found.scrape_share < TARGET else 1)


def _table(found: Cost) -> Table:
    table = Table(title=f"writes of metrics over {found.events:,} events")
    for column in ("what", "writes", "an event", "us each", "us an event"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for kind, count in found.writes.items():
        each, per_event = found.write_s[kind] * 1e6, count / found.events
        table.add_row(kind, f"{count:,}", f"{per_event:.4f}", f"{each:.3f}", f"{each * per_event:.5f}")
    return table


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.metrics")
