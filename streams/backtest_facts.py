"""Folds recordings of the facts log: what the workspaces' step made of what it was told, found anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from signals.config import Config
from signals.domains import Domains
from signals.engines import Engines
from signals.replay import FactsBacktest, SignalRecord
from streams.backtesting import BacktestFailed, writing
from streams.config_log import recorded
from streams.replaying import read_lines

OnBytes = Callable[[int], None]


class RecordedFact(msgspec.Struct):
    """A line of a recording made by `plg topics record`."""

    partition: int
    offset: int
    # The record as JSON; `null` for a tombstone.
    value: msgspec.Raw = msgspec.Raw(b"null")


@dataclass
class FactsReport:
    """How many records there were, how many of them nobody of us wrote, and the signals by name and verdict."""

    records: int = 0
    foreign: int = 0
    signals: Counter[tuple[str, str]] = field(default_factory=Counter)


def backtest_facts(
    config: Config, files: Iterable[Path], out: Path, *, on_bytes: OnBytes, configs: Path | None = None
) -> FactsReport:
    """
    Fold recordings of the facts log into signals of workspace scope.

    Args:
        configs: A recording of `plg.config`: each place of the log then goes by the config that was in force there.

    Raises:
        PlgError: A line is no record of a topic, or none of the records a fact; a file cannot be read, or the result
            cannot be written.
    """
    run = FactsBacktest(config, Domains(config.domains), None if configs is None else _engines(configs, config))
    report = FactsReport()
    decoder = msgspec.json.Decoder(RecordedFact)
    with writing(out) as write:
        assert write is not None

        def take(found: list[SignalRecord]) -> None:
            report.signals.update((str(signal["signal"]), str(signal["verdict"])) for signal in found)
            write(found)

        for line in read_lines(files, on_bytes):
            try:
                record = decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise BacktestFailed(
                    f"line {report.records + 1} is no recorded fact ({error}); record with `plg topics record`"
                ) from error
            report.records += 1
            value = bytes(record.value)
            if value == b"null":
                continue
            try:
                take(run.feed(record.partition, record.offset, value))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                # A worker sets it aside, too.
                report.foreign += 1
        take(run.finish())
        if report.foreign and report.foreign == report.records:
            raise BacktestFailed(
                "no record is a fact of ours; record <prefix>.workspace-facts with `plg topics record`"
            )
    return report


def _engines(configs: Path, config: Config) -> Engines:
    """The configs of a recording of `plg.config`."""
    known = recorded(read_lines([configs]))
    first = None if known.first is None else known.find(known.first.config)
    return Engines(first or config, known.windows, known.find)
