"""`plg rebuild`: what is made from the topics made again, where it was lost."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.common import ConfigOption, console, errors, progress
from streams.settings import read_settings

if TYPE_CHECKING:
    from streams.rebuilding import Rebuilt

app = typer.Typer(help="Make again from the topics what another server has lost.", no_args_is_help=True)

# Redis itself is in the way; the other refusals are the record's own, and the sink has parked them.
_IN_THE_WAY = ("wrong_type", "redis_error")


@app.command("redis")
def redis(
    config: ConfigOption = None,
    empty: Annotated[
        bool,
        typer.Option(
            "--empty", help="First delete every key of the prefix; asks, and wants `plg sinks redis` stopped."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """
    Write Redis again from <prefix>.alerts and <prefix>.workspaces: after FLUSHALL, an empty restart, a failover.

    Afterwards Redis is as a sink would have left it that nothing happened to: each alert once in the stream, the open
    ones in the queues, the newest snapshots. The stream has the order of time. What is there already stays, so run it
    as often as you like, with `plg sinks redis` running or not; Ctrl-C loses nothing, run it again.

    Nobody is rung twice: alerts that the sink had delivered are not told on the live channel again. What readers of
    the stream remember as their place is gone with the stream: they see its alerts again and know them by their id.

    --empty is for what marks of the sink hide: the stream was deleted by hand or evicted, a backup of days ago was
    put in place, a key of ours has the wrong type, a topic was made anew. What the topics no longer hold is then gone.

    Ends with 1 if a key that is not ours stands in the way.
    """
    from streams.config_source import load_config
    from streams.rebuilding import Rebuild, Rebuilt

    settings = read_settings()
    loaded = load_config(config or settings.config)
    found = {"alerts": Rebuilt(), "workspaces": Rebuilt()}
    with closing(Rebuild(loaded, settings)) as run:
        if empty:
            run.require_no_sink()
            if not yes:
                typer.confirm(f"Delete every key {{{loaded.prefix}}}:* in Redis and write them again?", abort=True)
            _say(f"deleted {run.empty():,} keys")
        try:
            for topic, write in (("alerts", run.alerts), ("workspaces", run.workspaces)):
                with progress(topic) as on_record:
                    write(found[topic], on_record)
                _say(f"{topic}: {_text(found[topic])}")
        except KeyboardInterrupt:
            _say("what is written stays; run it again, it goes on from there")
            raise
    in_the_way = {reason: text for one in found.values() for reason, text in one.details.items()}
    for reason in _IN_THE_WAY:
        if reason in in_the_way:
            errors.print(f"{reason}, for example: {in_the_way[reason]}", markup=False, emoji=False, soft_wrap=True)
    raise typer.Exit(1 if in_the_way.keys() & set(_IN_THE_WAY) else 0)


def _text(rebuilt: Rebuilt) -> str:
    parts = [f"{rebuilt.written:,} written", f"{rebuilt.known:,} already there"]
    if rebuilt.elsewhere:
        parts.append(f"{rebuilt.elsewhere:,} of routes that go elsewhere")
    if rebuilt.refused:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in rebuilt.refused.most_common())
        parts.append(f"{rebuilt.refused.total():,} passed over ({reasons})")
    return ", ".join(parts)


def _say(line: str) -> None:
    console.print(line, markup=False, emoji=False, soft_wrap=True)
