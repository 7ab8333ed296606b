"""`plg diff`: what two prefixes have made of the same events, such as production and a shadow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.common import ConfigOption, console, progress
from streams.settings import read_settings
from streams.terminal import printable

if TYPE_CHECKING:
    from streams.prefix_diff import Diff, Moment

_LISTED = 20


def diff(
    left: Annotated[str, typer.Argument(help="A prefix, such as plg.")],
    right: Annotated[str, typer.Argument(help="The other one, such as shadow.")],
    config: ConfigOption = None,
    since: Annotated[str, typer.Option(help="Only what was sent since this time, such as 2026-11-01.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="So many lines of each list; 0 for all.")] = _LISTED,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything, for scripts.")] = False,
) -> None:
    """
    Compare the signals and alerts of two prefixes that read the same product.

    For a shadow that tries another config: `plg worker --config new.yaml --prefix shadow`, some days later
    `plg diff plg shadow`. Lists what only one of them has, and what another event has raised in the other. Events that
    only one of them has read are left out. Ends with 0 if both have the same, with 1 if not, as diff does.
    """
    from signals.moments import parse_time
    from streams.config_source import load_config
    from streams.prefix_diff import diff_prefixes
    from streams.topics import Topics

    settings = read_settings()
    loaded = load_config(config or settings.config)
    since_ms = parse_time(since, loaded.zone) if since else None
    if since and since_ms is None:
        raise typer.BadParameter("not a time; write 2026-11-01 or 2026-11-01T12:00:00Z", param_hint="--since")
    here, there = (Topics(prefix, loaded.topics.partitions) for prefix in (left, right))
    found = diff_prefixes(here, there, settings, since=since_ms, progress=progress)
    if as_json:
        print(json.dumps({"signals": _json(found.signals, left, right), "alerts": _json(found.alerts, left, right)}))
    else:
        _say("signals", found.signals, left, right, limit)
        _say("alerts", found.alerts, left, right, limit)
    raise typer.Exit(0 if found.signals.is_empty and found.alerts.is_empty else 1)


def _say(what: str, found: Diff, left: str, right: str, limit: int) -> None:
    heads = f"only {left}", f"only {right}"
    wide = max(14, *map(len, heads)) + 2
    lines = [f"{what:<24}{'same':>10}{'moved':>10}{heads[0]:>{wide}}{heads[1]:>{wide}}"]
    for name, (same, moved, here, there) in found.counts().items():
        lines.append(f"  {name:<22}{same:>10,}{moved:>10,}{here:>{wide},}{there:>{wide},}")
    if found.unseen:
        lines.append(f"  {found.unseen:,} more were raised by events that only one of both has read")
    for title, listed in (
        (f"only {left}", [_text(one) for one in found.only_left]),
        (f"only {right}", [_text(one) for one in found.only_right]),
        ("moved", [f"{_text(one)} -> {other.occurred_at}" for one, other in found.moved]),
    ):
        shown = listed[: limit or None]
        lines += [f"{title}:" if shown else "", *(f"  {line}" for line in shown)] if listed else []
        if len(shown) < len(listed):
            lines.append(f"  and {len(listed) - len(shown):,} more; --limit 0 lists all")
    console.print("\n".join(line for line in lines if line), markup=False, soft_wrap=True)


def _text(one: Moment) -> str:
    # Ids are whatever the product's users may choose.
    return printable(f"{one.occurred_at}  {one.signal:<22} {one.subject}")


def _json(found: Diff, left: str, right: str) -> dict[str, object]:
    def plain(one: Moment) -> dict[str, str]:
        return {"signal": one.signal, "subject": one.subject, "occurred_at": one.occurred_at, "event_id": one.event_id}

    return {
        "same": dict(found.same),
        "unseen": found.unseen,
        "only": {left: [plain(one) for one in found.only_left], right: [plain(one) for one in found.only_right]},
        "moved": [{left: plain(one), right: plain(other)} for one, other in found.moved],
    }
