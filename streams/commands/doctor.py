"""`plg doctor`: what can be had from the events of a bus, and which lines of the config are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import ConfigOption, bytes_progress, console, errors, progress
from streams.settings import read_settings


def doctor(
    events: Annotated[
        list[Path] | None,
        typer.Option(
            "--events", help="Recorded events instead of the bus: JSON lines, plain or gzip.", show_default=False
        ),
    ] = None,
    for_: Annotated[str, typer.Option("--for", help="How long to look at the bus, such as 60s or 10m.")] = "60s",
    last: Annotated[
        int, typer.Option(min=0, help="About how many of the newest records to begin with, before what comes.")
    ] = 20_000,
    json: Annotated[bool, typer.Option("--json", help="All of it as one JSON object.")] = False,
    config: ConfigOption = None,
) -> None:
    """
    Look at the bus for a minute, or at a file, and say what can be had from the events and what is missing.

    It reads the topics of the config (source:) with the config's names and paths, as a worker would, but joins no
    group, commits nothing and sends nothing. It says: the format; which names have a role, and which of the others
    read like one, with lines to paste; how many events name a user and a workspace; clocks, delays and copies; which
    signals and numbers of the funnel can come from these events, and what each of the others lacks.

    Ends with 0 if nothing needs doing, with 1 if something does (marked !), with 2 where it cannot look. Ctrl-C ends
    the look early and tells what was seen. A minute shows what is frequent: of what is rare, look at a recorded month.

        plg doctor --for 5m
        plg doctor --events events.jsonl.gz
    """
    import msgspec

    from signals.doctor import Doctor
    from signals.doctor_findings import PROBLEM
    from signals.errors import ConfigError
    from signals.units import parse_duration
    from streams.config_source import load_config
    from streams.doctor import look_at_bus, look_at_files
    from streams.doctor_view import lines_of
    from streams.reach import require_broker
    from streams.sources import source_topics

    settings = read_settings()
    loaded = load_config(config or settings.config)
    try:
        seconds = 0.0 if for_.strip() in {"0", "0s"} else parse_duration(for_).total_seconds()
    except ValueError as error:
        raise ConfigError(f"--for {for_}: {error}") from None
    looker = Doctor(loaded)
    try:
        if events:
            with bytes_progress(events) as advance:
                look_at_files(looker, events, advance)
        else:
            require_broker(settings)
            topics = source_topics(loaded, settings)
            with progress(f"looking at {', '.join(topics[:3])}") as show:
                look_at_bus(looker, topics, settings, seconds=seconds, last=last, on_time=show)
    except KeyboardInterrupt:
        errors.print("ended early: this is what was seen so far")
    made = looker.diagnosis()
    if json:
        console.out(msgspec.json.encode(made).decode(), highlight=False)
    else:
        for style, line in lines_of(made):
            console.print(line, style=style or None, markup=False, soft_wrap=True)
    raise typer.Exit(1 if any(one.severity == PROBLEM for one in made.findings) else 0)
