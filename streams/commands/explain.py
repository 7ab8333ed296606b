"""`plg explain`: why a workspace or a user did or did not become a signal or an alert."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signals.errors import PlgError
from signals.rule import Scope
from streams.commands.common import ConfigOption, bytes_progress, console, errors, progress
from streams.settings import read_settings

if TYPE_CHECKING:
    from signals.explanation import Explanation

app = typer.Typer(
    help=(
        "Why a workspace or a user did or did not become a signal or an alert: what is known, what fired on which "
        "evidence, what became of it, how far each other signal is, and what is due when, unless what.\n\n"
        "Reads the topics and changes nothing; no worker is needed. docs/explain.md has an example."
    ),
    no_args_is_help=True,
)


class ExplainRefused(PlgError):
    """Options that do not go together; the text says which."""


SinceOption = Annotated[
    str, typer.Option("--since", help="How far back signals and verdicts are read, such as 12h or 90d.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts (docs/contract.md).")]
EventsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--events",
        help="Instead of the topics: a file of events, as `plg backtest` reads it; several times for several.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str,
    typer.Option(
        "--until", help="With --events: the moment to explain; the newest event without it.", show_default=False
    ),
]


@app.command()
def workspace(
    workspace: Annotated[str, typer.Argument(help="The workspace, by its id; user:ID is the personal one of a user.")],
    config: ConfigOption = None,
    since: SinceOption = "30d",
    events: EventsOption = None,
    until: UntilOption = "",
    as_json: JsonOption = False,
) -> None:
    """Explain a workspace."""
    _explain(Scope.WORKSPACE, workspace, config, since, events or [], until, as_json=as_json)


@app.command()
def user(
    user: Annotated[str, typer.Argument(help="The user, by the id that your product gives.")],
    config: ConfigOption = None,
    since: SinceOption = "30d",
    events: EventsOption = None,
    until: UntilOption = "",
    as_json: JsonOption = False,
) -> None:
    """Explain a user."""
    _explain(Scope.USER, user, config, since, events or [], until, as_json=as_json)


def _explain(
    scope: Scope, subject_id: str, config: Path | None, since: str, events: list[Path], until: str, *, as_json: bool
) -> None:
    from signals.units import parse_duration
    from streams.config_source import load_config
    from streams.explained import Subject, explain_files, explain_live

    try:
        back = parse_duration(since)
    except ValueError as error:
        raise ExplainRefused(f"--since {since}: {error}") from None
    if until and not events:
        raise ExplainRefused("--until goes with --events: what the topics hold is explained as of now")
    settings = read_settings()
    loaded, subject = load_config(config or settings.config), Subject(scope, subject_id)
    if events:
        with bytes_progress(events) as advance:
            told = explain_files(subject, loaded, events, until=until or None, on_bytes=advance)
        _show(told, None, as_json=as_json)
        return
    read_at = round(time.time() * 1_000)
    oldest = max(0, read_at - round(back.total_seconds() * 1_000))
    told = explain_live(subject, loaded, settings, since=oldest, progress=progress)
    _show(told, read_at, as_json=as_json)


def _show(told: Explanation, read_at: int | None, *, as_json: bool) -> None:
    from streams.explained_view import lines

    if as_json:
        import msgspec

        for warning in told.warnings:
            errors.print(f"warning: {warning}", markup=False, emoji=False, soft_wrap=True)
        console.print(msgspec.json.encode(told).decode(), markup=False, emoji=False, soft_wrap=True)
        return
    for line in lines(told, read_at):
        console.print(line, soft_wrap=True)
