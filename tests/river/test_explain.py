"""`plg explain` beside a river that has run: the same as from the file, also after its worker was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulator import Scenario, simulate
from streams.replaying import Replay, read_lines
from tests.river.comparing import check_one_message
from tests.river.harness import NOBODY, River, river
from tests.servers import KafkaServer

# One, so that the order in all logs is that of the file.
OVERRIDES = "topics: {partitions: 1}\n"


@pytest.mark.timeout(120)
def test_explained_live_a_workspace_is_what_it_is_explained_from_the_file(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    story = tmp_path / "story.jsonl"
    story.write_bytes(
        b"\n".join(msgspec.json.encode(event) for event in simulate(Scenario(seed=3, workspaces=12, large=0)))
    )
    with river(tmp_path, kafka.address, prefix, overrides=OVERRIDES) as made:
        worker = made.worker()
        worker.wait_for_log("worker.started")
        replay = Replay(made.config, made.settings)
        replay.play(read_lines([story]))
        assert replay.settle()
        made.wait_until_settled()
        # Whoever asks needs no worker, and a killed one has left all that is committed.
        worker.kill()
        found = made.read_json(made.topics.signals)
        workspace = next(one["workspace_id"] for one in found if one["signal"] == "multi_user")
        user = next(one["user_id"] for one in found if one["signal"] == "activated")

        for subject in (("workspace", workspace), ("user", user)):
            live, file = _explained(made, *subject), _explained(made, *subject, "--events", str(story))

            assert live["signals"]
            assert _timeless(live) == _timeless(file)
            assert live["origin"]["behind"] == 0
            assert live["warnings"] == []

        unknown = made.plg("explain", "workspace", "nobody")
        assert unknown.returncode == 2
        check_one_message(unknown, "no workspace nobody", f"{prefix}-workspaces-changelog/")
        text = made.plg("explain", "workspace", workspace)
        assert text.returncode == 0, text.stderr
        assert text.stderr == ""
        assert "what fired" in text.stdout
        made.config_path.write_text(made.config_path.read_text() + "signals: {multi_user: {active_users: 9}}\n")
        warned = _explained(made, "workspace", workspace)
        assert [made.config.hash in warning for warning in warned["warnings"]] == [True]


def _explained(made: River, *arguments: str) -> dict[str, Any]:
    ran = made.plg("explain", *arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = msgspec.json.decode(ran.stdout)
    return told


def _timeless(told: dict[str, Any]) -> dict[str, Any]:
    """Without where it was read, and without the moment and what counts from it: the river's tick is a moment later."""
    return {name: value for name, value in told.items() if name not in {"origin", "now", "gaps"}}


@pytest.mark.river
@pytest.mark.timeout(60)
def test_without_a_broker_it_says_where_it_looked(nowhere: River) -> None:
    ran = nowhere.plg("explain", "workspace", "acme")

    assert ran.returncode == 2, ran.stderr
    check_one_message(ran, NOBODY)


@pytest.mark.river
@pytest.mark.timeout(60)
def test_a_config_with_mistakes_is_refused(nowhere: River) -> None:
    nowhere.config_path.write_text("prefix: Plg Prod\n")

    ran = nowhere.plg("explain", "user", "ann")

    assert ran.returncode == 2, ran.stderr
    check_one_message(ran, "plg.yaml:1:1 prefix")


@pytest.mark.river
@pytest.mark.timeout(60)
def test_ctrl_c_ends_it_with_130(nowhere: River, story: Path) -> None:
    # Long enough to be in the middle of it.
    arguments = ["explain", "workspace", "acme", *(["--events", str(story)] * 20)]
    command = [sys.executable, "-m", "streams.cli", *arguments]
    with subprocess.Popen(
        command, env=nowhere.environment, cwd=nowhere.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        output, said = running.communicate(timeout=15)

    assert running.returncode == 130, said
    assert output == ""
    assert "Traceback" not in said
