"""`plg demo` and `plg worker`: the river itself."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.commands.common import ConfigOption, console
from streams.logs import configure_logs
from streams.settings import read_settings


def demo(
    for_: Annotated[str, typer.Option("--for", help="Stop after this long, such as 20s; without it, at Ctrl-C.")] = "",
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live view; for logs and CI.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed is another set of companies.")] = 7,
) -> None:
    """
    The whole river on this machine: broker, Redis, worker, sink, and a simulated SaaS of 60 days ending now.

    Needs nothing but this installation. Ends with 0 only if alerts reached Redis.
    """
    from signals.units import parse_duration
    from streams.access import forget_access
    from streams.config_source import load_config
    from streams.demo import DEMO_CONFIG, run_demo

    try:
        for_s = parse_duration(for_).total_seconds() if for_ else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    forget_access()
    plain = plain or not console.is_terminal
    code = run_demo(load_config(DEMO_CONFIG), for_s=for_s, plain=plain, console=console, seed=seed)
    raise typer.Exit(code)


def worker(
    config: ConfigOption = None,
    prefix: Annotated[
        str,
        typer.Option(help="Instead of the config's: topics, states and group of its own, made if they are missing."),
    ] = "",
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            help="Where the first start under the prefix begins: earliest, latest or a time, instead of source.start.",
        ),
    ] = "",
) -> None:
    """
    Run one worker beside your bus: reads events, keeps state, emits signals and alerts.

    Start one per core; they share the work by themselves. Ends with 0 at SIGTERM, with 70 when it had to stop itself:
    start it again then, it goes on where it was.

    It watches its config file: what is saved there counts within seconds, in all workers at the same place of each
    log, and a file with mistakes changes nothing (docs/operations.md, "Changing thresholds").

    A shadow tries another config on the live events: `plg worker --config new.yaml --prefix shadow`. It shares no topic
    and no state with the workers in production, and nobody hears of its alerts; `plg diff plg shadow` compares.
    """
    from streams.admin import ensure_topics
    from streams.config_source import ConfigSource
    from streams.worker import run_worker

    configure_logs()
    settings = read_settings()
    source = ConfigSource(config or settings.config, prefix or None, from_ or None)
    loaded = source.read()
    if prefix:
        ensure_topics(loaded, settings)
    raise typer.Exit(run_worker(loaded, settings, source))
