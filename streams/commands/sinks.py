"""`plg sinks`: the processes that carry alerts out, and a test alert through each route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.common import ConfigOption, console
from streams.logs import configure_logs
from streams.settings import read_settings

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer(help="The processes that carry alerts out, and a test of the way out.", no_args_is_help=True)


@app.command("redis")
def redis(config: ConfigOption = None) -> None:
    """
    Carry alerts and workspace snapshots to Redis, each alert once.

    Alerts of routes with redis among their sinks. While Redis is away it waits, loses nothing, and says so.
    PLG_REDIS_URL: redis://, rediss:// or unix://.
    """
    from sinks.delivery import run_delivery
    from streams.config_source import load_config
    from streams.endings import ends_in_time
    from streams.sink_health import sink_health
    from streams.sink_setup import redis_sink

    configure_logs()
    settings = read_settings()
    loaded = load_config(config or settings.config)
    sink = redis_sink(loaded, settings)
    sink.require_access()
    stop = ends_in_time(settings.stop_timeout_s)
    run_delivery(
        sink,
        settings.kafka,
        loaded.prefix,
        _kafka_options(settings),
        stop,
        connect_timeout_s=settings.connect_timeout_s,
        watching=sink_health(settings),
    )


@app.command("slack")
def slack(config: ConfigOption = None) -> None:
    """
    Carry alerts to Slack: once with a bot token that may read the channel, at least once with incoming webhooks.

    Alerts of routes with slack among their sinks, each route to its channel, about one message a second and channel.
    A route that goes to Slack for the first time begins with the alerts of the last hour.

    While Slack is away, a channel is archived or the token is revoked, the routes concerned wait, lose nothing, and
    say what to do; the others go on.

    PLG_SLACK_TOKEN: the bot token, of an app with the scopes chat:write and channels:history (groups:history for
    private channels) that was invited to the channels. Or PLG_SLACK_WEBHOOKS: sales-assist=https://hooks.slack.com/...,
    one for each route, with blanks between them. The README has the app's manifest. Run one such process.
    """
    import structlog

    from sinks.lanes import run_lanes
    from sinks.slack_routing import LOOK_BACK_S, slack_lanes
    from streams.config_source import load_config
    from streams.endings import ends_in_time
    from streams.sink_health import sink_health
    from streams.sink_setup import slack_options

    configure_logs()
    settings = read_settings()
    loaded = load_config(config or settings.config)
    for key, host in loaded.slack.elsewhere.items():
        structlog.get_logger().warning("slack.elsewhere", key=f"slack.{key}", host=host)
    lanes = slack_lanes(slack_options(loaded, settings))
    stop = ends_in_time(settings.stop_timeout_s)
    run_lanes(
        lanes,
        settings.kafka,
        loaded.prefix,
        _kafka_options(settings),
        stop,
        connect_timeout_s=settings.connect_timeout_s,
        look_back_s=LOOK_BACK_S,
        watching=sink_health(settings),
    )


@app.command("test")
def send_tests(
    config: ConfigOption = None,
    route: Annotated[str | None, typer.Option("--route", help="Only this one.", show_default=False)] = None,
) -> None:
    """
    Send one test alert through each route, into each of its sinks, and say whether it arrived.

    It is called a test alert, is about the workspace plg-test, and its id begins with test-. In Slack it stays as a
    message. In Redis it is written like any alert and closed at once: the stream keeps both entries, whoever listens
    to the live channel hears both, the work queue is as before. Needs no Kafka. Ends with 1 if one did not arrive.
    """
    from streams.config_source import load_config
    from streams.trying_sinks import try_routes

    settings = read_settings()
    are_ok = []
    for trial in try_routes(load_config(config or settings.config), settings, route):
        console.print(f"{trial.route}  {trial.sink}  {trial.outcome.text}", markup=False, soft_wrap=True)
        are_ok.append(trial.outcome.is_ok)
    raise typer.Exit(0 if all(are_ok) else 1)


def _kafka_options(settings: Settings) -> dict[str, str]:
    return settings.kafka_options | {"session.timeout.ms": str(int(settings.session_timeout_s * 1_000))}
