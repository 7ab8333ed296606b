"""What `benchmarks.cost` found, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.recovery import Recovered, Started
from benchmarks.sharing import Shared


@dataclass
class Found:
    """The numbers of a run; what was not asked for is empty."""

    facts: dict[str, str]
    workers: dict[int, list[Shared]] = field(default_factory=dict)
    bytes_by_topic: dict[str, float] = field(default_factory=dict)
    started: Started | None = None
    help_s: float | None = None
    recovered: list[Recovered] = field(default_factory=list)


def per_user(memory: int, empty: int, people: int) -> float:
    """Bytes for each of so many users, above what a worker takes up with none."""
    return (memory - empty) / people


def tables(found: Found) -> Iterator[Table]:
    """What was found, to be read."""
    if found.workers:
        table = _table("a backlog shared", "workers", "CPU s/M", "min", "max", "to one", "shares", "broker CPU s/M")
        for workers, runs in sorted(found.workers.items()):
            costs = [shared.per_million for shared in runs]
            brokers = [one.broker_cpu_s / one.events * 1e6 for one in runs if one.broker_cpu_s is not None]
            table.add_row(
                f"{workers}",
                *(f"{value:.1f}" for value in (median(costs), min(costs), max(costs))),
                f"{median(costs) / median(one.per_million for one in found.workers[1]):.2f} x",
                " ".join(f"{share:.0%}" for share in runs[-1].shares),
                f"{median(brokers):.1f}" if brokers else "",
            )
        yield table
    if found.bytes_by_topic:
        table = _table("bytes on the broker per event, compressed, one replica", "topic", "bytes")
        for topic, size in sorted(found.bytes_by_topic.items(), key=lambda one: -one[1]):
            table.add_row(topic, f"{size:,.1f}")
        ours = sum(size for topic, size in found.bytes_by_topic.items() if topic != "product")
        table.add_row("all but product", f"{ours:,.1f}")
        yield table
    if found.started is not None:
        table = _table("start of a worker on empty topics", "", "")
        table.add_row("first event passed on", f"{found.started.first_event_s:.2f} s")
        table.add_row("ready", f"{found.started.ready_s:.2f} s")
        table.add_row("memory", f"{found.started.resident / 2**20:.0f} MB")
        if found.help_s is not None:
            table.add_row("plg --help", f"{found.help_s:.2f} s")
        yield table
    if found.recovered:
        yield _recoveries(found)


def _recoveries(found: Found) -> Table:
    assert found.started is not None
    empty, worked = found.started.resident, found.started.worked or found.started.resident
    table = _table("recovery, one worker", "", *(f"{one.people:,} users" for one in found.recovered))
    rows: dict[str, Callable[[Recovered], str]] = {
        "states": lambda one: f"{one.states:,}",
        "stored per user": lambda one: f"{one.stored / one.people:,.0f} B",
        "from process start": lambda one: f"{one.from_start_s:.1f} s",
        "from assignment": lambda one: f"{one.seconds:.1f} s",
        "CPU": lambda one: f"{one.cpu_s:.1f} s",
        "states a second": lambda one: f"{one.states / one.seconds:,.0f}",
        "CPU per state": lambda one: f"{one.cpu_s / one.states * 1e6:.1f} us",
        "memory per user, recovered": lambda one: f"{per_user(one.resident, empty, one.people):,.0f} B",
        "on the way, the most": lambda one: f"{per_user(one.peak, empty, one.people):,.0f} B",
        "after an event of each": lambda one: (
            "" if one.touched is None else f"{per_user(one.touched, worked, one.people):,.0f} B"
        ),
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(one) for one in found.recovered))
    return table


def as_json(found: Found) -> dict[str, Any]:
    """All numbers, for whoever compares two runs."""
    return {
        "facts": found.facts,
        "workers": {
            str(workers): {
                "cpu_s_per_million": median(one.per_million for one in runs),
                "rounds": runs,
            }
            for workers, runs in found.workers.items()
        },
        "bytes_per_event": found.bytes_by_topic,
        "started": found.started,
        "help_s": found.help_s,
        "recovered": found.recovered,
    }


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table
