"""All the golden stories through Kafka and a worker: every signal of docs/signals.md is seen live, as it should be."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signals.thresholds import Signals
from streams.replaying import Replay
from tests.river.comparing import check_contract, check_signals
from tests.river.harness import river, wait_for
from tests.river.oracle import judge
from tests.servers import KafkaServer
from tests.signals.stories import JOURNEYS, SETTINGS, passes_until

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

SIGNALS = {*Signals.model_fields, "export_burst"}


def everything() -> list[dict[str, Any]]:
    """What happens in all stories, by its time; each story's people and workspaces are its own."""
    found = [
        _of_story(msgspec.json.decode(line), journey.stem)
        for journey in sorted(JOURNEYS.glob("*.jsonl"))
        for line in journey.read_bytes().splitlines()
    ]
    return sorted(found, key=lambda one: one.get("until") or one["timestamp"])


def _of_story(one: dict[str, Any], story: str) -> dict[str, Any]:
    for part in (one, one.get("context", {}), one.get("properties", {})):
        part |= {key: f"{story}-{part[key]}" for key in ("userId", "groupId", "member_id") if key in part}
    return one


def chapters() -> Iterator[tuple[list[bytes], int]]:
    """Events, and until when time has passed when they are through."""
    lines: list[bytes] = []
    for one in everything():
        line = msgspec.json.encode(one)
        until = passes_until(line)
        if until is None:
            lines.append(line)
        else:
            yield lines, until
            lines = []
    assert lines == [], "the last of all stories lets no time pass at its end"


@pytest.mark.timeout(150)
def test_every_signal_is_seen_live_and_equals_the_backtest_and_the_folded_facts(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    # As JSON, which is YAML.
    events, sections = json.dumps(SETTINGS["events"]), {key: SETTINGS[key] for key in ("plans", "custom")}
    overrides = "".join(f"{key}: {json.dumps(value)}\n" for key, value in sections.items())
    story = tmp_path / "stories.jsonl"
    story.write_bytes(b"".join(line + b"\n" for lines, _ in chapters() for line in lines))
    few = "topics: {partitions: 4}\n"
    with river(tmp_path, kafka.address, prefix, events=events, overrides=overrides + few) as made:
        worker = made.worker()
        worker.wait_for_log("worker.started")
        started = time.monotonic()
        player = Replay(made.config, made.settings)

        for lines, until in chapters():
            player.play(lines)
            assert player.settle(until), worker.log[-2_000:]

        made.wait_until_settled()
        played_s = time.monotonic() - started
        # A snapshot is sent at most every 5 seconds a workspace.
        wait_for(lambda: not judge(made, has_redis=False).stale_snapshots, 30.0, lambda: "snapshots that are not new")
        live = made.read_json(made.topics.signals)
        found = judge(made, has_redis=False)
        counts = Counter(one["signal"] for one in live if one["kind"] != "measure")
        measures = Counter(one["signal"] for one in live if one["kind"] == "measure")
        report(f"{player.report.events} events through the river in {played_s:.1f} s; {check_signals(made, story)}")
        report(f"against its own logs: {found.said()}; measures {dict(measures)}")
        assert set(counts) == SIGNALS
        assert found.is_clean, found.text()
        # Nothing was killed: nothing was sent twice either.
        assert len({one["id"] for one in live}) == len(live)
        check_contract(made)
        assert worker.terminate() == 0
        assert worker.complaints == []
