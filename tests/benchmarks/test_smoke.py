"""The benchmark's command line, and that its programs come to the answer they are compared by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.counting import PROGRAMS, Counting, Program
from benchmarks.job import EVENT_BYTES, Count, events, expected
from benchmarks.machine import Cores, ProgramFailed
from tests.servers import KafkaServer

_ROOT = Path(__file__).parents[2]
_EVENTS = 500


def test_help_names_every_program() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=_ROOT,
        env={"PATH": "", "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    missing = [
        name for name in ("plain", "stock-faust", "ours-count", "ceiling", "river", "backtest") if name not in shown
    ]
    assert missing == []


def test_an_event_of_the_job_has_the_size_that_the_numbers_are_given_for() -> None:
    assert {len(event) for _user, _day, event in events(100)} == {EVENT_BYTES}


def test_a_shorter_job_is_the_beginning_of_a_longer_one() -> None:
    assert list(events(300))[:100] == list(events(100))


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
@pytest.mark.parametrize("name", ["plain", "ours-count"])
def test_what_a_program_keeps_durable_is_the_expected_answer(
    name: str, kafka: KafkaServer, prefix: str, tmp_path: Path
) -> None:
    counting = _counting(kafka, prefix, tmp_path, name)

    result = counting.run(_program(name), 1)

    # A wrong answer would have raised: the run itself compares.
    assert result.events == _EVENTS


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
def test_a_program_that_counts_wrongly_is_refused(kafka: KafkaServer, prefix: str, tmp_path: Path) -> None:
    counting = _counting(kafka, prefix, tmp_path, "plain")
    counting.right_counts[_EVENTS] = expected(_EVENTS) | {"u-nobody": Count(1, "2026-01-01")}

    with pytest.raises(ProgramFailed, match="u-nobody: None instead of"):
        counting.run(_program("plain"), 1)


def _program(name: str) -> Program:
    return next(program for program in PROGRAMS if program.name == name)


def _counting(kafka: KafkaServer, prefix: str, folder: Path, name: str) -> Counting:
    counting = Counting(kafka.address, prefix, _EVENTS, Cores(None, None), folder)
    counting.fill((_program(name),))
    return counting
