"""A shadow beside production, what `plg diff` says of both, and the config held against the one in force."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from streams.replaying import Replay, read_lines
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

EVENTS = 4_000


def wait_until_read(made: River, group: str) -> None:
    [source] = made.config.source.topics
    wait_for(lambda: made.left(source, group) == 0, 60.0, lambda: f"{group}: {made.left(source, group)} left")
    # What the last events bring about is sent by the next checkpoints.
    logs = (f"{group}.user-events", f"{group}.workspace-facts")
    wait_for(lambda: not any(made.left(topic, group) for topic in logs), 60.0, lambda: f"{group} is behind")


@pytest.mark.timeout(180)
def test_shadow_shares_nothing_with_production_and_the_diff_lists_what_its_config_changes(
    tmp_path: Path, kafka: KafkaServer, prefix: str, story: Path, report: Callable[[str], None]
) -> None:
    shadow = f"{prefix}-shadow"
    with river(tmp_path, kafka.address, prefix, clock="wall", overrides="topics: {partitions: 1}\n") as made:
        made.extra["PLG_HEALTH"] = "off"
        # Of one partition all three see the same order. Every threshold is alike, but for one.
        edited = tmp_path / "new.yaml"
        edited.write_text(made.config_path.read_text() + "signals: {multi_user: {active_users: 3, rearm_at: 2}}\n")
        production = made.worker()
        player = Replay(made.config, made.settings, ticks=False)
        player.play(islice(read_lines([story]), EVENTS))
        same = made.start("worker", "--prefix", f"{prefix}-same")
        other = made.start("worker", "--config", str(edited), "--prefix", shadow, "--from", "earliest")
        for process in (production, same, other):
            process.wait_for_log("worker.started", 60.0)
        for group in (prefix, f"{prefix}-same", shadow):
            wait_until_read(made, group)
        time.sleep(2)

        unlike = made.plg("diff", prefix, shadow, "--json")
        alike = made.plg("diff", prefix, f"{prefix}-same")
        text = made.plg("diff", prefix, shadow, "--limit", "2")

        assert (unlike.returncode, alike.returncode) == (1, 0), unlike.stderr + alike.stdout + alike.stderr
        signals = json.loads(unlike.stdout)["signals"]
        report(text.stdout)
        assert {one["signal"] for one in signals["only"][shadow]} >= {"multi_user"}
        # The score moves with it, and nothing else.
        changed = [*signals["only"][prefix], *signals["only"][shadow], *(pair[prefix] for pair in signals["moved"])]
        assert {one["signal"] for one in changed} <= {"multi_user", "pql"}
        assert sum(signals["same"].values()) > 100
        assert "multi_user" in text.stdout

        compared = made.plg("check", str(edited), "--against-running")
        assert compared.returncode == 0, compared.stdout + compared.stderr
        assert "signals.multi_user.active_users: 5 -> 3: live" in compared.stdout
        edited.write_text(made.config_path.read_text() + "time_zone: Europe/Berlin\n")
        refused = made.plg("check", str(edited), "--against-running")
        report(refused.stdout)
        assert refused.returncode == 2
        assert "time_zone: UTC -> Europe/Berlin: takes a rebuild" in refused.stdout
        assert f"They read {EVENTS:,} records of {prefix}-events again" in refused.stdout
        again = made.plg("worker", "--config", str(edited))
        assert again.returncode == 2
        assert "time_zone: was UTC, is Europe/Berlin" in again.stderr


@pytest.mark.timeout(120)
def test_published_config_is_in_force_and_the_recorded_log_is_replayed_by_it(
    tmp_path: Path, kafka: KafkaServer, prefix: str, story: Path
) -> None:
    with river(tmp_path, kafka.address, prefix, clock="wall", overrides="topics: {partitions: 2}\n") as made:
        made.extra["PLG_HEALTH"], made.extra["PLG_TICK_S"] = "off", "3600"
        worker = made.worker()
        worker.wait_for_log("worker.started", 60.0)
        lines = [*islice(read_lines([story]), 2_000)]
        Replay(made.config, made.settings, ticks=False).play(lines[:1_000])
        wait_until_read(made, prefix)
        edited = tmp_path / "image.yaml"
        edited.write_text(made.config_path.read_text() + "signals: {multi_user: {active_users: 2, rearm_at: 1}}\n")

        published = made.plg("config", "publish", "--config", str(edited))
        assert published.returncode == 0, published.stderr
        name = published.stdout.split()[1]
        wait_for(
            lambda: all(_names(made, topic, name) for topic in (made.topics.user_events, made.topics.workspace_facts)),
            30.0,
            lambda: "no tick names it",
        )
        Replay(made.config, made.settings, ticks=False).play(lines[1_000:])
        wait_until_read(made, prefix)
        made.wait_until_settled()
        worker.terminate()

        files = {}
        for topic in (made.topics.workspace_facts, made.topics.config):
            files[topic] = tmp_path / f"{topic}.jsonl"
            assert made.plg("topics", "record", topic, "--out", str(files[topic])).returncode == 0
        out = tmp_path / "found.jsonl"
        replayed = made.plg(
            "backtest",
            str(made.config_path),
            str(files[made.topics.workspace_facts]),
            "--facts",
            "--out",
            str(out),
            "--configs",
            str(files[made.topics.config]),
        )
        assert replayed.returncode == 0, replayed.stderr
        found = {one["id"]: one["config"] for one in map(json.loads, out.read_text().splitlines())}
        live = {
            one["id"]: one["config"]
            for one in made.read_json(made.topics.signals)
            if one["scope"] == "workspace" and one["kind"] != "measure"
        }
        assert found == live
        assert set(live.values()) == {made.config.hash, name}


def _names(made: River, topic: str, name: str) -> bool:
    return any(name.encode() in message.value() for message in made.read(topic) if b'"tick"' in message.value()[:20])
