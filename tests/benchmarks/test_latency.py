"""The latency benchmark: its arithmetic, and that both sides bring every measured event to Redis."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.latency_report import LatencyReport, Turn
from benchmarks.latency_sides import Passage, Stage
from benchmarks.machine import Cores
from benchmarks.open_loop import Schedule, _keyed, _measured, _now
from benchmarks.passages import marks_in, percentile
from signals.config import Config
from signals.event import Role, Source
from signals.formats.segment import SegmentDecoder
from tests.servers import KafkaServer, RedisServer

_ROOT = Path(__file__).parents[2]
_LINE = (
    b'{"type":"track","messageId":"sim-7-1","userId":"u_1","anonymousId":"a_1","event":"Report Shared",'
    b'"properties":{"with":"team"},"context":{"groupId":"ws_1"},"originalTimestamp":"2026-01-04T23:42:46.423Z",'
    b'"sentAt":"2026-01-04T23:42:47.116Z","receivedAt":"2026-01-04T23:42:47.183Z","timestamp":"2026-01-04T23:42:46.490Z"}'
)


def test_help_says_what_is_measured_and_how_to_look_quickly() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks.latency", "--help"],
        cwd=_ROOT,
        env={"PATH": "", "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert [
        word for word in ("Redis", "bare relay", "due", "--max-rate", "--json", "Shorter") if word not in shown
    ] == []


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_percentile_of_one_value_is_that_value() -> None:
    assert [percentile([7.0], percent) for percent in (0, 50, 100)] == [7.0, 7.0, 7.0]


def test_events_are_due_evenly_and_the_measured_ones_are_part_of_the_rate() -> None:
    schedule = Schedule(rate=1_000, warm_up_s=1, seconds=3, measured_rate=50)

    assert [schedule.due(passed) for passed in (0, 0.5, 4)] == [(0, 0), (475, 25), (3_800, 200)]


def test_nothing_becomes_due_after_the_end_of_a_step() -> None:
    schedule = Schedule(rate=1_000, warm_up_s=1, seconds=3, measured_rate=50)

    assert schedule.due(400) == schedule.due(4)


def test_a_measured_event_is_due_no_later_than_it_is_sent() -> None:
    schedule = Schedule(rate=1_000, warm_up_s=0, seconds=10, measured_rate=53)

    moments = [0.001 * turn for turn in range(10_000)]

    assert all(schedule.due_at(schedule.due(at)[1] - 1) <= at + 1e-9 for at in moments if schedule.due(at)[1])


def test_what_is_due_in_the_warm_up_does_not_count() -> None:
    schedule = Schedule(rate=1_000, warm_up_s=2, seconds=8, measured_rate=50)

    assert [schedule.counts(number) for number in (98, 99, 100)] == [False, False, True]


@pytest.mark.parametrize(
    "value",
    [
        b'{"event":{"user_id":"lat-3-17","workspace_id":"lat-3-17"}}',
        b'[{"event":{"user_id":"u_1"}},{"event":{"user_id":"lat-3-17"}}]',
    ],
)
def test_a_measured_event_is_found_in_one_object_and_in_a_list_of_them(value: bytes) -> None:
    assert marks_in(value) == {"lat-3-17"}


def test_an_ordinary_event_is_the_simulated_one_as_of_now() -> None:
    key, kind, rest = _keyed(_LINE)
    value = b'{"type":"%b","messageId":"now-1",' % kind + rest + _now()

    then, now = msgspec.json.decode(_LINE), msgspec.json.decode(value)

    new = {"messageId", "originalTimestamp", "sentAt", "receivedAt", "timestamp"}
    assert (key, now.keys()) == (b"u_1", then.keys())
    assert {name for name in then if then[name] != now[name]} == new


def test_a_measured_event_asks_for_what_no_other_has_asked_for() -> None:
    event = SegmentDecoder(Config()).decode(_measured("lat-3-17", _now()), None, Source("product", 0, 0))

    assert (event.roles, event.matched) == ((Role.PROCUREMENT_REQUESTED,), "MSA Requested")
    assert (event.user_id, event.workspace_id) == ("lat-3-17", "lat-3-17")


def test_numbers_that_the_sender_spoilt_itself_are_named() -> None:
    report = _report(behind_ms=51.0)

    assert "ours at 50%: 51 ms" in report.late()


def test_a_sender_that_is_a_little_late_spoils_nothing() -> None:
    assert _report(behind_ms=50.0).late() == ""


def test_ratio_is_that_of_the_medians_over_the_rounds() -> None:
    report = _report(behind_ms=0.0)

    assert report.as_json()["loads"] == {
        "50%": {
            "ours": {"p50_ms": 30.0, "p99_ms": 30.0, "p100_ms": 30.0},
            "relay": {"p50_ms": 10.0, "p99_ms": 10.0, "p100_ms": 10.0},
            "p99_ratio": 3.0,
        }
    }


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
def test_both_sides_bring_every_measured_event_to_redis(
    kafka: KafkaServer, redis_server: RedisServer, prefix: str, tmp_path: Path
) -> None:
    stage = Stage(kafka.address, redis_server.url, prefix, Cores(None, None), tmp_path)
    with contextlib.closing(stage):
        stage.start_ours()
        stage.start_relay()
        passages = {side.name: stage.turn(side, Schedule(200, 0, 1)) for side in stage.sides}

    for passage in passages.values():
        assert len(passage.latencies_ms) == 53
        assert {hop: len(times) for hop, times in passage.hops_ms.items()} == dict.fromkeys(Passage.HOPS, 53)
        # The hops are the whole way: nothing is counted twice or left out.
        assert sum(map(sum, passage.hops_ms.values())) == pytest.approx(sum(passage.latencies_ms))
        assert min(passage.latencies_ms) > 0


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
def test_a_backlog_is_worked_off_and_its_rate_told(
    kafka: KafkaServer, redis_server: RedisServer, prefix: str, tmp_path: Path
) -> None:
    stage = Stage(kafka.address, redis_server.url, prefix, Cores(None, None), tmp_path)
    with contextlib.closing(stage):
        stage.load.backlog(stage.ours.source, 500)
        stage.start_ours()

        assert stage.catch_up(500) > 0


def _report(behind_ms: float) -> LatencyReport:
    """Three rounds at half load, the last of ours disturbed by something."""
    took = {"ours": (30.0, 20.0, 900.0), "relay": (10.0, 10.0, 10.0)}
    turns = [
        Turn(side, 0.5, Passage(500.0, [total_ms] * 10, {hop: [behind_ms] * 10 for hop in Passage.HOPS}, 0.2))
        for side, times in took.items()
        for total_ms in times
    ]
    return LatencyReport({}, 1_000.0, turns)
