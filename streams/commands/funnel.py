"""`plg funnel`: from sign-up to revenue, live, recomputed or over files; and the process that keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signals.errors import PlgError
from streams.commands.common import (
    ConfigOption,
    HtmlOption,
    bytes_progress,
    progress,
    require_writable,
    show_report,
)
from streams.settings import read_settings

if TYPE_CHECKING:
    from signals.config import Config
    from signals.funnel import FunnelState
    from streams.settings import Settings


class FunnelRefused(PlgError):
    """Options that contradict each other."""


app = typer.Typer(invoke_without_command=True)


@app.callback()
def funnel(
    context: typer.Context,
    *,
    from_topic: Annotated[
        bool,
        typer.Option("--from-topic", help="Recompute it from all that the signals, alerts and verdicts topics hold."),
    ] = False,
    events: Annotated[
        list[Path] | None,
        typer.Option("--events", help="Over recorded events instead, JSON lines, plain or gzip; no broker needed."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All numbers as JSON, every week among them.")] = False,
    html: HtmlOption = None,
    config: ConfigOption = None,
) -> None:
    """
    From sign-up to revenue: where users and workspaces get to, and how long it takes them.

    Shown are weekly cohorts, activation, time to value, retention, free to paid, net dollar retention, virality, and
    what became of signals and alerts, with what others reach beside it. Every share has a mature part, of those who
    have had their whole time, and an immature one, which may still grow. What your events do not carry (no mrr, no
    invites ...) is named. docs/funnel.md has every formula.

    Without options: what `plg funnel run` keeps in <prefix>.funnel; run one such process. `--from-topic` needs none
    and must agree with it, as far back as the topics reach (signals and alerts 90 days, verdicts 30).

    Examples:
      plg funnel
      plg funnel --from-topic --json
      plg funnel --events events.jsonl.gz --html funnel.html
    """
    if context.invoked_subcommand is not None:
        return
    from signals.funnel_html import funnel_html
    from signals.funnel_numbers import measure_funnel
    from signals.funnel_table import funnel_text
    from streams.config_source import load_config

    if from_topic and events:
        raise FunnelRefused("--from-topic and --events: say one of them")
    require_writable("--html", html, events or [])
    settings = read_settings()
    loaded = load_config(config or settings.config)
    state = _state(loaded, settings, events, from_topic=from_topic)
    numbers = measure_funnel(state, loaded.zone, loaded.time_zone)
    show_report(numbers, lambda: funnel_text(numbers), lambda: funnel_html(numbers), html, as_json=as_json)


@app.command("run")
def run(config: ConfigOption = None) -> None:
    """
    Keep the funnel: fold signals, alerts and verdicts as they come, keep the rows in <prefix>.funnel.

    Run one. While a second one has a part of the partitions, both stand still and say so. The health server shows the
    numbers, too: /metrics for Prometheus, /funnel as JSON.
    """
    from sinks.delivery import run_delivery
    from streams.config_source import load_config
    from streams.endings import ends_in_time
    from streams.funnel import FunnelKeeper, funnel_health
    from streams.logs import configure_logs
    from streams.permissions import funnel_needs, require_permissions
    from streams.reach import require_broker
    from streams.topics import Topics

    configure_logs()
    settings = read_settings()
    loaded = load_config(config or settings.config)
    keeper = FunnelKeeper(loaded, settings)
    health = funnel_health(settings, keeper)
    require_broker(settings)
    require_permissions(funnel_needs(Topics(loaded.prefix, loaded.topics.partitions)), settings)
    keeper.recover()
    stop = ends_in_time(settings.stop_timeout_s)
    try:
        run_delivery(
            keeper,
            settings.kafka,
            loaded.prefix,
            settings.kafka_options | {"session.timeout.ms": str(int(settings.session_timeout_s * 1_000))},
            stop,
            connect_timeout_s=settings.connect_timeout_s,
            group=f"{loaded.prefix}-funnel",
            watching=health,
        )
    finally:
        keeper.close()


def _state(loaded: Config, settings: Settings, events: list[Path] | None, *, from_topic: bool) -> FunnelState:
    from streams.funnel import funnel_of_events, read_all, read_rows
    from streams.reach import require_broker
    from streams.topics import Topics

    if events:
        with bytes_progress(events) as advance:
            return funnel_of_events(loaded, events, advance)
    require_broker(settings)
    topics = Topics(loaded.prefix, loaded.topics.partitions)
    with progress("reading") as tell:
        if from_topic:
            return read_all(topics, settings, lambda _topic, done, total: tell(done, total))
        return read_rows(topics, settings, tell)
