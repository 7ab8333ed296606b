"""What cannot work is refused in one clear message; what is away is waited for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import AdminClient, NewTopic

from signals.moments import iso
from tests.river.comparing import check_one_message
from tests.river.harness import NOBODY, River, river, wait_for
from tests.servers import KafkaServer, RedisServer

FIVE_MISTAKES = """\
prefix: Plg Prod
clock: sometimes
signals:
  multi_user: {active_users: 0}
  secnd_user: {enabled: true}
limits:
  max_event_bytes: lots
"""


# -- no broker


@pytest.mark.river
@pytest.mark.parametrize(
    "command",
    [
        ("worker",),
        ("topics", "create"),
        ("topics", "check"),
        ("topics", "record", "nowhere.signals", "--out", "signals.jsonl"),
        ("sinks", "redis"),
        ("rebuild", "redis"),
        ("replay", "events.jsonl"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_without_a_broker_a_command_says_where_it_looked(nowhere: River, command: tuple[str, ...]) -> None:
    nowhere.folder.joinpath("events.jsonl").write_text('{"type": "track", "event": "Signed Up", "userId": "u1"}\n')

    ran = nowhere.plg(*command, timeout_s=40)

    assert ran.returncode == 2, ran.stderr
    check_one_message(ran, NOBODY)
    assert not nowhere.folder.joinpath("signals.jsonl").exists()


# -- topics


@pytest.mark.timeout(120)
def test_a_worker_without_its_topics_names_them_and_the_command_that_makes_them(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    with river(tmp_path, kafka.address, prefix, topics=False) as made:
        ran = made.plg("worker")

        assert ran.returncode == 2, ran.stderr
        check_one_message(ran, f"{prefix}.user-events: missing", f"{prefix}-events: missing", "plg topics create")


@pytest.mark.timeout(120)
def test_topics_are_made_once(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    with river(tmp_path, kafka.address, prefix, topics=False) as made:
        first, second = made.plg("topics", "create", "--sources"), made.plg("topics", "create", "--sources")

        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        assert f"created {prefix}.user-events" in first.stdout
        assert second.stdout.strip() == "nothing to do: every topic is there"
        assert made.plg("topics", "check").returncode == 0


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "said"), [("user-events", "log.recreated"), ("events", "source.recreated")])
def test_a_log_that_was_recreated_under_its_states_is_refused(
    tmp_path: Path, kafka: KafkaServer, prefix: str, name: str, said: str
) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        _replay_a_few(made)
        worker = made.worker()
        made.wait_until_settled()
        assert worker.terminate() == 0
        admin = AdminClient(made.settings.kafka_options)
        [topic] = made.config.source.topics if name == "events" else [made.topics.user_events]
        admin.delete_topics([topic])[topic].result(10)
        wait_for(lambda: topic not in admin.list_topics(timeout=10).topics, 20, lambda: f"{topic} is still there")
        admin.create_topics([NewTopic(topic, made.topics.partitions, 1)])[topic].result(10)

        again = made.worker()
        code = again.popen.wait(60)

        assert code != 0, again.log
        assert f'"event": "{said}"' in again.log
        assert "plg topics reset" in again.log


# -- Redis


@pytest.mark.apache_kafka  # the embedded broker shows ends of logs too low
@pytest.mark.timeout(120)
def test_without_redis_the_sink_waits_and_then_delivers_everything(
    tmp_path: Path, kafka: KafkaServer, own_redis: RedisServer, prefix: str, report: Callable[[str], None]
) -> None:
    with river(tmp_path, kafka.address, prefix, redis_url=own_redis.url) as made:
        own_redis.stop()
        worker, sink = made.worker(), made.redis_sink()
        _replay_a_few(made)
        made.wait_until_settled()
        sink.wait_for_log("sink.waiting")
        alerts = {alert["id"] for alert in made.read_json(made.topics.alerts)}
        assert len(alerts) == 5
        assert sum(made.committed(made.topics.alerts, f"{prefix}-sink-redis").values()) == 0

        own_redis.start()
        sink.wait_for_log("sink.recovered")
        made.wait_until_delivered()

        client = redis.Redis.from_url(own_redis.url)
        entries = client.xrange(f"{{{prefix}}}:alerts")
        client.close()
        assert sorted(json.loads(fields[b"data"])["id"] for _, fields in entries) == sorted(alerts)
        assert sink.log.count("sink.waiting") == 1
        assert (worker.terminate(), sink.terminate()) == (0, 0)
        report(
            f"{len(entries)} alerts waited for Redis and were delivered once: "
            + next(line for line in sink.log.splitlines() if "sink.recovered" in line)
        )


def _replay_a_few(made: River) -> None:
    """Five workspaces, each of which asks for a contract: five alerts."""
    path = made.folder / "few.jsonl"
    lines = [
        {
            "messageId": f"m{number}",
            "type": "track",
            "event": "MSA Requested",
            "userId": f"u{number}",
            "context": {"groupId": f"w{number}"},
            "timestamp": iso(1_760_000_000_000 + number),
        }
        for number in range(5)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = made.plg("replay", "--no-wait", str(path))
    assert ran.returncode == 0, ran.stderr


# -- config


@pytest.mark.river
@pytest.mark.parametrize("command", [("check",), ("worker",)], ids=" ".join)
def test_five_mistakes_in_the_config_are_five_lines_with_line_and_column(
    nowhere: River, command: tuple[str, ...]
) -> None:
    nowhere.config_path.write_text(FIVE_MISTAKES)

    ran = nowhere.plg(*command, *([str(nowhere.config_path)] if command == ("check",) else []))

    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr
    places = [line.removeprefix("plg: ").split(" ")[0] for line in ran.stderr.splitlines()]
    assert [place.rsplit("plg.yaml", 1)[1] for place in places] == [":1:1", ":2:1", ":4:16", ":5:3", ":7:3"], ran.stderr
