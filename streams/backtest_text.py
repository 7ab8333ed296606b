"""A backtest as a person reads it on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from signals.comparing import NEVER_FIRED, Change, ChangedAlert, Difference
from signals.funnel_table import duration
from signals.outcomes_measured import Quality, Rate, Ratio
from signals.selling import Weekday
from streams.backtest_report import BacktestReport, RunReport, SweepReport
from streams.backtest_seed import seed_line
from streams.terminal import printable

# So many changed alerts are listed by name; --json and --html have all of them.
SHOWN_CHANGES = 40
_DAY_S = 86_400


def report_text(report: BacktestReport, out: Path | None) -> str:
    """All of it but what only --json and --html have: days by signal, and the rest of a long list of changes."""
    # Names are those of the product's users.
    return "\n".join(printable(line.rstrip()) for line in _lines(report, out))


def _lines(report: BacktestReport, out: Path | None) -> Iterator[str]:
    speed = report.records / max(report.seconds, 1e-9)
    where = "" if out is None else f" in {out}"
    total = f"{report.records:,} records in {report.seconds:.1f} s ({speed:,.0f} a second)"
    several = f" through {report.configs} configs" if report.configs > 1 else ""
    yield f"{total}{several}; {report.run.fired:,} signals{where}"
    for reason, count in report.dead_letters.items():
        yield f"  dead letters, {reason}: {count:,}"
    if report.seed is not None:
        yield seed_line(report.seed)
    if report.first_event_at is not None and report.until is not None:
        yield history_line(report)
    for remark in report.remarks:
        yield f"note: {remark}"
    yield ""
    if report.sweep is not None:
        yield from sweep_lines(report.sweep)
    elif report.difference is not None and report.old is not None:
        yield from _difference_lines(report, report.difference, report.old)
    else:
        yield from _run_lines(report.run)
    yield ""
    yield from _legend(report)


def history_line(report: BacktestReport) -> str:
    """From when to when, and what counts."""
    begun = (report.counted_from or report.first_event_at or "")[:10]
    days = f"{report.span_days:g} days, {begun} to {(report.until or '')[:10]}"
    counts = f"a conversion counts for {duration(report.horizon_s)} after an alert"
    return f"{days}; {report.run.conversions:,} workspaces began to pay; {counts}"


def _legend(report: BacktestReport) -> Iterator[str]:
    span = duration(report.horizon_s)
    yield f"precision: of workspaces first told of at least {span} ago, those that converted within {span} of it"
    yield f"recall: of workspaces that converted, those with an alert in the {span} before; lead: median time from it"
    yield "lift: precision over the share of those never told of; day-7 lift: the same without its bias"
    yield "[ ]: in nine of ten histories the true share is in there. Left out: who paid before. See docs/backtest.md"


def _run_lines(run: RunReport) -> Iterator[str]:
    head = ["signal", "fired", "alerts", "told in", "workspaces", "precision", "recall", "lead"]
    rows = [
        [
            row.signal,
            f"{row.fired:,}",
            f"{row.opened:,}",
            *([f"{row.told:,}", f"{row.quality.workspaces:,}", *_worth(row.quality)] if row.told else [""] * 5),
        ]
        for row in run.signals
    ]
    every = run.quality
    rows.append(["all", f"{run.fired:,}", f"{every.alerts:,}", "", f"{every.workspaces:,}", *_worth(every)])
    yield from table(head, rows)
    yield ""
    yield from _quality_lines(every)
    yield ""
    for route in run.routes:
        parts = ", ".join(f"{count:,} {name}" for name, count in route.priorities.items())
        yield f"route {route.route}: {route.alerts:,} alerts{f' ({parts})' if parts else ''}"
    verdicts: Counter[str] = Counter()
    for row in run.signals:
        verdicts.update(row.verdicts)
    waiting = run.fired - verdicts.total()
    if waiting:
        verdicts["waiting to the end"] = waiting
    yield "verdicts: " + ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common())
    yield ""
    yield "alerts a day"
    yield from _calendar(run.days)


def _quality_lines(quality: Quality) -> Iterator[str]:
    yield f"lift {ratio_text(quality.lift)}: never told of {rate_text(quality.base)} converted"
    for mark in quality.landmarks:
        yield (
            f"day-{mark.day} lift {ratio_text(mark.lift)}: told of by day {mark.day} {rate_text(mark.alerted)}, "
            f"others {rate_text(mark.others)}"
        )
    young = quality.immature
    if young.of:
        yield f"too young to judge: {young.of:,} workspaces, of which {young.reached:,} have converted already"
    left_out = f"left out: {quality.customers:,} customers already, {quality.too_late:,} told of after they converted"
    yield f"{left_out}, {quality.personal:,} without a workspace"


def sweep_lines(sweep: SweepReport) -> Iterator[str]:
    """The table that a threshold is chosen by; the file's own value is marked."""
    about = "all alerts" if sweep.signal is None else f"alerts that tell {sweep.signal}"
    yield f"sweep of {', '.join(sweep.keys)}: {about}"
    keys = [key.rpartition(".")[2] for key in sweep.keys]
    head = [*keys, "alerts", "workspaces", "a week", "all a week", "precision", "recall", "lift", "day-7 lift", "lead"]
    rows = []
    for row in sweep.rows:
        quality = row.quality
        precision, recall, lead = _worth(quality)
        rows.append(
            [
                *row.values[:-1],
                f"{row.values[-1]}{' <- now' if row.is_own else ''}",
                f"{quality.alerts:,}",
                f"{quality.workspaces:,}",
                _number(quality.per_week),
                _number(row.all_per_week),
                precision,
                recall,
                ratio_text(quality.lift),
                ratio_text(quality.landmarks[0].lift),
                lead,
            ]
        )
    yield from table(head, rows)


