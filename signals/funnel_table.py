"""The funnel as a person reads it: lines of text, with what others reach beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from signals.funnel_numbers import USER_STAGES, WORKSPACE_STAGES, Cohort, Funnel, Part, Segment, Share, Spread

# Opinions of the trade, not measurements of ours; docs/funnel.md says where they are from.
BENCHMARKS = {
    "free_to_paid": "2-5 %",
    "k30": "0.3-0.5",
    "net": "110 %",
    "expansion": "40-60 %",
    "overlay": "0 %",
}
_MINUTE_S = 60
NAMES = {
    "activated": "activated",
    "habit": "habit",
    "second_user": "second user",
    "paid": "paid",
    "expanded": "expanded",
    "d2": "D2 (day 2 after sign-up)",
    "w1": "W1 (days 1-7 after sign-up)",
    "d7_of_activated": "D7 of activated",
}
# The last cohorts are what people look at; --json has all.
SHOWN_WEEKS = 12
_Shown = Callable[[float | None], str]


def funnel_text(funnel: Funnel) -> str:
    """All of it, a line each; no line is much longer than 100 characters."""
    if funnel.as_of is None:
        return "The funnel is empty: no signal has been seen yet."
    return "\n".join(line.rstrip() for line in _lines(funnel))


def percent(share: float | None) -> str:
    """A share as `12.3 %`, `-` where there is none."""
    return "-" if share is None else f"{share * 100:.1f} %"


def ratio(share: float | None) -> str:
    """A mean as `0.42`, `-` where there is none."""
    return "-" if share is None else f"{share:.2f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3.5 h`, `2.1 d`."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / _MINUTE_S:.1f} min" if seconds >= _MINUTE_S else f"{seconds:.0f} s"


def segment_name(segment: Segment) -> str:
    """A segment by the target that its users had."""
    return f"target {duration(segment.target)}"


def _lines(funnel: Funnel) -> Iterator[str]:
    yield f"Funnel as of {funnel.as_of} (weeks in {funnel.time_zone})"
    yield f"{funnel.users:,} users signed up, {funnel.workspaces:,} workspaces created"
    yield "Mature: everybody counted has had the whole time. Immature: may still grow; compare nothing with it."
    if funnel.missing:
        yield ""
        yield "Not computable from what this bus carries"
        yield from (f"  {one}" for one in funnel.missing)
    yield ""
    yield from _cohorts("Users by week of sign-up, stages reached within 30 days", funnel.user_cohorts, USER_STAGES)
    yield ""
    title = "Workspaces by week of creation, stages reached within 30 days"
    yield from _cohorts(title, funnel.workspace_cohorts, WORKSPACE_STAGES)
    yield ""
    yield _head("Activation, of sign-ups")
    yield from (_share_line(f"within {name}", share) for name, share in funnel.activation.items())
    yield ""
    yield f"{'Time to value':<30}{'p50':>10}{'p90':>10}{'in target':>12}{'users':>10}"
    yield from (line for segment in funnel.time_to_value for line in _segment_lines(segment))
    yield ""
    yield _head("Retention")
    yield from (_share_line(NAMES[name], share) for name, share in funnel.retention.items())
    yield ""
    yield _head("Free to paid, of workspaces")
    yield from (
        _share_line(f"within {name}", share, BENCHMARKS["free_to_paid"]) for name, share in funnel.free_to_paid.items()
    )
    yield ""
    yield _head("Virality within 30 days, per sign-up")
    yield _share_line("i30 (invites sent)", funnel.virality["i30"], shown=ratio)
    yield _share_line("k30 (people joined)", funnel.virality["k30"], BENCHMARKS["k30"], shown=ratio)
    yield from _revenue_lines(funnel)
    yield ""
    yield from _alert_lines(funnel)


def _head(title: str) -> str:
    return f"{title:<38}{'mature':>24}{'immature':>24}{'benchmark':>12}"


def _share_line(name: str, share: Share, benchmark: str = "", *, shown: _Shown = percent) -> str:
    return f"  {name:<36}{_part(share.mature, shown):>24}{_part(share.immature, shown):>24}{benchmark:>12}"


def _part(part: Part, shown: _Shown) -> str:
    return f"{shown(part.share)} ({part.reached:,}/{part.entered:,})" if part.entered else "-"


def _cohorts(title: str, cohorts: Sequence[Cohort], stages: Iterable[str]) -> Iterator[str]:
    names = list(stages)
    yield title
    yield f"  {'week':<10}{'entered':>9}" + "".join(f"{NAMES[name]:>19}" for name in names)
    left_out = len(cohorts) - SHOWN_WEEKS
    if left_out > 0:
        yield f"  ({left_out} earlier weeks: --json)"
    for cohort in cohorts[-SHOWN_WEEKS:]:
        cells = "".join(_cell(cohort.reached[name], cohort.entered) for name in names)
        yield f"  {cohort.week:<10}{cohort.entered:>9,}{cells}" + ("" if cohort.mature else "  immature")


def _cell(reached: int, entered: int) -> str:
    return f"{f'{reached:,}  {percent(reached / entered)}':>19}"


def _segment_lines(segment: Segment) -> Iterator[str]:
    for part, spread in (("", segment.mature), (", immature", segment.immature)):
        if spread.users:
            yield _spread_line(segment_name(segment) + part, spread)


def _spread_line(name: str, spread: Spread) -> str:
    times = f"{duration(spread.p50):>10}{duration(spread.p90):>10}"
    return f"  {name:<28}{times}{percent(spread.within_target):>12}{spread.users:>10,}"


def _revenue_lines(funnel: Funnel) -> Iterator[str]:
    for currency, revenue in funnel.revenue.items():
        yield ""
        yield f"Revenue, {currency or 'currency unknown'}: {revenue.mrr:,.0f} a month of {revenue.paying:,} workspaces"
        for name, kept in revenue.retention.items():
            shares = f"net {percent(kept.net)}, gross {percent(kept.gross)}"
            of = f"of {kept.workspaces:,} workspaces that paid then; {kept.unknown:,} unknown then"
            benchmark = f"  (benchmark: net {BENCHMARKS['net']})" if name == "365d" else ""
            yield f"  dollar retention over {name:<5} {shares}, {of}{benchmark}"
        for name, grown in revenue.expansion.items():
            yield (
                f"  expansion share of new revenue, {name}: {percent(grown.share)} "
                f"({grown.expansion:,.0f} of {grown.new + grown.expansion:,.0f}; "
                f"benchmark {BENCHMARKS['expansion']})"
            )


def _alert_lines(funnel: Funnel) -> Iterator[str]:
    alerts = funnel.alerts
    yield f"Alert funnel: {alerts.fired:,} signals fired in the last 28 days, {alerts.waiting:,} wait"
    yield from _counts("verdict", alerts.verdicts)
    yield f"  {alerts.delivered:,} alerts delivered in the last 84 days"
    yield _share_line("closed by a paid conversion", alerts.converted)
    yield from _counts("closed", alerts.closed)
    overlay = alerts.overlay
    yield (
        f"  before activation: {overlay.before_activation:,} of {overlay.alerts:,} alerts, {overlay.allowed:,} of them "
        f"allowed; share of the others {percent(overlay.share)} (target {BENCHMARKS['overlay']})"
    )
    part = alerts.unforeseen
    yield f"  paid conversions with no earlier signal: {_part(part, percent)}"


def _counts(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        yield f"  {name}: " + ", ".join(f"{key or 'no reason'} {count:,}" for key, count in counts.items())
