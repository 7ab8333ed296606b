"""`plg mute`, `unmute`, `snooze` and `close`: what people tell policy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from signals.errors import PlgError
from signals.facts import Order
from signals.orders import CommandMessage
from streams.commands.common import ConfigOption, console
from streams.settings import read_settings


class OrderRefused(PlgError):
    """An order that nobody could follow; the text says what is missing."""


WorkspaceOption = Annotated[
    str, typer.Option("--workspace", "-w", help="The workspace, by its id.", show_default=False)
]
SignalOption = Annotated[str, typer.Option("--signal", "-s", help="One signal, by its name.", show_default=False)]
ForOption = Annotated[str, typer.Option("--for", help="For this long from now, such as 12h or 7d.", show_default=False)]
UntilOption = Annotated[
    str,
    typer.Option(
        "--until", help="Until then, such as 2026-12-01 or 2026-12-01T09:00 (in time_zone).", show_default=False
    ),
]


def mute(
    workspace: WorkspaceOption = "",
    signal: SignalOption = "",
    for_: ForOption = "",
    until: UntilOption = "",
    config: ConfigOption = None,
) -> None:
    """
    Let nobody hear of a workspace, of a signal in it, or of a signal anywhere.

    Without --for and --until it is for good, or until `plg unmute`. What is muted is still found, counted and shown in
    the workspace's snapshot, with the verdict `muted`; it is not sent later.
    """
    _send(Order.MUTE, workspace, signal, _end(for_, until, config), None, config)


def unmute(workspace: WorkspaceOption = "", signal: SignalOption = "", config: ConfigOption = None) -> None:
    """
    Hear of it again: takes back a mute with the same --workspace and --signal.

    With --workspace alone it also ends a snooze.
    """
    _send(Order.UNMUTE, workspace, signal, None, None, config)


def snooze(
    workspace: Annotated[str, typer.Argument(help="The workspace, by its id.")],
    for_: ForOption = "",
    until: UntilOption = "",
    config: ConfigOption = None,
) -> None:
    """Let nobody hear of a workspace until a time; say --for or --until."""
    end = _end(for_, until, config)
    if end is None:
        raise OrderRefused("a snooze has an end: say --for 7d or --until 2026-12-01; without an end it is `plg mute`")
    _send(Order.SNOOZE, workspace, "", end, None, config)


def close(
    workspace: Annotated[str, typer.Argument(help="The workspace, by its id.")],
    reason: Annotated[str, typer.Option(help="What people will read: why nobody needs to act.")] = "done",
    config: ConfigOption = None,
) -> None:
    """Close the open alerts of a workspace: it leaves the work queue, and Slack says so."""
    _send(Order.CLOSE, workspace, "", None, reason, config)


def _end(for_: str, until: str, config: ConfigOption) -> datetime | None:
    from signals.moments import parse_time
    from signals.units import parse_duration
    from streams.config_source import load_config

    if for_ and until:
        raise OrderRefused("say --for or --until, not both")
    if for_:
        try:
            return datetime.now(UTC) + parse_duration(for_)
        except ValueError as error:
            raise OrderRefused(f"--for {for_}: {error}") from None
    if not until:
        return None
    moment = parse_time(until, load_config(config or read_settings().config).zone)
    if moment is None:
        raise OrderRefused(f"--until {until}: not a time; write 2026-12-01 or 2026-12-01T09:00:00Z")
    return datetime.fromtimestamp(moment / 1_000, UTC)


def _send(
    order: Order, workspace: str, signal: str, end: datetime | None, reason: str | None, config: ConfigOption
) -> None:
    from signals.thresholds import check_signal
    from streams.config_source import load_config
    from streams.ordering import send_command

    settings = read_settings()
    now = datetime.now(UTC)
    if end is not None and end <= now:
        raise OrderRefused(f"the end, {end:%Y-%m-%d %H:%M} UTC, is over")
    in_force = load_config(config or settings.config)
    try:
        if signal:
            check_signal(signal, in_force.custom)
        message = CommandMessage(
            command=order,
            workspace_id=workspace or None,
            signal=signal or None,
            until=end,
            reason=reason,
            issued_at=now,
        )
    except ValidationError as error:
        raise OrderRefused(
            "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        ) from None
    except ValueError as error:
        raise OrderRefused(str(error)) from None
    send_command(message, in_force, settings)
    whom = " of ".join(part for part in (signal and f"signal {signal}", workspace and f"workspace {workspace}") if part)
    console.print(
        f"{order.value} {whom}" + (f" until {end:%Y-%m-%d %H:%M} UTC" if end else "") + ": sent", markup=False
    )
