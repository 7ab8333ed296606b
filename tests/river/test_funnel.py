"""The funnel beside a real Kafka: what its process keeps is what a recomputation finds, kills and all."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulator import Scenario, simulate
from tests.river.harness import River, river, wait_for
from tests.river.process import Process
from tests.servers import KafkaServer
from tests.streams.asking import ready

pytestmark = pytest.mark.river
_INPUTS = ("signals", "alerts", "verdicts")


def play(made: River, *, seed: int) -> None:
    path = made.folder / f"events-{seed}.jsonl"
    events = simulate(Scenario(seed=seed, days=60, workspaces=40, large=0))
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))
    ran = made.plg("replay", str(path))
    assert ran.returncode == 0, ran.stderr


def wait_until_folded(made: River, process: Process) -> None:
    """Wait until the funnel has committed every signal, alert and verdict that there is."""
    made.wait_until_settled()

    def left() -> int:
        return sum(made.left(f"{made.config.prefix}.{name}", f"{made.config.prefix}-funnel") for name in _INPUTS)

    wait_for(lambda: not left(), 60, lambda: f"{left()} records left\n{process.log[-2_000:]}")


def numbers(made: River, *options: str) -> dict[str, Any]:
    ran = made.plg("funnel", "--json", *options)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = msgspec.json.decode(ran.stdout)
    return found


@pytest.mark.timeout(240)
def test_the_live_funnel_is_the_recomputed_one_after_a_kill_and_a_second_story(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    with river(tmp_path, kafka.address, prefix, overrides="topics: {partitions: 4}\n") as made:
        made.extra["PLG_HEALTH"] = "127.0.0.1:0"
        made.worker()
        funnel = made.start("funnel", "run")
        play(made, seed=3)
        wait_for(lambda: numbers(made)["users"] > 0, 60, lambda: funnel.log[-2_000:])
        funnel.kill()
        play(made, seed=4)
        funnel = made.start("funnel", "run")
        wait_until_folded(made, funnel)

        live, recomputed = numbers(made), numbers(made, "--from-topic")

        assert live == recomputed
        assert live["users"] > 80
        assert live["revenue"]["USD"]["mrr"] > 0
        assert live["alerts"]["delivered"] > 0
        address = funnel.health_address()
        with urllib.request.urlopen(f"http://{address}/funnel", timeout=10) as answer:
            assert msgspec.json.decode(answer.read()) == live
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            assert f"plg_funnel_users {live['users']:.1f}" in answer.read().decode()
        table = made.plg("funnel", "--html", "funnel.html")
        assert "Users by week of sign-up" in table.stdout
        assert "<svg" in (tmp_path / "funnel.html").read_text()
        assert funnel.terminate() == 0
        assert funnel.complaints == []
        report(f"{live['users']} users, {live['workspaces']} workspaces, live as recomputed, after a kill")


@pytest.mark.timeout(180)
def test_two_processes_stand_still_and_the_one_that_is_left_goes_on(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    with river(tmp_path, kafka.address, prefix, overrides="topics: {partitions: 4}\n") as made:
        made.extra["PLG_HEALTH"] = "127.0.0.1:0"
        first, second = made.start("funnel", "run"), made.start("funnel", "run")
        addresses = [process.health_address() for process in (first, second)]
        wait_for(
            lambda: all(answer.get("joined") and not answer["ok"] for _, answer in map(ready, addresses)),
            60,
            lambda: str([ready(address) for address in addresses]),
        )
        made.worker()
        play(made, seed=3)
        wait_for(lambda: "run one" in first.log + second.log, 60, lambda: first.log[-1_000:] + second.log[-1_000:])

        assert second.terminate() == 0
        wait_until_folded(made, first)

        assert numbers(made) == numbers(made, "--from-topic")
        assert numbers(made)["users"] > 0


def test_a_topic_that_is_missing_is_named_at_the_start(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    with river(tmp_path, kafka.address, prefix, topics=False) as made:
        ran = made.plg("funnel", "run")

        assert ran.returncode == 2
        assert f"{prefix}.funnel does not exist" in ran.stderr


def test_over_recorded_events_it_needs_no_broker(nowhere: River) -> None:
    path = nowhere.folder / "events.jsonl"
    events = simulate(Scenario(seed=3, days=30, workspaces=10, large=0))
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))

    ran = nowhere.plg("funnel", "--events", str(path), "--html", "funnel.html")

    assert ran.returncode == 0, ran.stderr
    assert "users signed up" in ran.stdout
    assert (nowhere.folder / "funnel.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--events", "missing.jsonl"), "missing.jsonl: No such file"),
        (("--events", "plg.yaml", "--html", "no/such/folder.html"), "there is no folder no/such"),
        (("run",), "no Kafka broker"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line(nowhere: River, options: tuple[str, ...], says: str) -> None:
    ran = nowhere.plg("funnel", *options)

    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_options_that_contradict_each_other_are_refused(nowhere: River) -> None:
    ran = nowhere.plg("funnel", "--from-topic", "--events", "events.jsonl")

    assert ran.returncode == 2
    assert "say one of them" in ran.stderr
    assert "Traceback" not in ran.stderr
