"""The benchmark of the backtest: its shorter history has every subject, and what it measures is there."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks.backtest import run_backtest, thinned
from benchmarks.machine import Cores
from simulator import Scenario, simulate


def _story(folder: Path) -> Path:
    path = folder / "events.jsonl"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, simulate(Scenario(days=20, workspaces=10, large=0)))))
    return path


def _subjects(path: Path) -> set[tuple[object, object]]:
    records = map(json.loads, path.read_bytes().splitlines())
    return {(record.get("userId"), (record.get("context") or {}).get("groupId")) for record in records}


def test_the_shorter_history_has_every_user_of_every_workspace(tmp_path: Path) -> None:
    whole = _story(tmp_path)

    part = thinned(whole, tmp_path / "part.jsonl")

    assert _subjects(part) == _subjects(whole)
    assert len(part.read_bytes().splitlines()) < len(whole.read_bytes().splitlines()) / 2


def test_a_backtest_has_the_core_of_the_broker_too() -> None:
    assert Cores(program=1, broker=0).prefix == ["taskset", "-c", "1"]
    assert Cores(program=1, broker=0).both().prefix == ["taskset", "-c", "1,0"]
    assert Cores(None, None).both().prefix == []


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_backtest_is_measured_as_processes_of_its_own(tmp_path: Path, processes: str) -> None:
    config = tmp_path / "plg.yaml"
    config.write_text("events: {activated: [Report Shared]}\n")
    options = ("--sweep", "signals.multi_user.active_users=4..6", "--processes", processes)

    ran = run_backtest(config, _story(tmp_path), Cores(None, None), tmp_path, options)

    assert ran.configs == 3
    assert ran.records > 100
    assert ran.cpu_s > 0
    assert ran.peak_mb > 10
