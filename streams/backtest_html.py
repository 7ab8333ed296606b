"""A backtest as one HTML page with plots."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from signals.comparing import Change
from signals.outcomes_measured import Quality, Rate, Ratio
from signals.pages import BLUE, GREEN, GREY, Bar, Range, bar_plot, column_plot, html_table, page, range_plot
from streams.backtest_report import BacktestReport, RunReport, SweepReport
from streams.backtest_text import change_text, history_line, rate_text, ratio_text, report_text


def report_html(report: BacktestReport) -> str:
    """The page: the plots of what was asked for first, then those of the config, then the text."""
    parts = [f"<p>{escape(history_line(report))}</p>" if report.first_event_at else "<p>No events.</p>"]
    parts += [f"<p><b>Note:</b> {escape(remark)}</p>" for remark in report.remarks]
    if report.sweep is not None:
        parts += _sweep(report.sweep)
    if report.difference is not None:
        parts += _difference(report)
    parts += _run(report.run)
    parts.append(f"<h2>In words</h2>\n<pre>{escape(report_text(report, None))}</pre>")
    return page("Backtest", f"Backtest of config {report.run.config}", "\n".join(part for part in parts if part))


def _run(run: RunReport) -> Iterator[str]:
    yield column_plot("Alerts a day, by the signal that opens them", run.days)
    opened = sorted((row for row in run.signals if row.opened), key=lambda row: -row.opened)
    yield bar_plot("Alerts by signal", [Bar(row.signal, row.opened, f"{row.opened:,}", BLUE) for row in opened])
    routes = [
        Bar(f"{route.route}, {name}", count, f"{count:,}", BLUE)
        for route in run.routes
        for name, count in route.priorities.items()
    ]
    yield bar_plot("Alerts by route and priority", routes)
    told = [(row.signal, row.quality) for row in run.signals if row.told] + [("all", run.quality)]
    yield range_plot("Precision by signal", [*_rates((name, quality.precision, False) for name, quality in told)])
    yield range_plot("Recall by signal", [*_rates((name, quality.recall, False) for name, quality in told)])
    yield range_plot("Converted: told of by a day, and the others", [*_landmarks(run.quality)])


def _landmarks(quality: Quality) -> Iterator[Range]:
    for mark in quality.landmarks:
        yield from _rates([(f"told of by day {mark.day}", mark.alerted, True), ("others", mark.others, False)])


def _sweep(sweep: SweepReport) -> Iterator[str]:
    rows = [(", ".join(row.values), row) for row in sweep.rows]
    about = "alerts" if sweep.signal is None else f"alerts that tell {sweep.signal}"
    keys = ", ".join(sweep.keys)
    yield f"<p>Green is what the file says now. By <code>{escape(keys)}</code>:</p>"
    weekly = [(label, row.quality.per_week or 0.0, row.is_own) for label, row in rows]
    bars = [Bar(label, value, f"{value:,.1f}", GREEN if is_own else BLUE) for label, value, is_own in weekly]
    yield bar_plot(f"{about[:1].upper()}{about[1:]}, a week", bars)
    yield range_plot("Precision", [*_rates((label, row.quality.precision, row.is_own) for label, row in rows)])
    yield range_plot("Recall", [*_rates((label, row.quality.recall, row.is_own) for label, row in rows)])
    yield range_plot("Lift", [*_ratios((label, row.quality.lift, row.is_own) for label, row in rows)])
    marks = ((label, row.quality.landmarks[0].lift, row.is_own) for label, row in rows)
    yield range_plot("Day-7 lift", [*_ratios(marks)])


def _rates(shares: Iterator[tuple[str, Rate, bool]] | list[tuple[str, Rate, bool]]) -> Iterator[Range]:
    for label, share, is_own in shares:
        if share.share is not None and share.low is not None and share.high is not None:
            yield Range(label, share.share, share.low, share.high, rate_text(share), GREEN if is_own else BLUE)


def _ratios(ratios: Iterator[tuple[str, Ratio, bool]]) -> Iterator[Range]:
    for label, one, is_own in ratios:
        if one.value is not None and one.low is not None and one.high is not None:
            yield Range(label, one.value, one.low, one.high, ratio_text(one), GREEN if is_own else BLUE)


def _difference(report: BacktestReport) -> Iterator[str]:
    found, old = report.difference, report.old
    if found is None or old is None:
        return
    counts = [(change.value, found.count(change), BLUE) for change in Change]
    bars = [Bar(name, count, f"{count:,}", colour) for name, count, colour in (*counts, ("the same", found.same, GREY))]
    yield bar_plot(f"Alerts from config {found.old_config} to {found.new_config}", bars)
    both = [("old", old.quality, False), ("new", report.run.quality, True)]
    yield range_plot("Precision", [*_rates((name, quality.precision, own) for name, quality, own in both)])
    yield range_plot("Recall", [*_rates((name, quality.recall, own) for name, quality, own in both)])
    yield "<h2>Every alert that changes</h2>"
    yield html_table(["change", "alert"], [[one.change.value, change_text(one)] for one in found.changes])
