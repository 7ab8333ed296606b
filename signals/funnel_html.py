"""The funnel as one HTML page with plots: no script, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from signals.funnel_numbers import USER_STAGES, WORKSPACE_STAGES, Cohort, Funnel, Share
from signals.funnel_table import BENCHMARKS, NAMES, SHOWN_WEEKS, duration, funnel_text, percent, segment_name
from signals.pages import BLUE, GREY, Bar, bar_plot, page


def funnel_html(funnel: Funnel) -> str:
    """The page: the plots first, then all lines of `funnel_text`."""
    plots = "\n".join(_plots(funnel)) if funnel.as_of is not None else ""
    body = (
        "<p>Blue is mature: everybody counted has had the whole time. Grey is immature and may still grow.</p>\n"
        f"{plots}\n<h2>All numbers</h2>\n<pre>{escape(funnel_text(funnel))}</pre>"
    )
    return page("Funnel", f"Funnel as of {funnel.as_of or 'never'}", body)


def _plots(funnel: Funnel) -> Iterator[str]:
    weeks = list(funnel.signups.items())[-SHOWN_WEEKS:]
    yield bar_plot("Sign-ups a week", [Bar(week, float(count), f"{count:,}", BLUE) for week, count in weeks])
    yield bar_plot("Users: stages reached within 30 days of sign-up", list(_share_bars(funnel.user_stages)), 1.0)
    yield bar_plot("Workspaces: stages reached within 30 days", list(_share_bars(funnel.workspace_stages)), 1.0)
    for title, cohorts, stage in (
        ("Activated within 30 days, by week of sign-up", funnel.user_cohorts, USER_STAGES[0]),
        ("Paid within 30 days, by week of creation", funnel.workspace_cohorts, WORKSPACE_STAGES[2]),
    ):
        yield bar_plot(title, list(_cohort_bars(cohorts, stage)))
    times = [
        Bar(f"{segment_name(segment)}, {name}", value, duration(value), BLUE)
        for segment in funnel.time_to_value
        for name, value in (("p50", segment.mature.p50), ("p90", segment.mature.p90))
        if value is not None
    ]
    yield bar_plot("Time to value", times)
    yield bar_plot("Retention", list(_share_bars(funnel.retention)), 1.0)
    yield bar_plot(f"Free to paid (benchmark {BENCHMARKS['free_to_paid']})", list(_share_bars(funnel.free_to_paid)))
    verdicts = [Bar(name, float(count), f"{count:,}", BLUE) for name, count in funnel.alerts.verdicts.items()]
    yield bar_plot("What became of the signals of the last 28 days", verdicts)


def _share_bars(shares: Mapping[str, Share]) -> Iterator[Bar]:
    for name, share in shares.items():
        for part, colour in ((share.mature, BLUE), (share.immature, GREY)):
            if part.share is not None:
                text = f"{percent(part.share)} ({part.reached:,}/{part.entered:,})"
                yield Bar(NAMES.get(name, name), part.share, text, colour)


def _cohort_bars(cohorts: Sequence[Cohort], stage: str) -> Iterator[Bar]:
    for cohort in cohorts[-SHOWN_WEEKS:]:
        reached = cohort.reached[stage]
        share = reached / cohort.entered
        text = f"{percent(share)} ({reached:,}/{cohort.entered:,})"
        yield Bar(cohort.week, share, text, BLUE if cohort.mature else GREY)
