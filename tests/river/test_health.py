"""The health server of the real processes: ready when they are, and counting what really went through."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulator import Scenario, simulate
from tests.river.harness import River, river, wait_for
from tests.river.process import Process
from tests.servers import KafkaServer, RedisServer
from tests.streams.asking import metrics, ready, request


def play(made: River, *, seed: int) -> int:
    """Play a small product of two weeks, with one record that is no event; returns how many records that is."""
    path = made.folder / f"events-{seed}.jsonl"
    events = [msgspec.json.encode(event) for event in simulate(Scenario(seed=seed, days=14, workspaces=12, large=0))]
    path.write_bytes(b"\n".join([*events, b"not json"]))
    ran = made.plg("replay", str(path))
    assert ran.returncode == 0, ran.stderr
    return len(events) + 1


def wait_until_ready(process: Process, address: str) -> list[dict[str, Any]]:
    """Ask until the answer is yes; returns every answer."""
    answers: list[dict[str, Any]] = []

    def is_ready() -> bool:
        status, answer = ready(address)
        answers.append(answer)
        assert (status == 200) == bool(answer.get("ok"))
        return status == 200

    wait_for(is_ready, 40, lambda: f"{answers[-1:]}\n{process.log[-1_000:]}")
    return answers


@pytest.mark.timeout(180)
def test_a_worker_is_ready_once_its_states_are_back_and_counts_what_went_through(
    tmp_path: Path, kafka: KafkaServer, own_redis: RedisServer, prefix: str
) -> None:
    few = "topics: {partitions: 4}\n"
    with river(tmp_path, kafka.address, prefix, redis_url=own_redis.url, overrides=few) as made:
        made.extra["PLG_HEALTH"] = "127.0.0.1:0"
        first = made.worker()
        first_address = first.health_address()
        assert request(first_address, "/live")[0] == 200
        wait_until_ready(first, first_address)

        sent = play(made, seed=5)
        made.wait_until_settled()

        _check_metrics_of_worker(made, metrics(first_address), sent)
        subjects = metrics(first_address)["plg_subjects"]
        assert first.terminate() == 0

        second = made.worker()
        second_address = second.health_address()
        answers = wait_until_ready(second, second_address)
        recovered = metrics(second_address)
        assert not answers[0]["ok"]
        assert answers[-1].items() >= {"joined": True, "recovered": True, "lag_bounded": True, "lag": 0}.items()
        assert recovered["plg_subjects"] == subjects
        assert recovered["plg_records_restored_total"]["users"] >= subjects["users"] > 0

        _check_sink(made, own_redis)


def happened(counts: dict[str, float]) -> dict[str, float]:
    """The counts that are not 0."""
    return {name: count for name, count in counts.items() if count}


def _check_metrics_of_worker(made: River, found: dict[str, dict[str, float]], sent: int) -> None:
    signals = [signal for signal in made.read_json(made.topics.signals) if signal["kind"] != "measure"]
    verdicts = made.read_json(made.topics.verdicts)
    assert found["plg_events_ingested_total"] == {"": sent}
    assert happened(found["plg_dead_letters_total"]) == {"invalid_json": 1}
    assert happened(found["plg_signals_total"]) == {
        name: sum(signal["signal"] == name for signal in signals) for name in {signal["signal"] for signal in signals}
    }
    assert sum(found["plg_alerts_total"].values()) == len(made.read(made.topics.alerts)) > 0
    assert found["plg_verdicts_total"]["sent"] == sum(verdict["verdict"] == "sent" for verdict in verdicts)
    assert found["plg_records_applied_total"] == {
        "users": len(made.read_json(made.topics.user_events)),
        "workspaces": len(made.read_json(made.topics.workspace_facts)),
    }
    assert set(found["plg_lag_records"].values()) == {0}
    assert found["plg_partitions_recovered"] == dict.fromkeys(("users", "workspaces"), made.topics.partitions)
    assert found["plg_checkpoints_total"][""] > 0
    assert found["plg_config_info"] == {made.config.hash: 1}


def _check_sink(made: River, own_redis: RedisServer) -> None:
    """A sink whose Redis is away lives and is not ready; once Redis is back it is, and has delivered everything."""
    own_redis.stop()
    sink = made.redis_sink()
    address = sink.health_address()

    wait_for(lambda: ready(address)[1].get("available") is False, 30, lambda: f"{ready(address)}\n{sink.log[-1_000:]}")
    assert request(address, "/live")[0] == 200
    assert ready(address)[0] == 503
    assert metrics(address)["plg_sink_waiting"] == {"redis": 1}

    own_redis.start()
    wait_until_ready(sink, address)
    made.wait_until_delivered()
    expected = len(made.read(made.topics.alerts)) + len(made.read(made.topics.workspaces))
    found = metrics(address)
    asked = made.plg("health", "--url", f"http://{address}")

    assert found["plg_sink_delivered_total"] == {"redis": expected}
    assert found["plg_sink_outages_total"] == {"redis": 1}
    assert (found["plg_sink_waiting"], found["plg_sink_outage_age_seconds"]) == ({"redis": 0}, {"redis": 0})
    assert (asked.returncode, asked.stdout.startswith("ready: ")) == (0, True)
    assert sink.terminate() == 0


@pytest.mark.river
def test_a_health_port_that_was_set_and_is_taken_is_said_before_anything_else(nowhere: River) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        nowhere.extra["PLG_HEALTH"] = f"127.0.0.1:{taken.getsockname()[1]}"

        ran = [nowhere.plg(*command, timeout_s=30) for command in (("worker",), ("sinks", "redis"))]

    assert [done.returncode for done in ran] == [2, 2]
    for done in ran:
        assert done.stderr.startswith(f"plg: PLG_HEALTH: cannot listen on {nowhere.extra['PLG_HEALTH']}: ")
        assert "Traceback" not in done.stderr
