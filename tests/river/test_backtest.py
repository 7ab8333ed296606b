"""`plg backtest --from-topic`: what the product's topics hold gives the signals that a file of it gives."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from simulator import Scenario, simulate
from streams.replaying import Replay, read_lines
from tests.river.comparing import check_one_message
from tests.river.harness import NOBODY, River, river
from tests.servers import KafkaServer

OVERRIDES = "topics: {partitions: 4}\n"
FROM, TO = "2026-02-10T00:00:00.000Z", "2026-02-24T00:00:00.000Z"


@pytest.mark.timeout(120)
def test_a_topic_gives_what_a_file_of_it_gives_whole_and_in_part(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    events = list(simulate(Scenario(seed=3, days=30, workspaces=20, large=0)))
    part = [event for event in events if FROM <= str(event["receivedAt"]) <= TO]
    with river(tmp_path, kafka.address, prefix, overrides=OVERRIDES) as made:
        whole_file, part_file = (_written(tmp_path / name, lines) for name, lines in (("w", events), ("p", part)))
        Replay(made.config, made.settings, ticks=False).play(read_lines([whole_file]))

        whole = _signals(made, "--from-topic")
        ranged = _signals(made, "--from-topic", "--since", FROM, "--until", TO)

        assert 0 < len(part) < len(events)
        assert whole == _signals(made, str(whole_file))
        assert ranged == _signals(made, str(part_file), "--until", TO)
        assert 0 < len(ranged) < len(whole)
        in_one, in_two = (
            _written_by(made, "--from-topic", "--since", FROM, "--until", TO, "--processes", processes)
            for processes in ("1", "2")
        )
        assert in_two == in_one
        assert len(in_one.splitlines()) == len(ranged)


@pytest.mark.timeout(60)
def test_a_cause_names_the_record_of_the_topic(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    story = _written(tmp_path / "story", list(simulate(Scenario(seed=3, days=10, workspaces=4, large=0))))
    with river(tmp_path, kafka.address, prefix, overrides=OVERRIDES) as made:
        Replay(made.config, made.settings, ticks=False).play(read_lines([story]))
        _run(made, "--from-topic", "--out", "out.jsonl")

        [topic] = made.config.source.topics
        held = {(message.partition(), message.offset()): message.value() for message in made.read(topic)}
        causes = [json.loads(line)["cause"] for line in (made.folder / "out.jsonl").read_text().splitlines()]

        assert causes
        for cause in causes:
            record = json.loads(held[cause["partition"], cause["offset"]])
            assert (record["messageId"], cause["topic"]) == (cause["event_id"], topic)


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.timeout(60)
def test_a_topic_that_is_not_there_is_named(tmp_path: Path, kafka: KafkaServer, prefix: str, processes: str) -> None:
    with river(tmp_path, kafka.address, prefix, topics=False) as made:
        ran = made.plg("backtest", str(made.config_path), "--from-topic", "--processes", processes)

        assert ran.returncode == 2
        check_one_message(ran, made.config.source.topics[0], "does not exist")


@pytest.mark.river
@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.timeout(60)
def test_without_a_broker_a_topic_cannot_be_read(nowhere: River, processes: str) -> None:
    ran = nowhere.plg("backtest", str(nowhere.config_path), "--from-topic", "--processes", processes)

    assert ran.returncode == 2
    check_one_message(ran, NOBODY)


def _written(path: Path, events: list[dict[str, object]]) -> Path:
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))
    return path


def _signals(made: River, *what: str) -> list[str]:
    _run(made, *what, "--out", "out.jsonl")
    lines = (made.folder / "out.jsonl").read_text().splitlines()
    return sorted(f"{one['id']} {one['occurred_at']} {one['verdict']}" for one in map(json.loads, lines))


def _written_by(made: River, *what: str) -> bytes:
    _run(made, *what, "--out", "out.jsonl")
    return (made.folder / "out.jsonl").read_bytes()


def _run(made: River, *what: str) -> subprocess.CompletedProcess[str]:
    ran = made.plg("backtest", str(made.config_path), *what)
    assert ran.returncode == 0, ran.stderr
    return ran
