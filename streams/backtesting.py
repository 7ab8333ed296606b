"""Runs the pure backtest over files: reads lines, writes signals, counts."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import msgspec

from signals.config import Config
from signals.domains import Domains
from signals.engines import Engines
from signals.errors import PlgError
from signals.moments import parse_time
from signals.replay import Backtest, FactsBacktest, SignalRecord
from streams.config_log import recorded
from streams.replaying import ReplayFailed, read_lines

OnBytes = Callable[[int], None]


class BacktestFailed(PlgError):
    """A file is not what the backtest was told it is, or the result cannot be written."""


class RecordedFact(msgspec.Struct):
    """A line of a recording made by `plg topics record`."""

    partition: int
    offset: int
    # The record as JSON; `null` for a tombstone.
    value: msgspec.Raw = msgspec.Raw(b"null")


@dataclass
class BacktestReport:
    """What a backtest saw and found."""

    records: int = 0
    seconds: float = 0.0
    signals: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)

    def text(self, out: Path) -> str:
        """The report as a person reads it."""
        speed = self.records / max(self.seconds, 1e-9)
        total = f"{self.records:,} records in {self.seconds:.1f} s ({speed:,.0f} a second)"
        lines = [f"{total}; {self.signals.total():,} signals in {out}"]
        lines += [f"  {signal}: {count:,}" for signal, count in sorted(self.signals.items())]
        lines += [f"  verdict {verdict}: {count:,}" for verdict, count in sorted(self.verdicts.items())]
        lines += [f"  dead letters, {reason}: {count:,}" for reason, count in sorted(self.dead_letters.items())]
        return "\n".join(lines)


def backtest_events(
    config: Config, files: Iterable[Path], out: Path, *, until: str | None, on_bytes: OnBytes
) -> BacktestReport:
    """
    Fold event files into signals.

    Args:
        until: ISO 8601 text; where time stands at the end. None for the newest event time.

    Raises:
        PlgError: A file cannot be read, `until` is no time, or the result cannot be written.
    """
    until_ms = read_until(until, config)
    run = Backtest(config, Domains(config.domains))
    report = BacktestReport()
    started = time.monotonic()
    with _writing(out, report) as write:
        for line in read_lines(files, on_bytes):
            write(run.feed(line))
            report.records += 1
        write(run.finish(until_ms))
    report.dead_letters = run.dead_letters
    report.seconds = time.monotonic() - started
    return report


def backtest_facts(
    config: Config,
    files: Iterable[Path],
    out: Path,
    *,
    until: str | None,
    on_bytes: OnBytes,
    configs: Path | None = None,
) -> BacktestReport:
    """
    Fold recordings of the facts log into signals of workspace scope.

    Args:
        configs: A recording of `plg.config`: each place of the log then goes by the config that was in force there.

    Raises:
        PlgError: A line is no recorded fact, a file cannot be read, or the result cannot be written.
    """
    if until is not None:
        raise BacktestFailed("--until goes with event files: a facts log holds its own ticks")
    run = FactsBacktest(config, Domains(config.domains), None if configs is None else _engines(configs, config))
    report = BacktestReport()
    decoder = msgspec.json.Decoder(RecordedFact)
    started = time.monotonic()
    with _writing(out, report) as write:
        for line in read_lines(files, on_bytes):
            try:
                record = decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise BacktestFailed(
                    f"line {report.records + 1} is no recorded fact ({error}); record with `plg topics record`"
                ) from error
            value = bytes(record.value)
            if value != b"null":
                write(run.feed(record.partition, record.offset, value))
            report.records += 1
        write(run.finish())
    report.seconds = time.monotonic() - started
    return report


def _engines(configs: Path, config: Config) -> Engines:
    """The configs of a recording of `plg.config`."""
    known = recorded(read_lines([configs]))
    first = None if known.first is None else known.find(known.first.config)
    return Engines(first or config, known.windows, known.find)


def read_until(until: str | None, config: Config) -> int | None:
    """
    Read `--until`, Unix milliseconds; None where it is not there.

    Raises:
        BacktestFailed: It is no time.
    """
    if until is None:
        return None
    moment = parse_time(until, config.zone)
    if moment is None:
        raise BacktestFailed(f"--until {until}: not a time; write 2026-03-01 or 2026-03-01T12:00:00Z")
    return moment


@contextmanager
def _writing(out: Path, report: BacktestReport) -> Iterator[Callable[[list[SignalRecord]], None]]:
    """Write to a partial file that takes its name when it is complete."""
    partial = out.with_name(out.name + ".part")
    try:
        with cast(IO[bytes], gzip.open(partial, "wb") if out.suffix == ".gz" else partial.open("wb")) as file:

            def write(signals: list[SignalRecord]) -> None:
                for signal in signals:
                    file.write(msgspec.json.encode(signal) + b"\n")
                    report.signals[str(signal["signal"])] += 1
                    report.verdicts[str(signal["verdict"])] += 1

            yield write
        partial.replace(out)
    except OSError as error:
        raise ReplayFailed(f"{out}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
