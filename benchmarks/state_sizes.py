"""
How large states are: bytes of each user's and workspace's state after simulated days, with the demo's config.

No broker: the agents live through the days in memory. Sizes are those of the changelog's values, the 16 bytes before
each state included.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.population import Population, Sealed, simulated_population
from simulator.scenario import Scenario
from streams.config_source import load_config

_DEMO = Path(__file__).resolve().parent.parent / "config" / "demo.yaml"

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Sizes(NamedTuple):
    """Bytes of the states of one kind of subject; `largest` is whose state `most` is."""

    kind: str
    count: int
    mean: float
    p50: int
    p99: int
    most: int
    largest: str


def sizes_of(kind: str, states: Sequence[Sealed]) -> Sizes:
    """
    Measure states.

    Raises:
        ValueError: There are none.
    """
    if not states:
        raise ValueError(f"{kind}: no state to measure")
    largest = max(states, key=lambda state: len(state.value))
    sizes = sorted(len(state.value) for state in states)
    return Sizes(
        kind,
        len(sizes),
        round(statistics.fmean(sizes), 1),
        sizes[(len(sizes) - 1) // 2],
        sizes[(len(sizes) - 1) * 99 // 100],
        sizes[-1],
        largest.subject.decode(),
    )


def measure(population: Population) -> list[Sizes]:
    """The sizes of users proper, of workspaces with more than one user, and of personal workspaces."""
    own = b"user:"
    return [
        sizes_of("user", [state for state in population.users if state.subject.startswith(own)]),
        sizes_of("workspace", [state for state in population.workspaces if not state.subject.startswith(own)]),
        sizes_of("personal workspace", [state for state in population.workspaces if state.subject.startswith(own)]),
    ]


@app.command()
def run(
    workspaces: Annotated[int, typer.Option(help="companies of the scenario")] = 2_000,
    days: Annotated[int, typer.Option(help="how long they live")] = 60,
    large: Annotated[int, typer.Option(help="how many of them have 50 to 300 users")] = 3,
) -> None:
    """Print how large the states are."""
    scenario = Scenario(workspaces=workspaces, days=days, large=large)
    shown = Table(title=f"bytes of state after {days} days of {workspaces:,} companies", title_justify="left")
    for name in ("state of a", "states", "mean", "p50", "p99", "max", "which"):
        shown.add_column(name, justify="left" if name in ("state of a", "which") else "right", no_wrap=True)
    for sizes in measure(simulated_population(scenario, load_config(_DEMO))):
        shown.add_row(*(f"{value:,}" if isinstance(value, int | float) else value for value in sizes))
    console.print(shown)


if __name__ == "__main__":
    try:
        app(prog_name="python -m benchmarks.state_sizes")
    except KeyboardInterrupt:
        sys.exit(130)
