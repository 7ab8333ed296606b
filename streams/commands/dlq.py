"""`plg dlq`: the dead letters looked at, and put on their way again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from signals.moments import iso
from streams.commands.common import ConfigOption, console, errors, progress
from streams.settings import read_settings

if TYPE_CHECKING:
    from streams.dlq import Group
    from streams.letters import Letter
    from streams.redrive import Choice, Plan

app = typer.Typer(
    help=(
        "Dead letters: records that could not be used, kept with their reason on <prefix>.dead-letters for 30 days.\n\n"
        "`plg dlq list` counts them, `plg dlq show` prints one, `plg dlq redrive` puts them on their way again once "
        "the cause is fixed. docs/contract.md explains every reason."
    ),
    no_args_is_help=True,
)

Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="Only this reason; several times for several.", show_default=False)
]
OriginTopic = Annotated[str, typer.Option("--topic", help="Only letters whose original stands on this topic.")]


@app.command("list")
def list_letters(
    config: ConfigOption = None,
    reason: Reasons = None,
    topic: OriginTopic = "",
    each: Annotated[bool, typer.Option("--each", help="A line a letter, with its place, instead of counts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, for scripts.")] = False,
) -> None:
    """
    Count the dead letters by reason and topic, with the oldest and the newest, and how many have been redriven.

    With --each, a line a letter: its place (for `plg dlq show`), its reason, where its original stands, its size.
    """
    from streams.config_source import load_config
    from streams.dlq import letters, survey

    settings = read_settings()
    loaded, choice = load_config(config or settings.config), _choice(reason, topic)
    if each:
        # The lines are the progress; a bar would stand among them.
        for letter in letters(loaded, settings, choice):
            _say(_each_json(letter) if as_json else _each_text(letter))
        return
    with progress("reading") as on_record:
        groups = survey(loaded, settings, choice, on_record)
    for group in groups:
        _say(_group_json(group) if as_json else _group_text(group))
    if not groups and not as_json:
        _say("no dead letters")


@app.command("show")
def show(
    place: Annotated[str, typer.Argument(help="Where it stands, as `plg dlq list --each` prints it: 3/15.")],
    config: ConfigOption = None,
    chars: Annotated[int, typer.Option(min=0, help="How much of the value to print.")] = 2_000,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the value's bytes to standard output, and no more.")
    ] = False,
) -> None:
    """
    Print one dead letter: where its original stands, why it is here, and the beginning of its value.

    The value is what your product sent: it may hold names, e-mail addresses and whatever else is in your events.
    """
    from streams.config_source import load_config
    from streams.dlq import find
    from streams.letters import parse_place
    from streams.redrive import why_not
    from streams.terminal import printable
    from streams.topics import Topics

    settings = read_settings()
    loaded = load_config(config or settings.config)
    topics = Topics(loaded.prefix, loaded.topics.partitions)
    letter = find(loaded, settings, parse_place(place, topics.dead_letters))
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        return
    value = letter.value
    lines = {
        "place": f"{topics.dead_letters}/{letter.place}, written {iso(letter.written_at)}",
        "original": f"{letter.topic}/{letter.partition}/{letter.offset}"
        + ("" if letter.time is None else f", of {iso(letter.time)}"),
        "reason": letter.reason,
        "error": letter.error,
        "redrive": why_not(letter, topics) or "possible",
        "value": "none" if value is None else f"{len(value):,} bytes",
    }
    for name, text in lines.items():
        _say(f"{name + ':':<10}{printable(text)}")
    if value:
        # Four bytes are the longest character; what is cut in its middle is escaped.
        text = value[: 4 * chars].decode("utf-8", "backslashreplace")
        more = " ..." if len(text) > chars or len(value) > 4 * chars else ""
        _say(printable(text[:chars]) + more)


@app.command("redrive")
def redrive(
    config: ConfigOption = None,
    reason: Reasons = None,
    topic: OriginTopic = "",
    place: Annotated[
        list[str] | None,
        typer.Option("--place", help="Only the letter at this place, such as 3/15; several times for several."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also what has been redriven before; such events may count twice.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """
    Put dead letters on their way again: after the config (or the code) was fixed and the workers run with it.

    A record of the product goes to <prefix>.redrive, which the workers read beside the product's topics; its time is
    that of the original. An alert that a sink has parked goes to the end of <prefix>.alerts; sinks that have it drop
    the copy by its id. Anything else stays, and the reason is said.

    Each original is sent once: what has arrived is left out by the next run, also after Ctrl-C or a crash, so run it
    again until nothing is left. One run at a time. A record that fails again becomes a new dead letter, whose original
    is the one on <prefix>.redrive. Ends with 1 if the broker did not take all.
    """
    from streams.config_source import load_config
    from streams.redrive import Redrive

    settings = read_settings()
    loaded = load_config(config or settings.config)
    choice = _choice(reason, topic, place, f"{loaded.prefix}.dead-letters")
    with Redrive(loaded, settings, choice, again=again) as run:
        with progress("reading") as on_record:
            run.read(on_record)
        _print_plan(run.plan)
        if dry_run or not run.plan.total:
            return
        if not yes:
            typer.confirm(f"Send {run.plan.total:,} at {settings.kafka}?", abort=True)
        try:
            with progress("sending") as on_sent:
                run.send(on_sent)
        except KeyboardInterrupt:
            _say(f"sent {run.outcome.sent:,} of {run.plan.total:,}; run it again, it goes on from there")
            raise
        _say(f"sent {run.outcome.sent:,}")
        for said, count in run.outcome.failed.items():
            errors.print(f"not sent: {count:,} ({said}); run it again, it goes on from there", markup=False)
        raise typer.Exit(1 if run.outcome.failed else 0)


def _choice(reasons: list[str] | None, topic: str, places: list[str] | None = None, letters: str = "") -> Choice:
    from streams.letters import parse_place
    from streams.redrive import Choice

    chosen = frozenset(parse_place(place, letters) for place in places or ())
    return Choice(frozenset(reasons or ()), topic, chosen)


def _print_plan(plan: Plan) -> None:
    for target, count in sorted(plan.going.items()):
        _say(f"to {target}: {count:,}")
    for said, count in (
        ("redriven before", plan.redriven),
        ("copies of one record", plan.copies),
        ("settled by `plg topics reset`, which has read the originals again", plan.settled),
    ):
        if count:
            _say(f"left out: {count:,} {said}")
    for why, count in plan.staying.most_common():
        _say(f"cannot be redriven: {count:,} ({why})")
    if not plan.total:
        _say("nothing to send")


def _group_text(group: Group) -> str:
    from streams.terminal import printable

    details = [f"{iso(group.oldest)} to {iso(group.newest)}"]
    if group.redriven:
        details.append(f"{group.redriven:,} redriven")
    if group.not_redrivable:
        details.append(f"{group.not_redrivable:,} cannot be redriven")
    return f"{group.count:>9,}  {printable(group.reason):<28} {printable(group.topic)}  {', '.join(details)}"


def _group_json(group: Group) -> str:
    import msgspec

    shown = msgspec.structs.asdict(group) | {"oldest": iso(group.oldest), "newest": iso(group.newest)}
    return msgspec.json.encode(shown).decode()


def _each_text(letter: Letter) -> str:
    from streams.terminal import printable

    size = "no value" if letter.value is None else f"{len(letter.value):,} bytes"
    origin = f"{letter.topic}/{letter.partition}/{letter.offset}"
    return f"{letter.place!s:<10} {iso(letter.written_at)}  {printable(letter.reason):<28} {printable(origin)}  {size}"


def _each_json(letter: Letter) -> str:
    import msgspec

    shown = {
        "place": str(letter.place),
        "written_at": iso(letter.written_at),
        "reason": letter.reason,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "timestamp": None if letter.time is None else iso(letter.time),
        "bytes": None if letter.value is None else len(letter.value),
    }
    return msgspec.json.encode(shown).decode()


def _say(line: str) -> None:
    # Text of others: no markup in it means anything, no :name: is an emoji.
    console.print(line, markup=False, emoji=False, soft_wrap=True)
