"""`plg import`: what workspaces and their members are already, told before any of their events."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.common import ConfigOption, bytes_progress, console, errors, progress
from streams.settings import read_settings

if TYPE_CHECKING:
    from signals.config import Config

_WAIT_S = 60.0


def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a head, or JSON lines; plain or gzip.", metavar="FILE")],
    at: Annotated[
        str,
        typer.Option(
            help="The moment of which the file speaks, such as 2026-03-01 or 2026-03-01T12:00:00Z; without it, when "
            "the file was written last.",
            show_default=False,
        ),
    ] = "",
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and say what would be sent.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until the workers have applied everything.")] = True,
) -> None:
    """
    Tell what your workspaces are already, so that day one at an existing company is right.

    An import raises no signal and no alert: it is the base from which events go on. The members it names are no
    second user and take no seat anew, plan and seats are baselines, activated_at opens the gate.

    [bold]CSV[/bold], a row for each member (or a row for each workspace with a column members, `u1;u2`):

        workspace,plan,seats,activated_at,user,email,user_activated_at
        acme,team,10,2025-03-01,ann,ann@acme.example,2025-03-01
        acme,,,,bob,bob@acme.example,

    [bold]JSON lines[/bold]:

        {"workspace": "acme", "plan": "team", "seats": 10, "activated_at": "2025-03-01", "members": ["ann", "bob"]}

    More columns: name, domain, employees, mrr, currency, trial_end, usage. The whole file is checked before anything
    is sent; what is wrong is told with its line, and ends with 2. The same file again changes nothing, so after
    Ctrl-C run it once more. docs/seeding.md says when to import, and what each column does.
    """
    from streams.config_source import load_config
    from streams.import_file import file_time, read_import_file
    from streams.importing import Applied, send_import
    from streams.reach import require_broker

    settings = read_settings()
    loaded = load_config(config or settings.config)
    moment = _moment(at, loaded) if at else file_time(file)
    with bytes_progress([file]) as advance:
        rows = read_import_file(file, loaded, moment, advance)
    for warning in rows.warnings():
        errors.print(f"warning: {warning}", soft_wrap=True, markup=False)
    what = f"{rows.workspaces:,} workspaces and {rows.members:,} members ({rows.users:,} users)"
    as_of = f"as of {datetime.fromtimestamp(moment / 1_000, UTC):%Y-%m-%d %H:%M} UTC"
    if dry_run:
        console.print(f"{file}: {what}, {as_of}; nothing was sent", soft_wrap=True, markup=False)
        return
    require_broker(settings)
    with progress("sending") as show:
        last = send_import(rows, loaded, settings, show)
    console.print(f"{what}, {as_of}: sent", soft_wrap=True, markup=False)
    if not wait:
        return
    applied = Applied(loaded, settings, last)
    try:
        if not applied.has_workers:
            console.print("no worker is running; the first one to start applies it")
            return
        with errors.status("waiting until the workers have applied it") if errors.is_terminal else nullcontext():
            is_applied = applied.wait(_WAIT_S)
    finally:
        applied.close()
    if not is_applied:
        errors.print(f"the workers have not applied everything after {_WAIT_S:g} s; they go on by themselves")
        raise typer.Exit(1)
    console.print("applied")


def _moment(text: str, config: Config) -> int:
    from signals.config import Clock
    from signals.moments import parse_time
    from streams.import_file import ImportRefused

    moment = parse_time(text, config.zone)
    if moment is None:
        raise ImportRefused(f"--at {text}: not a time; write 2026-03-01 or 2026-03-01T12:00:00Z")
    if config.clock is Clock.WALL and moment > datetime.now(UTC).timestamp() * 1_000:
        raise ImportRefused(f"--at {text}: has not come yet")
    return moment
