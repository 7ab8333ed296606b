"""The command line: `plg`. The commands are in streams/commands; here is what they have in common when they end."""

from __future__ import annotations

import sys

import typer
from confluent_kafka import KafkaError, KafkaException

from signals.errors import PlgError
from streams.commands import (
    backtest,
    config,
    diff,
    dlq,
    doctor,
    explain,
    funnel,
    health,
    orders,
    rebuild,
    running,
    seeding,
    sinks,
    topics,
    trying,
)
from streams.commands.common import errors
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
for command in (running.demo, running.worker, trying.check, trying.replay, backtest.backtest, diff.diff):
    app.command()(command)
for order in (orders.mute, orders.unmute, orders.snooze, orders.close):
    app.command()(order)
app.command("import")(seeding.import_)
app.command()(doctor.doctor)
app.command()(health.health)
app.add_typer(topics.app, name="topics")
app.add_typer(sinks.app, name="sinks")
app.add_typer(config.app, name="config")
app.add_typer(explain.app, name="explain")
app.add_typer(dlq.app, name="dlq")
app.add_typer(rebuild.app, name="rebuild")
app.add_typer(funnel.app, name="funnel")


def main() -> None:
    """Run the command line: an expected error is one message and exit code 2, Ctrl-C exit code 130."""
    try:
        app()
    except PlgError as error:
        errors.print(f"plg: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except KafkaException as error:
        errors.print(f"plg: {_broker_trouble(error)}", markup=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("stopped")
        sys.exit(130)


def _broker_trouble(error: KafkaException) -> str:
    """Why a broker did not do what a command asked: asked again where it may only not have let us in."""
    from streams.reach import require_broker

    settings = read_settings()
    try:
        require_broker(settings.model_copy(update={"connect_timeout_s": 2.0}))
    except PlgError as found:
        return str(found)
    reason = error.args[0]
    text = reason.str() if isinstance(reason, KafkaError) else reason
    return f"Kafka at {settings.kafka}: {text}; PLG_KAFKA names another"


if __name__ == "__main__":
    main()
