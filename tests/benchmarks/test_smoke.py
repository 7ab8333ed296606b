"""The benchmark's command line, and that its programs come to the answer they are compared by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.answers import require_committed
from benchmarks.comparison import PROGRAMS, Comparison, Program
from benchmarks.machine import Cores, ProgramFailed
from tests.servers import KafkaServer

_ROOT = Path(__file__).parents[2]
# Enough for workspaces that become teams and others that do not.
_EVENTS = 1_000
_BY_NAME = {program.name: program for program in PROGRAMS}


def test_help_names_every_program() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=_ROOT,
        env={"PATH": "", "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert [name for name in (*_BY_NAME, "river", "backtest") if name not in shown] == []


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
@pytest.mark.parametrize("name", _BY_NAME)
def test_a_program_comes_to_the_right_answer(name: str, kafka: KafkaServer, prefix: str, tmp_path: Path) -> None:
    comparison = _comparison(kafka, prefix, tmp_path, _program(name))

    result = comparison.run(_BY_NAME[name], 1)

    # A wrong answer would have raised: the run itself compares.
    assert result.events == _EVENTS
    assert 0 < len(comparison.right_answers[_EVENTS].teams) < len(comparison.right_answers[_EVENTS].active)


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
@pytest.mark.parametrize("name", ["plain", "ours"])
def test_a_program_that_answers_wrongly_is_refused(name: str, kafka: KafkaServer, prefix: str, tmp_path: Path) -> None:
    comparison = _comparison(kafka, prefix, tmp_path, _program(name))
    comparison.right_answers[_EVENTS].teams.add("w-nobody")

    with pytest.raises(ProgramFailed, match=f"{name}: 1 of .* such as w-nobody: None instead of True"):
        comparison.run(_BY_NAME[name], 1)


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
def test_work_that_is_not_committed_is_refused(kafka: KafkaServer, prefix: str, tmp_path: Path) -> None:
    _comparison(kafka, prefix, tmp_path, _BY_NAME["plain"])

    with pytest.raises(ProgramFailed, match=r"committed up to .* of [0-9]+"):
        require_committed(kafka.address, prefix, [f"{prefix}-events-{_EVENTS}"])


def _program(name: str) -> Program:
    """The program, or a skipped test where its peer is not installed and nobody asked for it."""
    program = _BY_NAME[name]
    peer = program.peer
    if peer is not None and not peer.is_installed:
        if os.environ.get("PLG_BENCH_PEERS") != "1":
            pytest.skip(f"{peer.title} is not installed; PLG_BENCH_PEERS=1 or `make bench` installs it")
        peer.install(lambda _text: None)
    return program


def _comparison(kafka: KafkaServer, prefix: str, folder: Path, program: Program) -> Comparison:
    comparison = Comparison(kafka.address, prefix, _EVENTS, Cores(None, None), folder)
    comparison.fill((program,))
    return comparison
