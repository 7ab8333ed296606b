"""
Instructions per event of ingest and of both keyed steps: `python -m benchmarks.instructions`.

They do not depend on what else the machine does, so a test of `make check` holds them against the stored ones.
"""

from __future__ import annotations

import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.callgrind import CountFailed, count, why_not
from benchmarks.counted import Prepared, warm_up
from benchmarks.stepping import Steps
from simulator.play import simulate
from simulator.scenario import Scenario
from streams.config_source import load_config

STORED = Path(__file__).with_name("instructions.json")
ACCEPT = "python -m benchmarks.instructions --write"
# Percent: further above what is stored is a regression; further below, the stored figure guards nothing any more.
ABOVE, BELOW = 3, 10
_ROOT = Path(__file__).resolve().parent.parent
# 60 days of few companies, so that users and workspaces have lived through all of it. A large one would be most of it.
_SCENARIO = Scenario(days=60, workspaces=14, large=0)
_LIMIT_S = 120.0
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
console = Console(highlight=False, markup=False)


class Figures(msgspec.Struct):
    """
    Instructions per event by part.

    They hold for one build of Python and one kind of machine; another version of msgspec may well be the reason that
    they moved.
    """

    python: str
    msgspec: str
    per_event: dict[str, int]


def here() -> str:
    """The Python whose instructions are counted: another build of it executes others for the same program."""
    return f"{platform.python_version()} {platform.python_compiler()} {platform.machine()}"


def measure() -> Figures:
    """
    Count, which takes less than ten seconds.

    Raises:
        CountFailed: The counted program ended badly.
    """
    prepared = prepare(_SCENARIO)
    events = len(prepared.lines) - warm_up(prepared.lines)
    with tempfile.TemporaryDirectory(prefix="plg-instructions-") as folder:
        path = Path(folder, "prepared")
        path.write_bytes(msgspec.msgpack.encode(prepared))
        parts = count(["-m", "benchmarks.counted", str(path)], _LIMIT_S, _ROOT)
    return Figures(here(), version("msgspec"), {name: round(total / events) for name, total in parts.items()})


def prepare(scenario: Scenario) -> Prepared:
    """Simulate, and let the steps make the records of the steps behind them."""
    config = load_config(_ROOT / "config" / "demo.yaml")
    steps = Steps(config)
    lines = [msgspec.json.encode(message) for message in simulate(scenario)]
    user_records = [record.value for record in steps.ingest(lines)]
    fact_records = [record.value for record in steps.step_users(0, user_records)]
    return Prepared(config.model_dump_json(), lines, user_records, fact_records)


def stored() -> Figures:
    """The figures that were accepted last."""
    return msgspec.json.decode(STORED.read_bytes(), type=Figures)


def complaints(now: Figures, then: Figures) -> list[str]:
    """
    What is to be said about figures, beside those accepted; empty where they are as they were.

    A figure that fell much is one complaint too: stored, it guards what was gained.
    """
    said = []
    versions = "" if now.msgspec == then.msgspec else f" (msgspec {then.msgspec} then, {now.msgspec} now)"
    for name in sorted(now.per_event.keys() | then.per_event.keys()):
        new, old = now.per_event.get(name, 0), then.per_event.get(name, 0)
        figures = f"{name}: {new:,} instructions per event, {abs(new / old - 1) if old else 1:.1%}"
        if new * 100 > old * (100 + ABOVE):
            said.append(f"{figures} more than the {old:,} stored{versions}; if they are worth it: {ACCEPT}")
        elif new * 100 < old * (100 - BELOW):
            said.append(f"{figures} fewer than the {old:,} stored{versions}: faster, so store it: {ACCEPT}")
    return said


@app.command()
def instructions(
    *,
    write: Annotated[bool, typer.Option("--write", help=f"Store them in {STORED.name}: they are accepted.")] = False,
) -> None:
    """
    Instructions per event of ingest, user step and workspace step, beside the accepted ones.

    Counted by valgrind over a small simulated product, so a busy machine changes nothing. `make check` fails when one
    of them is more than 3 % above what is stored, or 10 % below.
    """
    reason = why_not()
    if reason is not None:
        console.print(f"cannot count: {reason}", soft_wrap=True)
        raise typer.Exit(1)
    try:
        with console.status("counting"):
            now = measure()
    except CountFailed as failed:
        console.print(f"failed: {failed}", soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("stopped; nothing was stored")
        raise typer.Exit(130) from None
    then = stored() if STORED.exists() else Figures("", "", {})
    console.print(_table(now, then))
    if then.python not in {"", now.python}:
        console.print(f"the stored ones are of Python {then.python}, this is {now.python}: not to be compared")
    if write:
        STORED.write_bytes(msgspec.json.format(msgspec.json.encode(now)) + b"\n")
        console.print(f"stored in {STORED.name}")


def _table(now: Figures, then: Figures) -> Table:
    table = Table(title=f"instructions per event, Python {platform.python_version()}, msgspec {now.msgspec}")
    table.add_column("part")
    for column in ("now", "stored", "change"):
        table.add_column(column, justify="right")
    for name, figure in now.per_event.items():
        old = then.per_event.get(name)
        table.add_row(name, f"{figure:,}", *(("", "") if old is None else (f"{old:,}", f"{figure / old - 1:+.2%}")))
    return table


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.instructions")
