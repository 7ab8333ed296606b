"""`plg topics`: our topics made, held against the config, written to a file, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import ConfigOption, console, errors
from streams.settings import read_settings

app = typer.Typer(
    help="Our topics: make them, hold them against the config, write one to a file.", no_args_is_help=True
)


@app.command("create")
def create(
    config: ConfigOption = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also the topics of the product's events, for trying things out.")
    ] = False,
) -> None:
    """Make the topics of ours that are missing; those that exist stay as they are."""
    from streams.admin import create_topics
    from streams.config_source import load_config

    settings = read_settings()
    loaded = load_config(config or settings.config)
    if sources and loaded.source.pattern is not None:
        errors.print("--sources makes nothing: source.pattern matches topics and names none", markup=False)
    created = create_topics(loaded, settings, sources=sources)
    console.print("\n".join(f"created {name}" for name in created) or "nothing to do: every topic is there")


@app.command("check")
def check(config: ConfigOption = None) -> None:
    """Hold every topic against the config; ends with 1 if one does not fit."""
    from streams.admin import check_topics
    from streams.config_source import load_config

    settings = read_settings()
    reports = check_topics(load_config(config or settings.config), settings)
    for report in reports:
        console.print(f"{report.name}: {report.problem or f'ok, {report.partitions} partitions'}")
    raise typer.Exit(1 if any(report.problem for report in reports) else 0)


@app.command("reset")
def reset(
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """
    Forget our logs, states and offsets, and build everything again from the product's topics.

    For a log that was recreated, or a change that needs a rebuild. Stop the workers first. Signals and alerts that
    fire again keep their ids, and sinks drop what they have.
    """
    from streams.admin import reset_topics
    from streams.config_source import load_config

    settings = read_settings()
    loaded = load_config(config or settings.config)
    if not yes:
        typer.confirm(f"Delete all states of prefix {loaded.prefix} at {settings.kafka}?", abort=True)
    made = reset_topics(loaded, settings)
    console.print("\n".join(f"made anew: {name}" for name in made))


@app.command("record")
def record(
    topic: Annotated[str, typer.Argument(help="A topic, such as plg.workspace-facts.")],
    out: Annotated[Path, typer.Option("--out", help="The file; .gz compresses it.")],
) -> None:
    """Write what a topic holds now to a file of JSON lines, for `plg backtest --facts` and for looking into."""
    from rich.progress import Progress

    from streams.recording import record_topic

    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task(f"reading {topic}", total=None)
        count = record_topic(
            topic, out, read_settings(), lambda done, total: progress.update(task, completed=done, total=total)
        )
    console.print(f"{count:,} records of {topic} in {out}")
