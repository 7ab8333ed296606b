"""The very first start begins where the config says, and later starts go on where the last one was."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer


def sign_up(made: River, *users: str) -> None:
    """Let users sign up, as the product would send it."""
    producer = Producer(made.settings.kafka_options)
    for user in users:
        event = {
            "type": "track",
            "event": "Signed Up",
            "messageId": f"m-{user}",
            "userId": user,
            "timestamp": "2026-03-02T10:00:00Z",
        }
        producer.produce(made.config.source.topics[0], msgspec.json.encode(event), user)
    assert producer.flush(10) == 0


def signed_up(made: River) -> set[str]:
    return {signal["user_id"] for signal in made.read_json(made.topics.signals)}


@pytest.mark.timeout(120)
def test_a_first_start_at_latest_knows_nothing_of_what_stood_there_before(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        made.config_path.write_text(made.config_path.read_text().replace("start: earliest", "start: latest"))
        sign_up(made, "before-1", "before-2")

        worker = made.worker()
        worker.wait_for_log("source.starts_at_latest")
        sign_up(made, "after-1")
        wait_for(lambda: signed_up(made), 40, lambda: worker.log[-1_000:])
        assert worker.terminate() == 0
        sign_up(made, "while-away")
        made.worker()
        wait_for(lambda: len(signed_up(made)) > 1, 40, lambda: str(signed_up(made)))

        assert signed_up(made) == {"after-1", "while-away"}
