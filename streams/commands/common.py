"""What the commands share: the two consoles, a progress bar, and the options that several of them take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The config file; PLG_CONFIG, else config/plg.yaml.", show_default=False)
]
ConfigArgument = Annotated[Path, typer.Argument(help="A config file, such as config/plg.yaml.")]


@contextmanager
def progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error if that is a terminal, told how many of how many."""
    from rich.progress import Progress

    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as shown:
        task = shown.add_task(doing, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def bytes_progress(files: Iterable[Path]) -> Iterator[Callable[[int], None]]:
    """Such a bar over the bytes of files, told how many more have been read."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    total = sum(file.stat().st_size for file in files if file.exists())
    columns = "{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as shown:
        task = shown.add_task("reading", total=total)
        yield lambda count: shown.update(task, advance=count)
