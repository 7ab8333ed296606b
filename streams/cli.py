"""The command line: `plg`. Each command reads its arguments, calls one function, and says what came of it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException
from rich.console import Console

from signals.errors import PlgError
from streams.logs import configure_logs
from streams.settings import read_settings

app = typer.Typer(
    name="plg",
    help=(
        "Tells sales, in real time and with reasons, which product-led accounts deserve a human now.\n\n"
        "Start with `plg demo`. Beside your own bus: write config/plg.yaml, look at it with `plg check`, make our "
        "topics with `plg topics create`, then run `plg worker` and `plg sinks redis`. Environment variables name "
        "the servers: PLG_KAFKA, PLG_REDIS_URL; PLG_CONFIG names the config."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
topics_app = typer.Typer(
    help="Our topics: make them, hold them against the config, write one to a file.", no_args_is_help=True
)
sinks_app = typer.Typer(help="The processes that carry alerts out.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(sinks_app, name="sinks")

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The config file; PLG_CONFIG, else config/plg.yaml.", show_default=False)
]
ConfigArgument = Annotated[Path, typer.Argument(help="A config file, such as config/plg.yaml.")]


def main() -> None:
    """Run the command line: an expected error is one message and exit code 2, Ctrl-C exit code 130."""
    try:
        app()
    except PlgError as error:
        errors.print(f"plg: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except KafkaException as error:
        errors.print(
            f"plg: Kafka at {read_settings().kafka}: {error.args[0].str()}; PLG_KAFKA names another",
            markup=False,
            soft_wrap=True,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)


@app.command()
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
    from streams.config_source import load_config
    from streams.demo import DEMO_CONFIG, run_demo

    try:
        for_s = parse_duration(for_).total_seconds() if for_ else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    plain = plain or not console.is_terminal
    code = run_demo(load_config(DEMO_CONFIG), for_s=for_s, plain=plain, console=console, seed=seed)
    raise typer.Exit(code)


@app.command()
def worker(config: ConfigOption = None) -> None:
    """
    Run one worker beside your bus: reads events, keeps state, emits signals and alerts.

    Start one per core; they share the work by themselves. Ends with 0 at SIGTERM, with 70 when it had to stop itself:
    start it again then, it goes on where it was.
    """
    from streams.config_source import load_config
    from streams.worker import run_worker

    configure_logs()
    settings = read_settings()
    raise typer.Exit(run_worker(load_config(config or settings.config), settings))


@sinks_app.command("redis")
def sinks_redis(config: ConfigOption = None) -> None:
    """
    Carry alerts and workspace snapshots to Redis, each alert once.

    While Redis is away it waits, loses nothing, and says so. PLG_REDIS_URL: redis://, rediss:// or unix://.
    """
    from sinks.delivery import run_delivery
    from sinks.redis import RedisSink
    from streams.config_source import load_config

    configure_logs()
    settings = read_settings()
    loaded = load_config(config or settings.config)
    sink = RedisSink(settings.redis_url.get_secret_value(), loaded.prefix)
    session = {"session.timeout.ms": str(int(settings.session_timeout_s * 1_000))}
    run_delivery(sink, settings.kafka, loaded.prefix, session, connect_timeout_s=settings.connect_timeout_s)


@topics_app.command("create")
def topics_create(
    config: ConfigOption = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also the topics of the product's events, for trying things out.")
    ] = False,
) -> None:
    """Make the topics of ours that are missing; those that exist stay as they are."""
    from streams.admin import create_topics
    from streams.config_source import load_config

    settings = read_settings()
    created = create_topics(load_config(config or settings.config), settings, sources=sources)
    console.print("\n".join(f"created {name}" for name in created) or "nothing to do: every topic is there")


@topics_app.command("check")
def topics_check(config: ConfigOption = None) -> None:
    """Hold every topic against the config; ends with 1 if one does not fit."""
    from streams.admin import check_topics
    from streams.config_source import load_config

    settings = read_settings()
    reports = check_topics(load_config(config or settings.config), settings)
    for report in reports:
        console.print(f"{report.name}: {report.problem or f'ok, {report.partitions} partitions'}")
    raise typer.Exit(1 if any(report.problem for report in reports) else 0)


@topics_app.command("reset")
def topics_reset(
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


@topics_app.command("record")
def topics_record(
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


@app.command()
def check(config: ConfigArgument) -> None:
    """Read a config as a worker would: every problem with line and column, and a warning for what can do nothing."""
    from signals.config import warnings
    from signals.domains import Domains
    from streams.config_source import load_config

    loaded = load_config(config)
    for warning in [*warnings(loaded), *Domains(loaded.domains).warnings(loaded.domains)]:
        errors.print(f"warning: {warning}", soft_wrap=True, markup=False)
    console.print(f"{config}: ok, config {loaded.hash}")


@app.command()
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
    with _bytes_progress(files) as advance:
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


@app.command()
def backtest(  # options of a command
    config: ConfigArgument,
    files: Annotated[list[Path], typer.Argument(help="JSON lines, plain or gzip, in the order they happened.")],
    out: Annotated[Path, typer.Option("--out", help="One signal a line, with its verdict; .gz compresses it.")],
    until: Annotated[str, typer.Option(help="Let time pass up to here at the end; the newest event without it.")] = "",
    facts: Annotated[
        bool,
        typer.Option("--facts", help="The files are recordings of <prefix>.workspace-facts (`plg topics record`)."),
    ] = False,
) -> None:
    """
    Run the same steps, rules and policy over files instead of a bus: what would have fired, when, and why.

    No broker, no Redis. The ids are the ones that a live worker gives to the same events.
    """
    from streams.backtesting import backtest_events, backtest_facts
    from streams.config_source import load_config

    loaded = load_config(config)
    run = backtest_facts if facts else backtest_events
    with _bytes_progress(files) as advance:
        report = run(loaded, files, out, until=until or None, on_bytes=advance)
    console.print(report.text(out))


def _bytes_progress(files: list[Path]):  # type: ignore[no-untyped-def]  # noqa: ANN202  # a context manager of a callable
    from contextlib import contextmanager

    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    @contextmanager
    def shown():  # type: ignore[no-untyped-def]  # noqa: ANN202
        total = sum(file.stat().st_size for file in files if file.exists())
        with Progress(
            "{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=errors, transient=True
        ) as progress:
            task = progress.add_task("reading", total=total)
            yield lambda count: progress.update(task, advance=count)

    return shown()


if __name__ == "__main__":
    main()
