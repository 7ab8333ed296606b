"""What the commands share: the two consoles, a progress bar, and the options that several of them take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """A bar on standard error, told how many of how many."""
    from rich.progress import Progress

    with Progress(console=errors, transient=True) as shown:
        task = shown.add_task(doing, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
