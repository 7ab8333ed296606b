"""The cases of the river: what makes them bad, how they are held against the backlog, and that they run."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.cases import BACKLOG, CASES, STEADY, Cases, as_json, new_users, one_workspace, tables
from benchmarks.job import Result
from benchmarks.machine import Cores
from benchmarks.report import Series
from simulator.play import simulate
from simulator.scenario import Scenario
from tests.servers import KafkaServer

_SCENARIO = Scenario(days=5, workspaces=40, large=0)


def test_every_event_is_the_first_of_its_user() -> None:
    events = [msgspec.json.decode(line) for line in new_users(100)]

    assert len({event["userId"] for event in events}) == 100
    assert len({event["context"]["groupId"] for event in events}) == 20
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)


def test_about_three_in_ten_events_are_of_one_workspace_and_the_rest_is_as_it_was() -> None:
    lines = [msgspec.json.encode(message) for message in simulate(_SCENARIO)]

    made = list(one_workspace(lines))

    moved = [line for line in made if b'"groupId":"ws_large"' in line]
    assert len(made) == len(lines)
    assert 0.15 < len(moved) / len([line for line in lines if b"groupId" in line]) < 0.45
    assert {line for line in made if line not in moved} <= set(lines)


def test_a_case_is_held_against_the_backlog_of_its_run() -> None:
    series = {BACKLOG: _series(BACKLOG, 10.0, 20.0), STEADY: _series(STEADY, 20.0, 20.0)}

    rates, costs = ([list(column.cells) for column in table.columns] for table in tables(series))

    assert rates[0] == [BACKLOG]
    assert costs[1] == ["15.0", "20.0"]
    assert costs[-1] == ["1.00 x", "1.33 x"]
    assert as_json(series)[STEADY]["cpu_s_per_million"] == 20.0


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
@pytest.mark.parametrize("case", list(CASES))
def test_a_case_runs_to_its_end(case: str, kafka: KafkaServer, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    messages = list(simulate(Scenario(days=3, workspaces=10, large=0)))
    events.write_bytes(b"".join(msgspec.json.encode(message) + b"\n" for message in messages))
    cases = Cases(kafka.address, Cores(None, None), tmp_path, events, steady_s=2.0)
    cases.fill(case)

    result = cases.run(case, 1, backlog=100.0)
    cases.remove()

    assert result.events == (min(len(messages), 100) if case == STEADY else len(messages))
    assert result.cpu_s is not None


def _series(name: str, *costs: float) -> Series:
    return Series(name, "", [Result(1_000_000, 50.0, cost) for cost in costs])