def _difference_lines(report: BacktestReport, found: Difference, old: RunReport) -> Iterator[str]:
    counts = ", ".join(f"{found.count(change):,} {change.value}" for change in Change)
    yield f"alerts, config {found.old_config} (old) to {found.new_config} (new): {counts}, {found.same:,} the same"
    yield ""
    head = ["", "alerts", "workspaces", "a week", "precision", "recall", "lift", "lead"]
    rows = []
    for name, run in (("old", old), ("new", report.run)):
        precision, recall, lead = _worth(run.quality)
        quality = run.quality
        counted = [f"{quality.alerts:,}", f"{quality.workspaces:,}", _number(quality.per_week)]
        rows.append([name, *counted, precision, recall, ratio_text(quality.lift), lead])
    yield from table(head, rows)
    if not found.changes and not found.signals:
        return
    yield ""
    head = ["signal", "fired", "alerts", "appeared", "vanished", "moved"]
    yield from table(
        head,
        [
            [
                row.signal,
                f"{row.old_fired:,} -> {row.new_fired:,}",
                f"{row.old_alerts:,} -> {row.new_alerts:,}",
                f"{row.appeared:,}",
                f"{row.vanished:,}",
                f"{row.moved:,}",
            ]
            for row in found.signals
        ],
    )
    yield ""
    for change in Change:
        of_kind = [one for one in found.changes if one.change is change]
        if of_kind:
            yield f"{change.value}:"
            yield from (f"  {change_text(one)}" for one in of_kind[: SHOWN_CHANGES // len(Change)])
            if len(of_kind) > SHOWN_CHANGES // len(Change):
                yield f"  ... and {len(of_kind) - SHOWN_CHANGES // len(Change):,} more (--json or --html has all)"


def change_text(change: ChangedAlert) -> str:
    """One changed alert in a line: when, who, what, and what became of it instead."""
    who = change.workspace_name or change.domain or change.workspace_id
    if who != change.workspace_id:
        who = f"{who} ({change.workspace_id})"
    if change.old is not None and change.new is not None:
        parts = {
            "time": f"{_minute(change.old.at)} -> {_minute(change.new.at)}",
            "route": f"route {change.old.route} -> {change.new.route}",
            "priority": f"{change.old.priority} -> {change.new.priority}",
            "signal": f"led by {change.old.signal} -> {change.new.signal}",
        }
        told = ", ".join(text for name, text in parts.items() if name in change.differs)
        when = "" if "time" in change.differs else f"{_minute(change.new.at)}  "
        return f"{when}{who}  {change.signal}: {told}"
    side = change.new or change.old
    assert side is not None
    here = "old" if change.change is Change.APPEARED else "new"
    instead = f"{here}: {'does not fire' if change.instead == NEVER_FIRED else change.instead}"
    because = f", {change.because}" if change.because else ""
    return f"{_minute(side.at)}  {who}  {change.signal}, {side.priority}, {side.route} ({instead}{because})"


def rate_text(rate: Rate) -> str:
    """`12.3 % [8.1-18.0] of 240`; `-` of nobody."""
    if rate.share is None or rate.low is None or rate.high is None:
        return "-"
    return f"{rate.share * 100:.1f} % [{rate.low * 100:.1f}-{rate.high * 100:.1f}] of {rate.of:,}"


def ratio_text(ratio: Ratio) -> str:
    """`3.1x [1.9-5.0]`; `-` where there is none."""
    if ratio.value is None:
        return "-"
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.1f}x"
    return f"{ratio.value:.1f}x [{ratio.low:.1f}-{ratio.high:.1f}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Columns under their heads: the first to the left, the others to the right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells)


def _worth(quality: Quality) -> tuple[str, str, str]:
    lead = "-" if quality.lead_s is None else duration(quality.lead_s)
    return rate_text(quality.precision), rate_text(quality.recall), lead


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _calendar(days: dict[str, dict[str, int]]) -> Iterator[str]:
    """A line for each week, a column for each of its days."""
    weeks: dict[str, list[str]] = {}
    sums: Counter[str] = Counter()
    for text, counts in days.items():
        day = date.fromisoformat(text)
        year, week, weekday = day.isocalendar()
        name, count = f"{year}-W{week:02}", sum(counts.values())
        weeks.setdefault(name, [""] * len(Weekday))[weekday - 1] = f"{count:,}"
        sums[name] += count
    rows = [[name, *cells, f"{sums[name]:,}"] for name, cells in weeks.items()]
    yield from table(["week", *(day.value for day in Weekday), "all"], rows)
