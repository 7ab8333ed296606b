"""`plg check` and `plg replay`: a config looked at, and recorded events played."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import ConfigArgument, ConfigOption, bytes_progress, console, errors
from streams.settings import read_settings


def check(
    config: ConfigArgument,
    against_running: Annotated[
        bool,
        typer.Option("--against-running", help="Also say what it changes of the config in force, and what that takes."),
    ] = False,
) -> None:
    """
    Read a config as a worker would: every problem with line and column, and a warning for what can do nothing.

    With --against-running it asks the broker which config is in force, names every key that differs, and ends with 2
    if one of them cannot change while the workers run.
    """
    from signals.errors import ConfigError
    from streams.config_source import read_config

    try:
        file = read_config(config)
    except ConfigError as error:
        # Without our name before the first line: editors find the places by the form of the lines.
        errors.print(str(error), soft_wrap=True, markup=False)
        raise typer.Exit(2) from None
    for warning in file.warnings():
        errors.print(f"warning: {warning}", soft_wrap=True, markup=False)
    console.print(f"{config}: ok, config {file.config.hash}", soft_wrap=True, markup=False)
    if against_running:
        from streams.config_compared import compare_with_running

        compared = compare_with_running(file.config, read_settings())
        console.print("\n".join(compared.lines()), soft_wrap=True, markup=False)
        raise typer.Exit(0 if compared.is_reloadable else 2)


def replay(
    files: Annotated[list[Path], typer.Argument(help="JSON lines of events, plain or gzip.")],
    config: ConfigOption = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Events a second; without it, as fast as it goes.")
    ] = None,
    ticks: Annotated[bool, typer.Option(help="Let time pass by event time; the workers need `clock: events`.")] = True,
    wait: Annotated[bool, typer.Option(help="Wait until the workers have applied everything.")] = True,
) -> None:
    """Play recorded events into the product's topic, as the product would have sent them."""
    from streams.config_source import load_config
    from streams.replaying import Replay, read_lines

    settings = read_settings()
    player = Replay(load_config(config or settings.config), settings, rate=rate, ticks=ticks)
    with bytes_progress(files) as advance:
        player.play(read_lines(files, advance))
    report = player.report
    console.print(f"{report.events:,} events sent, {report.unusable:,} of them unusable")
    if ticks and wait and not player.settle():
        errors.print("the workers have not applied everything after 60 s; is one running with `clock: events`?")
        raise typer.Exit(1)
