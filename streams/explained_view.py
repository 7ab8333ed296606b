"""An explanation as a person reads it: sections of aligned lines, the same on a terminal and in a pipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from signals.explanation import Explanation, Told, UserTold, WorkspaceTold
from signals.moments import parse_usual_time
from signals.rule import Scope, Why
from streams.terminal import printable

_USER = Scope.USER.value
# More would not be at a glance.
SHOWN_SIGNALS = 20
_VERDICT_STYLES = {
    "sent": "bold green",
    "bundled": "green",
    "waiting_for_activation": "yellow",
    "quiet_hours": "yellow",
}
# In milliseconds.
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
# Two of a unit before the next one: "47 h", then "2 d".
_ENOUGH = 2

_Row = tuple[str, ...]


def lines(told: Explanation, read_at: int | None = None) -> Iterator[Text]:
    """
    The whole of it, line by line.

    Args:
        told: The explanation.
        read_at: When it was read by the wall clock, Unix milliseconds; None of files.
    """
    yield Text(_title(told), style="bold")
    yield Text(_state_line(told, read_at), style="dim")
    for warning in told.warnings:
        yield Text(f"warning: {printable(warning)}", style="bold yellow")
    now = parse_usual_time(told.now) or 0
    if told.workspace is not None:
        yield from _section("what is known", _workspace_rows(told.workspace, now))
    if told.user is not None:
        yield from _section("what is known", _user_rows(told.user, now))
    yield from _signals(told)
    earlier = [(_when(one.decided_at), one.signal, one.verdict, one.reason or "") for one in told.verdicts]
    yield from _section("earlier verdicts", earlier)
    missing = [(gap.signal, gap.missing) for gap in told.gaps]
    if told.untold:
        missing.append(("the others", f"no distance to tell: {', '.join(told.untold)}"))
    yield from _section("what is missing", missing)
    waits = [
        (_when(wait.due), _distance(wait.due, now), _named(wait.what, wait.key), f"unless {wait.unless}")
        for wait in told.waits
    ]
    yield from _section("what is due", waits)
    alerts = [
        (_when(one.since), one.priority, f"to {one.route}", f"ends {_distance(one.closes_at, now)}", one.title)
        for one in told.alerts
    ]
    yield from _section("open alerts", alerts)
    yield from _section("what joins the next alert", [(_reason(why),) for why in told.pending])
    hushed = [
        (one.signal or "all signals", one.what, f"until {_when(one.until)}" if one.until else "") for one in told.hushed
    ]
    yield from _section("what sales does not hear of", hushed)


def _title(told: Explanation) -> str:
    about = told.workspace or told.user
    name = told.workspace.name if told.workspace is not None else None
    whose = [part for part in (name, about.domain if about is not None else None) if part]
    return printable(f"{told.scope} {told.id}" + (f" ({', '.join(whose)})" if whose else ""))


def _state_line(told: Explanation, read_at: int | None) -> str:
    origin = told.origin
    said = [f"at {_when(told.now)} UTC, config {told.config}, from {printable(origin.place)}"]
    if origin.written_at is not None:
        said.append(f"stored {_ago(origin.written_at, read_at)}")
    if origin.checkpoint_at is not None:
        said.append(f"checkpoint {_ago(origin.checkpoint_at, read_at)}")
    if origin.behind is not None:
        said.append("nothing waits" if not origin.behind else f"{origin.behind:,} records of its log are not in it yet")
    return "; ".join(said)


def _workspace_rows(about: WorkspaceTold, now: int) -> Iterator[_Row]:
    yield "members", f"{about.members:,}"
    if about.active_users:
        yield "active users", _by_window(about.active_users)
    if about.core_events:
        yield "core events", _by_window(about.core_events)
    moments = {
        "first event": about.first_event_at,
        "newest event": about.newest_event_at,
        "newest activity": about.active_at,
    }
    for label, moment in moments.items():
        if moment is not None:
            yield label, f"{_when(moment)} ({_distance(moment, now)})"
    yield from _paid_rows(about)
    if about.employees is not None:
        yield "employees", f"{about.employees:,g}"
    gate = about.gate
    since = "" if gate.activated_at is None else f", {_when(gate.activated_at)}"
    yield "activation gate", f"{'open' if gate.open else 'closed'}: {gate.because}{since}"
    if about.score is not None or about.score_parts:
        parts = ", ".join(f"{name} {points:+g}" for name, points in about.score_parts.items())
        total = "" if about.score is None else f"{about.score:g}"
        yield "score", ": ".join(part for part in (total, parts) if part)
    if about.trial is not None:
        yield "trial", f"ends {_when(about.trial.ends_at)} ({_distance(about.trial.ends_at, now)})"
    if about.moved_to is not None:
        yield "moved", f"its user went to {about.moved_to}"


def _paid_rows(about: WorkspaceTold) -> Iterator[_Row]:
    """What it pays for, and what it uses of it."""
    plan = "unknown" if about.plan is None else f"{about.plan}, {'paying' if about.paying else 'not paying'}"
    yield "plan", plan
    if about.seats is not None:
        share = "" if about.seats_used is None else f", {about.seats_used:.0%} taken"
        yield "seats", f"{about.seats:,g}{share}"
    for usage in about.usage:
        share = f"{usage.used:,g} of {usage.limit:,g} ({usage.used / usage.limit:.0%})"
        yield f"usage {usage.metric}".strip(), f"{share} in {usage.period}, reported {_when(usage.reported_at)}"


def _user_rows(about: UserTold, now: int) -> Iterator[_Row]:
    for label, moment in (("signed up", about.signed_up_at), ("activated", about.activated_at)):
        yield label, "not seen" if moment is None else f"{_when(moment)} ({_distance(moment, now)})"
    yield "active days", _by_window(about.active_days)
    for one in about.workspaces:
        seen = f", last on {one.newest_active_day}" if one.newest_active_day else ""
        left = f", removed {_when(one.removed_at)}" if one.removed_at and not one.member else ""
        what = f"{'member' if one.member else 'no member'}{left}; active days {_by_window(one.active_days)}{seen}"
        yield f"workspace {one.workspace_id}", what
    if about.employees is not None:
        yield "employees", f"{about.employees:,g}"
    for name, day in about.core.items():
        yield "core feature", f"{name}, last on {day}"
    for feature, attempts in about.refused.items():
        yield "refused feature", f"{feature or '(unnamed)'}, {attempts} attempts"
    if about.internal:
        yield "internal", "one of your own people: raises nothing"


def _signals(told: Explanation) -> Iterator[Text]:
    """Each signal with its verdict, and below it why it fired."""
    yield Text()
    yield Text("what fired" if told.signals else "nothing has fired", style="bold underline")
    wanted = [one for one in told.signals if not _is_aside(one, told)]
    folded = Counter(one.signal for one in told.signals) - Counter(one.signal for one in wanted[-SHOWN_SIGNALS:])
    if folded:
        counts = ", ".join(f"{signal} {count:,}" for signal, count in folded.most_common())
        yield Text(f"  not shown, but with --json: {printable(counts)}", style="dim")
    shown = wanted[-SHOWN_SIGNALS:]
    table = [
        (_when(one.occurred_at), one.signal, _whose(one, told), (one.verdict or "no verdict found"), one.reason or "")
        for one in shown
    ]
    for one, text in zip(shown, _aligned(table), strict=True):
        yield Text(f"  {text}".rstrip(), style=_VERDICT_STYLES.get(one.verdict or "", ""))
        yield Text(f"    {printable(_why(one))}", style="dim")


def _is_aside(one: Told, told: Explanation) -> bool:
    """Of a user of a workspace, and for nobody to hear of: there are hundreds, such as the activations of all users."""
    return told.workspace is not None and one.scope == _USER and one.verdict == "unrouted"


def _whose(one: Told, told: Explanation) -> str:
    if one.user_id is not None and one.user_id != told.id:
        return f"by {one.user_id}"
    return "" if one.n is None or one.n == 1 else f"number {one.n}"


def _why(one: Told) -> str:
    if one.evidence is None:
        return "its evidence is older than what was read (--since)"
    reasons = [_reason(why) for why in one.why] or [f"{name} {_value(value)}" for name, value in one.evidence.items()]
    said = ": ".join(part for part in (one.headline, ", ".join(reasons)) if part)
    return said or "no evidence: that it happened is all"


def _reason(why: Why) -> str:
    threshold = f" (threshold {_value(why.threshold)})" if why.threshold is not None else ""
    return f"{why.fact} {_value(why.value)}{threshold}"


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _section(title: str, rows: Iterable[_Row]) -> Iterator[Text]:
    """A title and its rows, nothing where there are none."""
    table = list(rows)
    if table:
        yield Text()
        yield Text(title, style="bold underline")
        yield from (Text(f"  {text}".rstrip()) for text in _aligned(table))


def _aligned(rows: Sequence[_Row]) -> Iterator[str]:
    """Rows with every column as wide as its longest cell; the last one is as long as it is."""
    shown = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True) if width)
        yield "  ".join((*cells, row[-1]))


def _by_window(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} in {window}" for window, count in counts.items())


def _named(what: str, key: str | None) -> str:
    return f"{what} [{key}]" if key else what


def _when(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _ago(moment: str, now: int | None) -> str:
    return f"{_when(moment)}" if now is None else _distance(moment, now)


def _distance(moment: str, now: int) -> str:
    """How far a moment is from now, in its largest unit of which there are at least two."""
    ahead = (parse_usual_time(moment) or now) - now
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s")):
        if abs(ahead) >= _ENOUGH * unit:
            return f"in {ahead // unit} {name}" if ahead > 0 else f"{-ahead // unit} {name} ago"
    return "now"
