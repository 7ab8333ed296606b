"""The funnel as one HTML page with plots: no script, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from signals.funnel_numbers import USER_STAGES, WORKSPACE_STAGES, Cohort, Funnel, Share
from signals.funnel_table import BENCHMARKS, NAMES, SHOWN_WEEKS, duration, funnel_text, percent, segment_name

_WIDTH, _LABEL, _BAR, _GAP, _TEXT = 860, 200, 18, 8, 170
_MATURE, _IMMATURE = "#1f6feb", "#9aa4b2"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1f2328}"
    "svg{max-width:100%;height:auto}pre{font-size:12px;overflow-x:auto;background:#f6f8fa;padding:1em}"
)
_Bar = tuple[str, float, str, str]


def funnel_html(funnel: Funnel) -> str:
    """The page: the plots first, then all lines of `funnel_text`."""
    plots = "\n".join(_plots(funnel)) if funnel.as_of is not None else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Funnel</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Funnel as of {escape(funnel.as_of or 'never')}</h1>\n"
        "<p>Blue is mature: everybody counted has had the whole time. Grey is immature and may still grow.</p>\n"
        f"{plots}\n<h2>All numbers</h2>\n<pre>{escape(funnel_text(funnel))}</pre>\n</body></html>\n"
    )


def _plots(funnel: Funnel) -> Iterator[str]:
    weeks = list(funnel.signups.items())[-SHOWN_WEEKS:]
    yield _plot("Sign-ups a week", [(week, float(count), f"{count:,}", _MATURE) for week, count in weeks])
    yield _plot("Users: stages reached within 30 days of sign-up", list(_share_bars(funnel.user_stages)), 1.0)
    yield _plot("Workspaces: stages reached within 30 days", list(_share_bars(funnel.workspace_stages)), 1.0)
    for title, cohorts, stage in (
        ("Activated within 30 days, by week of sign-up", funnel.user_cohorts, USER_STAGES[0]),
        ("Paid within 30 days, by week of creation", funnel.workspace_cohorts, WORKSPACE_STAGES[2]),
    ):
        yield _plot(title, list(_cohort_bars(cohorts, stage)))
    times = [
        (f"{segment_name(segment)}, {name}", value, duration(value), _MATURE)
        for segment in funnel.time_to_value
        for name, value in (("p50", segment.mature.p50), ("p90", segment.mature.p90))
        if value is not None
    ]
    yield _plot("Time to value", times)
    yield _plot("Retention", list(_share_bars(funnel.retention)), 1.0)
    yield _plot(f"Free to paid (benchmark {BENCHMARKS['free_to_paid']})", list(_share_bars(funnel.free_to_paid)))
    verdicts = [(name, float(count), f"{count:,}", _MATURE) for name, count in funnel.alerts.verdicts.items()]
    yield _plot("What became of the signals of the last 28 days", verdicts)


def _share_bars(shares: Mapping[str, Share]) -> Iterator[_Bar]:
    for name, share in shares.items():
        for part, colour in ((share.mature, _MATURE), (share.immature, _IMMATURE)):
            if part.share is not None:
                text = f"{percent(part.share)} ({part.reached:,}/{part.entered:,})"
                yield NAMES.get(name, name), part.share, text, colour


def _cohort_bars(cohorts: Sequence[Cohort], stage: str) -> Iterator[_Bar]:
    for cohort in cohorts[-SHOWN_WEEKS:]:
        reached = cohort.reached[stage]
        share = reached / cohort.entered
        text = f"{percent(share)} ({reached:,}/{cohort.entered:,})"
        yield cohort.week, share, text, _MATURE if cohort.mature else _IMMATURE


def _plot(title: str, bars: Sequence[_Bar], whole: float | None = None) -> str:
    if not bars:
        return ""
    scale = (_WIDTH - _LABEL - _TEXT) / (whole or max(value for _, value, _, _ in bars) or 1.0)
    height = len(bars) * (_BAR + _GAP)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [
        f"<h2>{escape(title)}</h2>",
        f'<svg {size} role="img" font-size="13" font-family="system-ui,sans-serif"><title>{escape(title)}</title>',
    ]
    for index, (label, value, text, colour) in enumerate(bars):
        top, width = index * (_BAR + _GAP), max(1.0, value * scale)
        lines.append(f'<text x="{_LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(label)}</text>')
        lines.append(f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
        lines.append(f'<text x="{_LABEL + width + 6:.1f}" y="{top + 14}">{escape(text)}</text>')
    lines.append("</svg>")
    return "\n".join(lines)
