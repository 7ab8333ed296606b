"""The command line of the simulator: `python -m simulator --out events.jsonl.gz`."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from simulator.labels import truth
from simulator.play import simulate
from simulator.rhythm import iso
from simulator.scenario import DEFAULT_END, Scenario

_STANDARD_OUTPUT = Path("-")
# The bar is for people: ten or so steps a second are enough.
_LINES_PER_STEP = 5_000
_INTERRUPTED = 130

Write = Callable[[bytes], object]
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def write_files(  # noqa: PLR0913 - typer reads the options from the signature
    *,
    out: Annotated[
        Path, typer.Option(help="Where the events go: FILE.jsonl, FILE.jsonl.gz, or - for standard output.")
    ],
    labels: Annotated[
        Path | None, typer.Option(help="Also write the truth about every workspace to this file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another world; the same seed the same bytes.")] = 7,
    days: Annotated[int, typer.Option(min=1, help="Length of the run.")] = 60,
    end: Annotated[str, typer.Option(help="Newest moment of the run, RFC 3339, or `now`.")] = iso(
        int(DEFAULT_END.timestamp()) * 1_000
    ),
    workspaces: Annotated[int, typer.Option(min=1, help="Companies, 2 to 8 users each.")] = 2_000,
    large: Annotated[int, typer.Option(min=0, help="How many of them are large, 50 to 300 users.")] = 3,
    events: Annotated[int | None, typer.Option(min=1, help="About so many events, instead of --workspaces.")] = None,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of events delivered twice.")] = 0.02,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share of events delivered hours to days late.")] = 0.03,
) -> None:
    """
    Write the product events of a small, simulated SaaS as JSON lines (Segment spec), in the order of delivery.

    The same options give the same bytes. With the defaults that is 60 days of 2,000 workspaces, about 500,000 events.

    Example: [bold]python -m simulator --days 60 --workspaces 500 --out events.jsonl.gz --labels labels.jsonl[/bold]
    """
    newest = _read_end(end)
    if events is not None:
        sized = Scenario.for_events(events, days=days, large=large)
        workspaces, large = sized.workspaces, sized.large
    scenario = Scenario(
        seed=seed, days=days, end=newest, workspaces=workspaces, large=large, duplicates=duplicates, late=late
    )
    console = Console(stderr=True)
    try:
        written = _write_all(scenario, out, labels, console)
    except KeyboardInterrupt:
        console.print("interrupted: nothing was written")
        raise typer.Exit(_INTERRUPTED) from None
    except OSError as error:
        console.print(f"cannot write {error.filename}: {error.strerror}")
        raise typer.Exit(1) from None
    console.print(f"{written:,} events written to {'standard output' if out == _STANDARD_OUTPUT else out}")


def _read_end(text: str) -> datetime:
    try:
        end = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
    except ValueError:
        end = None
    if end is None or end.tzinfo is None:
        raise typer.BadParameter(f"--end is a time with its zone such as 2026-03-01T00:00:00Z, or `now`; got {text!r}")
    return end


def _write_all(scenario: Scenario, out: Path, labels: Path | None, console: Console) -> int:
    encode = msgspec.json.Encoder().encode
    written = 0
    with ExitStack() as files:
        write = files.enter_context(_replacing(out))
        for message in _with_progress(simulate(scenario), scenario, console):
            write(encode(message) + b"\n")
            written += 1
        if labels is not None:
            write = files.enter_context(_replacing(labels))
            for label in truth(scenario):
                write(encode(label) + b"\n")
    return written


@contextmanager
def _replacing(path: Path) -> Iterator[Write]:
    """Write beside the file and put it in its place only when all is well: no reader ever sees half a file."""
    if path == _STANDARD_OUTPUT:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as raw:
            if path.suffix == ".gz":
                with _packed(raw) as packed:
                    yield packed.write
            else:
                yield raw.write
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _packed(raw: IO[bytes]) -> gzip.GzipFile:
    # Without name and time of the file in its header, the same events are the same bytes.
    return gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0)


def _with_progress(
    messages: Iterable[dict[str, object]], scenario: Scenario, console: Console
) -> Iterator[dict[str, object]]:
    columns = (TextColumn("simulated days"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=scenario.days)
        for number, message in enumerate(messages):
            if number % _LINES_PER_STEP == 0:
                received = datetime.fromisoformat(str(message["receivedAt"]))
                bar.update(task, completed=(received - scenario.end).days + scenario.days)
            yield message


if __name__ == "__main__":
    app(prog_name="python -m simulator")
