"""Runs backtests: records of files or topics in, through one pass over all configs, signals and a report out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from signals.comparing import difference
from signals.config import Config
from signals.domains import Domains
from signals.errors import PlgError
from signals.facts import Outputs
from signals.lanes import Lane
from signals.moments import iso, parse_time
from signals.outcomes import Account, Findings, Histories, account_of
from signals.replay import Ledger, SignalRecord, finished_records
from signals.units import milliseconds
from streams.backtest_input import Read, Tell
from streams.backtest_pass import Done, fold, showing_nothing
from streams.backtest_report import BacktestReport, Measuring, SweepReport, SweepRow, span_days
from streams.backtest_seed import Seed
from streams.backtest_variants import Sweep, Variant
from streams.whole_file import whole_file

Write = Callable[[list[SignalRecord]], None]


class BacktestFailed(PlgError):
    """A file is not what the backtest was told it is, the result cannot be written, or options contradict."""


@dataclass(frozen=True)
class Plan:
    """
    What to try.

    Args:
        config: The config in question.
        old: The one to hold it against.
        sweeps: The keys of `variants`, in their order.
        variants: The configs of a sweep, the config itself among them.
        left_out: Why values of the sweeps make no config.
        about: The signal whose alerts a sweep shows; None for all.
        horizon: How long after an alert a conversion counts as its success.
        until: Where time stands at the end, Unix milliseconds, if no event is later; None for the newest event time.
        counted_from: Alerts before it do not count.
    """

    config: Config
    old: Config | None = None
    sweeps: Sequence[Sweep] = ()
    variants: Sequence[Variant] = ()
    left_out: Sequence[str] = ()
    about: str | None = None
    horizon: timedelta = timedelta(days=30)
    until: int | None = None
    counted_from: int | None = None


@dataclass
class _Listening:
    """A config in the pass, with what it finds; `hash` is that of its file, whatever prefix it runs under."""

    config: Config
    hash: str
    lane: Lane
    findings: Findings


@dataclass
class _Book:
    """Writes the signals of the config in question as they are finished."""

    write: Write
    hash: str
    ledger: Ledger = field(default_factory=Ledger)

    def on_record(self, now: int) -> None:
        finished = self.ledger.book(now, self.hash)
        if finished:
            self.write(finished_records(finished))

    def close(self) -> None:
        self.write(finished_records(self.ledger.close()))


def backtest(
    plan: Plan,
    read: Read,
    out: Path | None = None,
    seed: Seed | None = None,
    *,
    processes: int = 1,
    shown: Callable[[], AbstractContextManager[Tell]] = showing_nothing,
) -> BacktestReport:
    """
    Fold records through all configs of a plan, in one pass.

    Args:
        read: What to read, in its order.
        out: Where the signals of the config in question go, one a line; nowhere if None.
        seed: What is told before the first of them.
        processes: As of `backtest_pass.fold`, as is `shown`.

    Raises:
        PlgError: The records cannot be read, or the signals cannot be written.
    """
    with writing(out) as write:
        book = None if write is None else _Book(write, plan.config.hash)
        own, old, others = _lanes(plan, book)
        everybody = [own, *([old] if old is not None else []), *others]
        lanes = [each.lane for each in everybody]
        done = fold(lanes, read, seed=seed, until=plan.until, processes=processes, shown=shown)
        if book is not None:
            book.close()
    report = _report(plan, done, own, old, others)
    if seed is not None:
        report.seed = seed.report
        begun = done.started if plan.counted_from is None else plan.counted_from
        report.remarks += seed.remarks(None if done.started is None else begun)
    return report


def _lanes(plan: Plan, book: _Book | None) -> tuple[_Listening, _Listening | None, list[_Listening]]:
    domains: list[tuple[object, Domains]] = []

    def domains_of(config: Config) -> Domains:
        found = next((lists for key, lists in domains if key == config.domains), None)
        if found is None:
            found = Domains(config.domains)
            domains.append((config.domains, found))
        return found

    def listening(config: Config, book: _Book | None = None) -> _Listening:
        findings = Findings(keeps_signals=plan.old is not None)
        # The ids of signals begin with the prefix: under another one nothing would be comparable.
        played = config.model_copy(update={"prefix": plan.config.prefix})
        if book is None:
            lane = Lane(played, domains_of(config), findings.take)
        else:

            def take(out: Outputs) -> None:
                book.ledger.note(out)
                findings.take(out)

            lane = Lane(played, domains_of(config), take, book.on_record)
        findings.is_paying = lane.is_paying
        return _Listening(config, config.hash, lane, findings)

    own = listening(plan.config, book)
    old = None if plan.old is None else listening(plan.old)
    return own, old, [listening(variant.config) for variant in plan.variants if not variant.is_own]


def _report(
    plan: Plan, done: Done, own: _Listening, old: _Listening | None, others: list[_Listening]
) -> BacktestReport:
    newest = done.newest or 0
    measuring = Measuring(
        done.started,
        # Of files all events count, so time goes no less far than they do.
        newest if plan.until is None else max(newest, plan.until),
        plan.counted_from,
        milliseconds(plan.horizon),
    )
    own_histories = _histories(own, measuring)
    report = BacktestReport(
        records=done.records,
        configs=1 + (old is not None) + len(others),
        seconds=round(done.seconds, 3),
        cpu_seconds=round(done.cpu_s, 3),
        first_event_at=None if done.started is None else iso(done.started),
        until=None if done.newest is None and plan.until is None else iso(measuring.until),
        span_days=span_days(measuring),
        counted_from=None if plan.counted_from is None else iso(plan.counted_from),
        horizon_s=plan.horizon.total_seconds(),
        time_zone=plan.config.time_zone,
        dead_letters=dict(sorted(done.dead_letters.items())),
        run=measuring.run(own.config, own.hash, own.findings, own_histories),
    )
    if old is not None:
        report.old = measuring.run(old.config, old.hash, old.findings, _histories(old, measuring))
        report.difference = difference(
            old.findings, own.findings, own_histories.by_id.get, old_config=old.hash, new_config=own.hash
        )
    if plan.variants:
        by_hash = {each.hash: each for each in (own, *others)}
        rows = [_row(variant, by_hash[variant.config.hash], plan.about, measuring) for variant in plan.variants]
        report.sweep = SweepReport([sweep.path for sweep in plan.sweeps], plan.about, rows)
    report.remarks = list(_remarks(plan, report))
    return report


def _histories(each: _Listening, measuring: Measuring) -> Histories:
    measuring.forget_early(each.findings)
    terms = each.lane.engine.terms
    accounts: list[Account] = []
    for workspace_id, state in each.lane.workspaces():
        plan = state.billing.plan
        account = account_of(workspace_id, state, is_paying=plan is not None and terms.is_paying(plan.name))
        if account is not None:
            accounts.append(account)
    return Histories(accounts, each.findings, measuring.until, measuring.counted_from)


def _row(variant: Variant, each: _Listening, about: str | None, measuring: Measuring) -> SweepRow:
    histories = _histories(each, measuring)
    everything = measuring.quality(each.findings, histories)
    quality = everything if about is None else measuring.quality(each.findings, histories, about)
    return SweepRow(list(variant.values), each.hash, variant.is_own, everything.alerts, everything.per_week, quality)


def _remarks(plan: Plan, report: BacktestReport) -> Iterator[str]:
    """What a reader would get wrong without being told."""
    yield from (f"not tried: {problem}" for problem in plan.left_out)
    if not plan.config.signals.converted_to_paid.enabled:
        yield "signals.converted_to_paid is off: without conversions there is neither precision nor recall"
    elif report.run.conversions == 0:
        yield "no conversion was seen: are the names of `events.plan_changed` those of your product? (plg check)"
    if any(sweep.path.startswith("alerts.max_age") for sweep in plan.sweeps):
        yield "alerts.max_age changes nothing here: in a backtest every event is heard of at once, so nothing is stale"
    if report.run.quality.precision.of == 0 and report.run.quality.alerts:
        yield (
            f"no alert is old enough to be judged: the history counts {report.span_days:g} days, a conversion counts "
            f"for {plan.horizon.total_seconds() / 86_400:g}; give a longer history or a shorter --horizon"
        )
    if report.first_event_at is not None and plan.counted_from is not None and not report.span_days:
        yield "--count-from is not before the end of the history: nothing counts"
    for rule, count in report.run.rule_errors.items():
        yield f"the rule {rule} raised an exception {count:,} times; report it"


def read_moment(option: str, text: str | None, config: Config) -> int | None:
    """
    Read the time that an option says, Unix milliseconds; None where it says none.

    Raises:
        BacktestFailed: It is no time.
    """
    if not text:
        return None
    moment = parse_time(text, config.zone)
    if moment is None:
        raise BacktestFailed(f"{option} {text}: not a time; write 2026-03-01 or 2026-03-01T12:00:00Z")
    return moment


def read_until(until: str | None, config: Config) -> int | None:
    """The same of `--until`."""
    return read_moment("--until", until, config)


@contextmanager
def writing(out: Path | None) -> Iterator[Write | None]:
    """Write to a partial file that takes its name when it is complete; nothing without a file."""
    if out is None:
        yield None
        return
    with whole_file(out) as file:

        def write(signals: list[SignalRecord]) -> None:
            file.writelines(msgspec.json.encode(signal) + b"\n" for signal in signals)

        yield write
