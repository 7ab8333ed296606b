"""What the commands share: the two consoles, a progress bar, and the options that several of them take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from signals.errors import PlgError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The config file; PLG_CONFIG, else config/plg.yaml.", show_default=False)
]
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Also write a page with plots, complete in one file.")]
ConfigArgument = Annotated[Path, typer.Argument(help="A config file, such as config/plg.yaml.")]


class NotWritable(PlgError):
    """A result cannot be written where it is to go."""


def require_writable(option: str, path: Path | None, read: Iterable[Path]) -> None:
    """
    Make sure, before the work, that a result may go there.

    Args:
        option: What names it.
        path: Where it is to go; None for nowhere.
        read: The files that the work reads: writing over one would lose it.

    Raises:
        NotWritable: It may not; the text says why.
    """
    if path is None:
        return
    try:
        if path.is_dir():
            raise NotWritable(f"{option} {path}: is a folder; name a file in it")
        if not path.absolute().parent.is_dir():
            raise NotWritable(f"{option} {path}: there is no folder {path.parent}; make it first")
        if path.exists() and any(one.exists() and path.samefile(one) for one in read):
            raise NotWritable(f"{option} {path}: is read by this command; name another file")
    except OSError as error:
        raise NotWritable(f"{option} {path}: {error.strerror or error}") from error


def show_report(
    numbers: object, text: Callable[[], str], page: Callable[[], str], html: Path | None, *, as_json: bool
) -> None:
    """
    Show a report on standard output, as JSON or as text, and write its page.

    Raises:
        NotWritable: The page cannot be written; the report has been shown all the same.
    """
    import msgspec

    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(numbers), indent=2))
    else:
        console.print(text(), markup=False, soft_wrap=True)
    if html is None:
        return
    try:
        html.write_text(page(), encoding="utf-8")
    except OSError as error:
        raise NotWritable(f"{html}: {error.strerror or error}") from error
    errors.print(f"written: {html}", markup=False, soft_wrap=True)


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

    total = sum(map(_size, files))
    columns = "{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as shown:
        task = shown.add_task("reading", total=total)
        yield lambda count: shown.update(task, advance=count)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        # Whoever reads it says what is wrong.
        return 0
