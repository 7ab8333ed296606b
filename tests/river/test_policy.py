"""The default journey through Kafka to Redis, and what people tell policy by commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from confluent_kafka import Producer

from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer, RedisServer
from tests.signals.stories import JOURNEYS, alerts_of

WORKSPACE = "initech"


class Seen:
    """What sales-assist sees in Redis."""

    def __init__(self, made: River) -> None:
        self._made = made
        self._client = redis.Redis.from_url(made.settings.redis_url.get_secret_value(), decode_responses=True)

    def alerts(self) -> list[dict[str, Any]]:
        """The stream, oldest first."""
        entries: Any = self._client.xrange(f"{{{self._made.config.prefix}}}:alerts")
        return [msgspec.json.decode(fields["data"]) for _, fields in entries]

    def queue(self) -> list[str]:
        """The workspaces of the work queue."""
        found: Any = self._client.zrevrange(f"{{{self._made.config.prefix}}}:queue:sales-assist", 0, -1)
        return list(found)

    def snapshot(self) -> dict[str, Any]:
        """The workspace's snapshot."""
        text: Any = self._client.get(f"{{{self._made.config.prefix}}}:workspace:{WORKSPACE}")
        found: dict[str, Any] = msgspec.json.decode(text or "{}")
        return found

    def close(self) -> None:
        self._client.close()


def ask_for(made: River, request: str, at: str) -> None:
    """Let somebody of the workspace ask for a contract."""
    event = {
        "type": "track",
        "event": request,
        "messageId": f"{request} {at}",
        "userId": "ann",
        "context": {"groupId": WORKSPACE},
        "timestamp": at,
    }
    producer = Producer(made.settings.kafka_options)
    producer.produce(made.config.source.topics[0], msgspec.json.encode(event), "ann")
    assert producer.flush(10) == 0


def verdicts(made: River, signal: str) -> list[str]:
    return [found["verdict"] for found in made.read_json(made.topics.verdicts) if found["signal"] == signal]


@pytest.mark.timeout(180)
def test_the_default_journey_is_in_redis_as_its_story_tells_and_people_mute_and_close_it(
    tmp_path: Path, kafka: KafkaServer, own_redis: RedisServer, prefix: str, report: Callable[[str], None]
) -> None:
    journey = JOURNEYS / "team.jsonl"
    # A fortnight within a second: only one partition keeps its events in the order in which they happened.
    few = "topics: {partitions: 1}\n"
    with river(tmp_path, kafka.address, prefix, redis_url=own_redis.url, overrides=few) as made:
        worker, sink, seen = made.worker(), made.redis_sink(), Seen(made)
        assert made.plg("replay", str(journey)).returncode == 0
        made.wait_until_delivered()
        story = [(status, title) for _, status, title in alerts_of(journey)]
        heard = [(alert["status"], alert["title"]) for alert in seen.alerts()]
        queue = seen.queue()

        closed = made.plg("close", WORKSPACE, "--reason", "talked to them")
        muted = made.plg("mute", "--workspace", WORKSPACE, "--signal", "procurement")
        wait_for(lambda: "procurement" in seen.snapshot().get("muted", {}), 30, lambda: str(seen.snapshot()))
        ask_for(made, "MSA Requested", "2026-03-20T10:00:00Z")
        wait_for(lambda: verdicts(made, "procurement"), 30, lambda: worker.log[-500:])
        unmuted = made.plg("unmute", "--workspace", WORKSPACE, "--signal", "procurement")
        wait_for(lambda: seen.snapshot().get("muted") == {}, 30, lambda: str(seen.snapshot()))
        ask_for(made, "DPA Requested", "2026-03-21T10:00:00Z")
        wait_for(lambda: len(verdicts(made, "procurement")) > 1, 30, lambda: worker.log[-500:])
        made.wait_until_settled()
        made.wait_until_delivered()
        last = [(alert["status"], alert["signal"], alert["reason"]) for alert in seen.alerts()][len(story) :]

        assert heard == story
        assert queue == [WORKSPACE]
        assert [ran.returncode for ran in (closed, muted, unmuted)] == [0, 0, 0]
        assert closed.stdout == f"close workspace {WORKSPACE}: sent\n"
        assert verdicts(made, "procurement") == ["muted", "sent"]
        assert last == [("closed", "seat_limit", "talked to them"), ("open", "procurement", None)]
        seen.close()
        assert (worker.terminate(), sink.terminate()) == (0, 0)
        assert worker.complaints == []
        report(
            f"{len(story)} states of alerts in the order of the story; {muted.stdout.strip()}; {closed.stdout.strip()}"
        )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mute",), "a workspace is missing"),
        (("mute", "--signal", "multi_usr"), "did you mean multi_user"),
        (("snooze", "acme"), "a snooze has an end"),
        (("snooze", "acme", "--for", "soon"), "--for soon"),
        (("snooze", "acme", "--until", "2020-01-01"), "is over"),
        (("snooze", "acme", "--until", "whenever"), "--until whenever: not a time"),
        (("mute", "-w", "acme", "--for", "1d", "--until", "2099-01-01"), "not both"),
    ],
)
def test_a_command_that_nobody_could_follow_is_refused_before_it_is_sent(
    nowhere: River, arguments: tuple[str, ...], says: str
) -> None:
    ran = nowhere.plg(*arguments)

    assert ran.returncode == 2, ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
