"""An import before the first start: no false alert, and the gate is open where it should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from signals.replay import Backtest
from streams.import_file import read_import_file
from tests.folding import check_states
from tests.river.commands import interrupted
from tests.river.harness import River, river, wait_for
from tests.river.oracle import reading
from tests.servers import KafkaServer

DAY = timedelta(days=1)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEAM = ("ann", "bob", "cid", "dan", "eve", "fay")
# Two teams alike, of which only one is imported; and what they buy is known of the one only.
IMPORT = (
    "workspace,plan,seats,activated_at,user,user_activated_at\n"
    "acme,free,7,2025-03-01,acme-ann,2025-03-01\n" + "".join(f"acme,,,,acme-{one},\n" for one in TEAM[1:])
)


def history(start: datetime, workspace: str) -> Iterator[dict[str, Any]]:
    """A week of a team that has long been one: everybody works, and the plan is told once more."""
    number = 0

    def event(name: str, at: datetime, user: str | None, **properties: object) -> dict[str, Any]:
        nonlocal number
        number += 1
        made = {
            "type": "track",
            "event": name,
            "messageId": f"{workspace}-{number}",
            "context": {"groupId": workspace},
            "timestamp": at.isoformat(),
            "properties": properties,
        }
        return made | ({"userId": f"{workspace}-{user}"} if user is not None else {})

    yield event("Dashboard Viewed", start, "ann")
    yield event("Plan Changed", start + DAY / 4, None, plan="free", seats=7)
    yield event("Report Shared", start + DAY / 2, "ann")
    for number_of_day in range(1, 7):
        # The fifth of them in the last days.
        for user in TEAM[: min(number_of_day, 4) if number_of_day < 6 else 5]:
            yield event("Dashboard Viewed", start + number_of_day * DAY, user)


def written(made: River, name: str, content: str | list[dict[str, Any]]) -> Path:
    path = made.folder / name
    path.write_text(
        content if isinstance(content, str) else "".join(f"{msgspec.json.encode(one).decode()}\n" for one in content)
    )
    return path


def told(made: River) -> dict[str, list[str]]:
    """The signals of workspace scope, by workspace."""
    found: dict[str, list[str]] = {"acme": [], "globex": []}
    seen = set()
    for one in sorted(made.read_json(made.topics.signals), key=lambda one: one["occurred_at"]):
        if one["kind"] != "measure" and one["id"] not in seen and one["workspace_id"] is not None:
            seen.add(one["id"])
            found[one["workspace_id"]].append(one["signal"])
    return found


@pytest.mark.timeout(180)
def test_import_and_then_history_raises_what_is_new_and_nothing_else(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        file = written(made, "import.csv", IMPORT)
        events = sorted([*history(START, "acme"), *history(START, "globex")], key=lambda one: str(one["timestamp"]))
        story = written(made, "story.jsonl", events)
        made.worker()
        # It has to join first.
        wait_for(lambda: sum(made.shares()) > 0, 40, lambda: "no worker")
        imported = made.plg("import", str(file), "--at", "2026-03-01")
        again = made.plg("import", str(file), "--at", "2026-03-01")
        quiet = made.read_json(made.topics.signals) + made.read_json(made.topics.alerts)
        played = made.plg("replay", str(story))
        made.wait_until_settled()

        assert (imported.returncode, again.returncode, played.returncode) == (0, 0, 0), imported.stderr + played.stderr
        assert "1 workspaces and 6 members (6 users), as of 2026-03-01 00:00 UTC: sent" in imported.stdout
        assert quiet == []
        # What the imported team did before is no news: only that five of them work in one week.
        assert told(made)["acme"] == ["multi_user"]
        assert set(told(made)["globex"]) == {"activated", "second_user", "multi_user", "seat_growth"}
        alerts = {(one["workspace_id"], one["signal"]) for one in made.read_json(made.topics.alerts)}
        assert {signal for workspace, signal in alerts if workspace == "acme"} == {"multi_user"}
        assert "changelogs equal the folded logs" in check_states(reading(made), made.config)

        # The same through the pure backtest: equal ids.
        run = Backtest(made.config)
        for record in read_import_file(file, made.config, int(START.timestamp() * 1_000) - 33 * 3_600_000).records():
            run.feed_import(record)
        signals = [found for line in story.read_bytes().splitlines() for found in run.feed(line)] + run.finish()
        live = {one["id"] for one in made.read_json(made.topics.signals) if one["kind"] != "measure"}
        assert {one["id"] for one in signals} == live

        # And through the command.
        out = made.folder / "out.jsonl"
        options = ("--import", str(file), "--import-at", "2026-03-01", "--out", str(out))
        tried = made.plg("backtest", str(made.config_path), str(story), *options)
        assert tried.returncode == 0, tried.stderr
        assert {msgspec.json.decode(one)["id"] for one in out.read_bytes().splitlines()} == live


@pytest.mark.timeout(180)
def test_import_before_the_first_start_on_a_month_of_history_rings_nobody_and_opens_the_gate(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    with river(tmp_path, kafka.address, prefix, clock="wall") as made:
        now = datetime.now(UTC)
        producer = Producer(made.settings.kafka_options)
        [topic] = made.config.source.topics
        for weeks in (4, 3, 2, 1):
            start = now - weeks * 7 * DAY - DAY
            for one in history(start, "acme"):
                stamp = int(datetime.fromisoformat(str(one["timestamp"])).timestamp() * 1_000)
                value = msgspec.json.encode(one | {"messageId": f"{weeks}-{one['messageId']}"})
                producer.produce(topic, value, "acme", timestamp=stamp)
        assert producer.flush(10) == 0
        imported = made.plg("import", str(written(made, "import.csv", IMPORT)))
        worker = made.worker()
        made.wait_until_settled()
        quiet = made.read_json(made.topics.alerts)

        # What is heard of the gate: a request of an imported team goes out at once, though nobody activates.
        stamp = time.time_ns() // 1_000_000
        event = {
            "type": "track",
            "event": "Usage Reported",
            "messageId": "live",
            "context": {"groupId": "acme"},
            "timestamp": stamp,
            "properties": {"metric": "calls", "used": 96, "limit": 100},
        }
        producer.produce(topic, msgspec.json.encode(event), "acme", timestamp=stamp)
        assert producer.flush(10) == 0
        wait_for(lambda: made.read_json(made.topics.alerts), 40, lambda: worker.log[-1_000:])

        assert imported.returncode == 0, imported.stderr
        assert "no worker is running; the first one to start applies it" in imported.stdout
        assert quiet == []
        assert [one["signal"] for one in made.read_json(made.topics.alerts)] == ["usage_limit"]


@pytest.mark.timeout(60)
def test_wrong_file_sends_nothing(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        ran = made.plg("import", str(written(made, "import.csv", IMPORT + "acme,free,many,,,\n")))

        assert ran.returncode == 2
        assert "line 8: seats: must be a number" in ran.stderr
        assert made.read(made.topics.commands) == []


@pytest.mark.timeout(120)
def test_an_import_that_was_interrupted_is_made_whole_by_the_same_command(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        rows = "".join(f"acme-{number},u{number}\n" for number in range(100_000))
        file = written(made, "import.csv", f"workspace,user\n{rows}")

        looking = Consumer({"bootstrap.servers": kafka.address, "group.id": "looking"})
        commands = TopicPartition(made.topics.commands, 0)
        # Asked for its end only: to read what is there takes as long as to send the rest.
        ran = interrupted(made, "import", str(file), when=lambda: looking.get_watermark_offsets(commands, 5)[1] > 0)
        looking.close()
        again = made.plg("import", str(file))

        assert ran.returncode == 130, ran.stderr
        assert "Traceback" not in ran.stderr, ran.stderr
        assert again.returncode == 0, again.stderr
        sent = {message.value() for message in made.read(made.topics.commands)}
        assert len(sent) == 200_000
