"""`plg sinks`: the processes that carry alerts out."""

from __future__ import annotations

import typer

from streams.commands.common import ConfigOption
from streams.logs import configure_logs
from streams.settings import read_settings

app = typer.Typer(help="The processes that carry alerts out.", no_args_is_help=True)


@app.command("redis")
def redis(config: ConfigOption = None) -> None:
    """
    Carry alerts and workspace snapshots to Redis, each alert once.

    While Redis is away it waits, loses nothing, and says so. PLG_REDIS_URL: redis://, rediss:// or unix://.
    """
    from sinks.delivery import run_delivery
    from sinks.redis import RedisSink
    from streams.config_source import load_config
    from streams.sink_health import sink_health

    configure_logs()
    settings = read_settings()
    loaded = load_config(config or settings.config)
    sink = RedisSink(settings.redis_url.get_secret_value(), loaded.prefix)
    session = {"session.timeout.ms": str(int(settings.session_timeout_s * 1_000))}
    run_delivery(
        sink,
        settings.kafka,
        loaded.prefix,
        session,
        connect_timeout_s=settings.connect_timeout_s,
        watching=sink_health(settings),
    )
