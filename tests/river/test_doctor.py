"""The doctor at a real bus: it sees what stands there and what comes, and leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from simulator import Scenario, simulate
from tests.river.harness import river
from tests.servers import KafkaServer


@pytest.mark.timeout(120)
def test_doctor_looks_at_the_bus_and_leaves_no_group_behind(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    with river(tmp_path, kafka.address, prefix, clock="wall") as made:
        producer = Producer(made.settings.kafka_options)
        [topic] = made.config.source.topics
        sent = 0
        for event in simulate(Scenario(seed=3, days=5, workspaces=40)):
            key = str(event.get("userId") or event.get("anonymousId") or "")
            producer.produce(topic, msgspec.json.encode(event), key)
            producer.poll(0)
            sent += 1
        producer.produce(topic, b"\x00\x00\x00\x00\x07{}", "broken")
        assert producer.flush(20) == 0

        ran = made.plg("doctor", "--for", "0s", "--json", "--last", "1000000")
        shown = made.plg("doctor", "--for", "1s")

        found = json.loads(ran.stdout)
        assert (found["records"], found["bad"]) == (sent + 1, {"confluent_json": 1})
        # Events of a back end have no user to be keyed by.
        assert found["keyed"]["of"] == sent
        assert sent > found["keyed"]["count"] > sent * 0.9
        assert found["split_users"]["count"] == 0
        assert found["delay"]["compared"] == sent
        assert ran.returncode == shown.returncode, ran.stderr + shown.stderr
        assert "What to do" in shown.stdout or "Nothing to do" in shown.stdout
        groups = AdminClient(made.settings.kafka_options).list_consumer_groups().result(10).valid
        assert not [one.group_id for one in groups if one.group_id.startswith((prefix, "plg-reader"))]


@pytest.mark.timeout(60)
def test_topic_that_is_not_there_is_named(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    with river(tmp_path, kafka.address, prefix, topics=False) as made:
        ran = made.plg("doctor", "--for", "1s")

        assert ran.returncode == 2
        assert f"topic {prefix}-events does not exist" in ran.stderr
