"""The cost benchmark: how states are copied, what is divided by what, and that it measures a real worker."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from benchmarks.cost import app
from benchmarks.cost_report import Found, as_json, per_user, tables
from benchmarks.machine import Cores
from benchmarks.population import Population, Sealed, copied, populate, renamed
from benchmarks.recovery import Recovered, Recovery, Started, start
from benchmarks.sharing import Shared, Sharing, sizes
from benchmarks.stage import Stage
from signals.codec import decode_user_state, decode_workspace_state
from signals.shard import Shard
from simulator.scenario import Scenario
from streams.config_source import load_config
from tests.servers import KafkaServer

_ROOT = Path(__file__).parents[2]
_SCENARIO = Scenario(days=10, workspaces=6, large=0)
_SEAL_BYTES = 16


@pytest.fixture(scope="module")
def population() -> Population:
    return populate(_SCENARIO, load_config(_ROOT / "config" / "demo.yaml"))


def test_ids_of_a_copy_are_others_and_as_long() -> None:
    text = b"\xadu_000123A\xa8ws_000457u_00012 a_000009 user:u_000001 anon:a_visitor_000077"

    again = renamed(text, 3)

    # 300,123 to base 36; a digit behind an id, as msgpack may write one, is none of it.
    assert int("006fkr", 36) == 3 * 100_000 + 123
    assert again == b"\xadu_006fkrA\xa8ws_06fil7u_00012 a_006fhl user:u_006fhd anon:a_visitor_006fjh"


def test_no_two_copies_share_a_subject(population: Population) -> None:
    subjects = [state.subject for copy in range(40) for state in copied(population.users, copy)]

    assert len(set(subjects)) == len(subjects)


def test_a_copied_state_is_the_same_but_for_ids(population: Population) -> None:
    states = [(state, decode_user_state) for state in population.users]
    states += [(state, decode_workspace_state) for state in population.workspaces]  # type: ignore[misc]

    for state, decode in states:
        [copy] = copied([state], 7)
        seen, expected = repr(decode(copy.value[_SEAL_BYTES:])), repr(decode(state.value[_SEAL_BYTES:]))

        assert len(copy.value) == len(state.value)
        assert _without_ids(seen) == _without_ids(expected)


def test_a_state_of_a_population_takes_whatever_comes_next(population: Population) -> None:
    [state] = [state for state in population.users if state.subject.startswith(b"user:")][:1]
    shard = Shard[object](lambda _state: b"", decode_user_state)  # type: ignore[type-var]
    shard.restore("user", state.value)

    assert shard.get("user").at == -1  # type: ignore[union-attr]


def test_a_population_counts_people_and_not_their_other_subjects() -> None:
    users = [Sealed(subject, b"") for subject in (b"user:u_000001", b"anon:a_000001", b"user:u_000002")]

    population = Population(users, [Sealed(b"user:u_000001", b"")])

    assert population.people == 2
    assert population.copies_for(5) == 3


def test_cost_per_million_is_that_of_all_workers() -> None:
    shared = Shared(events=50_000, seconds=9.0, cpu_s=[3.0, 1.0], broker_cpu_s=None)

    assert shared.per_million == 80.0
    assert shared.shares == [0.75, 0.25]


def test_sizes_are_summed_by_topic_of_the_prefix_alone() -> None:
    def topic(name: str, *bytes_: int) -> dict[str, object]:
        return {"name": name, "partitions": [{"partition_size": size, "offset_lag": 0} for size in bytes_]}

    topics = [topic("b1.signals", 5, 6), topic("b1-users-changelog", 7), topic("b1.alerts", 0), topic("other", 9)]

    assert sizes([{"log_dirs": [{"topics": topics}]}], "b1") == {"signals": 11, "users-changelog": 7}


def test_memory_per_user_is_what_is_above_an_empty_worker() -> None:
    assert per_user(300, empty=100, people=100) == 2.0


def test_everything_that_was_found_is_shown_and_written() -> None:
    found = _found()

    assert len(list(tables(found))) == 4
    assert msgspec.json.decode(msgspec.json.encode(as_json(found)))["workers"]["1"]["cpu_s_per_million"] == 100.0


def test_an_unknown_part_is_refused_with_those_that_are_known() -> None:
    said = CliRunner().invoke(app, ["--only", "speed"], env={"COLUMNS": "200"})

    assert said.exit_code == 2
    assert "known are workers, start, memory, recovery" in said.output


@pytest.mark.apache_kafka  # the embedded broker tells no log sizes
def test_workers_share_a_backlog_and_leave_bytes(
    kafka: KafkaServer, prefix: str, tmp_path: Path, population: Population
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"".join(_line(number) for number in range(200)))
    with _stage(kafka, prefix, tmp_path) as stage:
        sharing = Sharing(stage, events)

        shared = sharing.run(2)

        assert shared.events == 200
        assert len(shared.cpu_s) == 2
        assert min(shared.cpu_s) > 0
        assert {"product", "user-events", "users-changelog"} <= sharing.bytes_by_topic().keys()


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
def test_a_worker_recovers_a_population_and_takes_an_event_of_each(
    kafka: KafkaServer, prefix: str, tmp_path: Path, population: Population
) -> None:
    with _stage(kafka, prefix, tmp_path) as stage:
        recovered = Recovery(stage, population, population.people * 2).run(touch=True)

    assert recovered.people == population.people * 2
    assert recovered.states == 2 * (len(population.users) + len(population.workspaces))
    assert recovered.from_start_s > recovered.seconds > 0
    assert recovered.touched is not None


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
def test_a_start_ends_with_the_first_event_passed_on(kafka: KafkaServer, prefix: str, tmp_path: Path) -> None:
    with _stage(kafka, prefix, tmp_path) as stage:
        started = start(stage, work=True)

    assert 0 < started.first_event_s
    assert started.resident > 2**20
    assert started.worked is not None


def _stage(kafka: KafkaServer, prefix: str, folder: Path) -> Stage:
    return Stage(kafka.address, prefix, Cores(None, None), folder)


def _line(number: int) -> bytes:
    at = f"2026-02-01T10:{number // 60:02d}:{number % 60:02d}.000Z"
    event = {"type": "track", "event": "Dashboard Viewed", "messageId": f"m{number}", "userId": f"u{number % 50}"}
    return msgspec.json.encode({**event, "timestamp": at, "context": {"groupId": f"w{number % 10}"}}) + b"\n"


def _without_ids(text: str) -> str:
    return re.sub(r"(u_|ws_|a_|a_visitor_)[0-9a-z]{5,6}\b", r"\1", text)


def _found() -> Found:
    return Found(
        facts={},
        workers={1: [Shared(10_000, 2.0, [1.0], 0.5)], 2: [Shared(10_000, 2.0, [0.5, 0.6], None)]},
        bytes_by_topic={"product": 120.0, "signals": 3.0},
        started=Started(1.0, 1.5, resident=100),
        recovered=[Recovered(100, 300, 4_000, 3.0, 2.0, 1.0, resident=300, peak=350)],
    )
