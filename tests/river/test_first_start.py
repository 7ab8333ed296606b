"""The very first start begins where the config says, in the topics that it says; later starts go on from there."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from signals.errors import ConfigError
from streams.admin import check_topics
from streams.config_source import load_config
from streams.first_start import position_sources
from streams.sources import NothingToRead, SourcesRead, source_topics
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer


def sign_up(made: River, *users: str, topic: str = "", at_ms: int = 0) -> None:
    """Let users sign up, as the product would send it; `at_ms` is the records' own time, now if 0."""
    producer = Producer(made.settings.kafka_options)
    for user in users:
        event = {
            "type": "track",
            "event": "Signed Up",
            "messageId": f"m-{user}",
            "userId": user,
            "timestamp": "2026-03-02T10:00:00Z",
        }
        into = topic or made.config.source.topics[0]
        producer.produce(into, msgspec.json.encode(event), user, timestamp=at_ms)
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


@pytest.mark.timeout(120)
def test_a_first_start_at_a_time_reads_what_stands_in_the_topic_since_then(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    start_ms = int(start.timestamp() * 1_000)
    with river(tmp_path, kafka.address, prefix) as made:
        written = "start: 2026-03-02T10:00:00}\ntime_zone: Europe/Berlin"
        made.config_path.write_text(made.config_path.read_text().replace("start: earliest}", written))
        sign_up(made, "a-day-before", at_ms=start_ms - 86_400_000)
        sign_up(made, "just-before", at_ms=start_ms - 1)
        sign_up(made, "at-the-time", at_ms=start_ms)
        sign_up(made, "after", at_ms=start_ms + 1)

        worker = made.worker()
        worker.wait_for_log("source.starts_at")
        sign_up(made, "now")
        wait_for(lambda: "now" in signed_up(made), 40, lambda: worker.log[-1_000:])
        made.wait_until_settled()

        assert signed_up(made) == {"at-the-time", "after", "now"}
        assert '"start": "2026-03-02T09:00:00.000Z"' in worker.log


def test_a_first_start_at_a_time_to_come_is_refused(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        made.config_path.write_text(made.config_path.read_text().replace("start: earliest", "start: 2999-01-01"))
        config = load_config(made.config_path)

        with pytest.raises(
            ConfigError, match=r"source\.start: 2999-01-01T00:00:00\.000Z has not come yet; write latest"
        ):
            position_sources(config, made.settings, config.source.topics)

        assert sum(made.committed(config.source.topics[0]).values()) == 0


def make_topic(made: River, name: str) -> None:
    admin = AdminClient(made.settings.kafka_options)
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(10)

    def has_leaders() -> bool:
        with contextlib.suppress(KafkaException):
            sign_up(made, topic=name)
            return all(
                found.leader >= 0 for found in admin.list_topics(name, timeout=10).topics[name].partitions.values()
            )
        return False

    wait_for(has_leaders, 20, lambda: f"{name} has no leaders")


@pytest.mark.timeout(120)
def test_a_pattern_reads_what_it_matches_and_a_new_topic_from_the_next_start_on(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    web, api, other = f"{prefix}-app.web", f"{prefix}-app.api", f"{prefix}-other"
    with river(tmp_path, kafka.address, prefix, clock="wall") as made:
        pattern = f"pattern: '^{prefix}-app\\..*'"
        made.config_path.write_text(made.config_path.read_text().replace(f"topics: [{prefix}-events]", pattern))
        made.config = load_config(made.config_path)
        with pytest.raises(NothingToRead, match="matches no topic of the broker"):
            source_topics(made.config, made.settings)
        assert [report.name for report in check_topics(made.config, made.settings) if report.problem] == [
            "source.pattern"
        ]
        make_topic(made, web)
        make_topic(made, other)
        sign_up(made, "on-web", topic=web)
        sign_up(made, "elsewhere", topic=other)

        first = made.worker()
        wait_for(lambda: signed_up(made) == {"on-web"}, 40, lambda: first.log[-1_000:])
        make_topic(made, api)
        sign_up(made, "on-api", topic=api)
        first.wait_for_log("source.new_topic")
        assert SourcesRead(made.config, made.settings, (web,)).topics() == (web,)
        second = made.worker()
        wait_for(lambda: len(signed_up(made)) > 1, 40, lambda: second.log[-1_000:])

        # The worker that does not know the topic sends the ticks, and they wait for its events all the same.
        assert SourcesRead(made.config, made.settings, (web,)).topics() == (web, api)
        made.wait_until_settled()
        assert signed_up(made) == {"on-web", "on-api"}
        assert first.log.count("source.new_topic") == 1
        assert [worker.terminate() for worker in (first, second)] == [0, 0]
