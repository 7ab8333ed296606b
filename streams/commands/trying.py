"""`plg check`, `plg replay` and `plg backtest`: a config looked at and tried on recorded events."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
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


class LogKind(StrEnum):
    """What a backtest reads."""

    EVENTS = "events"
    FACTS = "facts"


def backtest(  # options of a command
    config: ConfigArgument,
    files: Annotated[list[Path], typer.Argument(help="JSON lines, plain or gzip, in the order they happened.")],
    out: Annotated[Path, typer.Option("--out", help="One signal a line, with its verdict; .gz compresses it.")],
    until: Annotated[str, typer.Option(help="Let time pass up to here at the end; the newest event without it.")] = "",
    facts: Annotated[
        bool,
        typer.Option("--facts", help="The files are recordings of <prefix>.workspace-facts (`plg topics record`)."),
    ] = False,
    configs: Annotated[
        Path | None,
        typer.Option(
            "--configs", help="With --facts: a recording of <prefix>.config, to go by what was in force at each place."
        ),
    ] = None,
) -> None:
    """
    Run the same steps, rules and policy over files instead of a bus: what would have fired, when, and why.

    No broker, no Redis. The ids are the ones that a live worker gives to the same events.
    """
    from streams.backtesting import backtest_events, backtest_facts
    from streams.config_source import load_config

    loaded = load_config(config)
    if configs is not None and not facts:
        raise typer.BadParameter("goes with --facts: event files name no config", param_hint="--configs")
    run = partial(backtest_facts, configs=configs) if facts else backtest_events
    with bytes_progress(files) as advance:
        report = run(loaded, files, out, until=until or None, on_bytes=advance)
    console.print(report.text(out))
