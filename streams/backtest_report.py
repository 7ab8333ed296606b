"""What a backtest reports, as numbers: one struct for the text, the page and `--json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from signals.comparing import Difference
from signals.config import Config
from signals.moments import Days, day_iso
from signals.outcomes import Findings, Histories
from signals.outcomes_measured import Quality, quality_of
from signals.selling import Priority
from signals.units import DAY_MS
from streams.backtest_seed import SeedReport


class SignalRow(msgspec.Struct, frozen=True):
    """One signal: how often it fired, the alerts that it opened, those that tell it, and what those were worth."""

    signal: str
    fired: int
    opened: int
    told: int
    verdicts: dict[str, int]
    quality: Quality


class RouteRow(msgspec.Struct, frozen=True):
    """The alerts of a route, by priority, the most urgent first."""

    route: str
    alerts: int
    priorities: dict[str, int]


class RunReport(msgspec.Struct, frozen=True):
    """
    One config over the history: its alerts by signal, route and day, and their worth.

    `days` has every day of the history, those without alerts too; of each the alerts by the signal that opened them.
    """

    config: str
    fired: int
    signals: list[SignalRow]
    routes: list[RouteRow]
    days: dict[str, dict[str, int]]
    quality: Quality
    conversions: int
    rule_errors: dict[str, int]


class SweepRow(msgspec.Struct, frozen=True):
    """One config of a sweep; `quality` is of the alerts that the sweep is about, `all_alerts` counts all."""

    values: list[str]
    config: str
    is_own: bool
    all_alerts: int
    all_per_week: float | None
    quality: Quality


class SweepReport(msgspec.Struct, frozen=True):
    """A sweep: its keys, the signal that it is about (None: all alerts), and a row for each config."""

    keys: list[str]
    signal: str | None
    rows: list[SweepRow]


class BacktestReport(msgspec.Struct):
    """
    All of it; times are RFC 3339.

    `seconds` are those of the pass, `cpu_seconds` what its one or two processes worked for it, which hardly changes
    when others use the machine; `configs` went through it. `horizon_s` is how long after an alert a conversion counts
    as its success. `counted_from` is when alerts began to count (`--count-from`), None for all of them. `old` is there
    with `--against`, `sweep` with `--sweep`, `seed` with `--import`.
    """

    records: int
    configs: int
    seconds: float
    cpu_seconds: float
    first_event_at: str | None
    until: str | None
    span_days: float
    counted_from: str | None
    horizon_s: float
    time_zone: str
    dead_letters: dict[str, int]
    run: RunReport
    old: RunReport | None = None
    difference: Difference | None = None
    sweep: SweepReport | None = None
    seed: SeedReport | None = None
    remarks: list[str] = []


class Measuring:
    """
    Makes the numbers of the configs of one pass.

    Args:
        started: The time of the first event, Unix milliseconds; None without any.
        until: Where time stands at the end.
        counted_from: Alerts before it do not count.
        horizon_ms: How long after an alert a conversion counts.
    """

    def __init__(self, started: int | None, until: int, counted_from: int | None, horizon_ms: int) -> None:
        self._has_events = started is not None
        begin = until if started is None else started
        self.counted_from = begin if counted_from is None else max(begin, counted_from)
        self.until = until
        self.span_ms = max(0, until - self.counted_from)
        self._horizon_ms = horizon_ms
        self._from = counted_from

    def forget_early(self, findings: Findings) -> None:
        """Leave out the alerts of the time in which states only filled."""
        if self._from is not None:
            for alert in [one for one in findings.alerts.values() if one.sent_at < self._from]:
                del findings.alerts[alert.id]

    def quality(self, findings: Findings, histories: Histories, signal: str | None = None) -> Quality:
        """The worth of all alerts, or of those that tell a signal."""
        alerts = (alert for alert in findings.alerts.values() if signal is None or alert.tells(signal))
        return quality_of(alerts, histories, horizon_ms=self._horizon_ms, span_ms=self.span_ms)

    def run(self, config: Config, name: str, findings: Findings, histories: Histories) -> RunReport:
        """All numbers of one config."""
        return RunReport(
            name,
            findings.fired.total(),
            [self._signal(signal, findings, histories) for signal in sorted(findings.fired)],
            list(_routes(config, findings)),
            self._days(config, findings),
            self.quality(findings, histories),
            len(histories.converted.keys() - histories.customers),
            dict(findings.rule_errors),
        )

    def _signal(self, signal: str, findings: Findings, histories: Histories) -> SignalRow:
        quality = self.quality(findings, histories, signal)
        opened = sum(alert.signal == signal for alert in findings.alerts.values())
        verdicts = {
            decision.value: count for (name, decision), count in sorted(findings.verdicts.items()) if name == signal
        }
        return SignalRow(signal, findings.fired[signal], opened, quality.alerts, verdicts, quality)

    def _days(self, config: Config, findings: Findings) -> dict[str, dict[str, int]]:
        if not self._has_events:
            return {}
        days = Days(config.zone)
        first, last = days.day_of(self.counted_from), days.day_of(self.until)
        found: dict[int, Counter[str]] = {day: Counter() for day in range(first, last + 1)}
        for alert in findings.alerts.values():
            found.setdefault(days.day_of(alert.sent_at), Counter())[alert.signal] += 1
        return {day_iso(day): dict(sorted(found[day].items())) for day in sorted(found)}


def _routes(config: Config, findings: Findings) -> Iterable[RouteRow]:
    counts = Counter((alert.route, alert.priority) for alert in findings.alerts.values())
    for route in config.routes:
        priorities = {priority.value: counts[route.name, priority.value] for priority in Priority}
        yield RouteRow(route.name, sum(priorities.values()), {name: n for name, n in priorities.items() if n})


def span_days(measuring: Measuring) -> float:
    """The length of the history that counts, in days."""
    return round(measuring.span_ms / DAY_MS, 3)
