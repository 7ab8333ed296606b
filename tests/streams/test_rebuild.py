"""`plg rebuild redis` on a real Kafka and a real Redis: as if nothing had happened, and nobody is rung twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from typer.testing import CliRunner, Result

from sinks.base import Delivery, Refused
from sinks.redis import RedisSink, Written, snapshot_key
from streams.cli import app, main
from streams.merging import read_by_time
from streams.rebuilding import RedisAway, SinkRuns
from streams.settings import Settings
from tests.servers import KafkaServer, RedisServer
from tests.sinks.projecting import ROUTE, Damage, Flow, damage, projection_in_redis, projection_of_topics
from tests.sinks.test_delivery import River, eventually, running

pytestmark = [pytest.mark.apache_kafka, pytest.mark.timeout(90)]

PARTITIONS = 3
NO_DAMAGE = Damage(0, 0, 0)


class Stage:
    """Topics, the keys of their prefix, and a sink that has delivered what it says."""

    def __init__(self, river: River, redis_url: str, folder: Path) -> None:
        self.river = river
        self.url = redis_url
        self.environment = {"PLG_KAFKA": river.bootstrap, "PLG_REDIS_URL": redis_url}
        self.client: Any = redis.Redis.from_url(redis_url)
        self.tag = f"{{{river.prefix}}}:"
        self._config = folder / "plg.yaml"
        self._config.write_text(
            f"prefix: {river.prefix}\ntopics: {{partitions: {PARTITIONS}}}\n"
            f"routes:\n- {{name: {ROUTE}, sinks: [redis]}}\n"
            "- {name: elsewhere, sinks: [slack], channel: C0123456789}\n"
        )

    @property
    def arguments(self) -> list[str]:
        return ["rebuild", "redis", "--config", str(self._config)]

    def deliver(self) -> None:
        """Run the sink until it has committed everything."""
        sink = RedisSink(self.url, self.river.prefix)
        with contextlib.closing(sink), running(sink, self.river):
            eventually(lambda: self._left() == 0, "the end of the topics")

    def lose_everything(self) -> None:
        """FLUSHALL, as far as this prefix goes."""
        keys = list(self.client.scan_iter(f"{self.tag}*", count=1_000))
        assert keys
        self.client.delete(*keys)

    def rebuild(self, *options: str, code: int = 0, url: str = "") -> Result:
        """Run the command."""
        environment = self.environment | ({"PLG_REDIS_URL": url} if url else {})
        ran = CliRunner().invoke(app, [*self.arguments, *options], env=environment)
        assert ran.exit_code == code, (ran.output, ran.exception)
        return ran

    def damage(self) -> Damage:
        """How far Redis is from the topics."""
        return damage(
            projection_of_topics(self.river.bootstrap, self.river.prefix),
            projection_in_redis(self.client, self.river.prefix),
        )

    def stream(self) -> list[str]:
        return [fields[b"id"].decode() for _, fields in self.client.xrange(f"{self.tag}alerts")]

    def _left(self) -> int:
        left = 0
        options = {"bootstrap.servers": self.river.bootstrap, "group.id": f"{self.river.prefix}-sink-redis"}
        with contextlib.closing(Consumer(options)) as consumer:
            for topic in ("alerts", "workspaces"):
                places = [TopicPartition(f"{self.river.prefix}.{topic}", number) for number in range(PARTITIONS)]
                try:
                    committed = consumer.committed(places, timeout=30)
                except KafkaException:
                    # A broker that has just started looks for who keeps the groups' places.
                    return 1
                for place in committed:
                    left += consumer.get_watermark_offsets(place, timeout=30)[1] - max(place.offset, 0)
        return left


@pytest.fixture
def stage(kafka: KafkaServer, redis_server: RedisServer, prefix: str, tmp_path: Path) -> Iterator[Stage]:
    """Topics of three partitions; nothing runs."""
    river = River(kafka.address, prefix)
    river.create("alerts", "workspaces", "dead-letters", partitions=PARTITIONS)
    made = Stage(river, redis_server.url, tmp_path)
    yield made
    made.client.close()


@contextlib.contextmanager
def listening(stage: Stage) -> Iterator[list[bytes]]:
    """What is told on the live channel meanwhile; complete when the context ends."""
    heard: list[bytes] = []
    with stage.client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(f"{stage.tag}alerts:live")
        assert listener.get_message(timeout=5) is None  # the subscription itself
        yield heard
        stage.client.publish(f"{stage.tag}alerts:live", b"over")
        while (message := listener.get_message(timeout=5)) is None or message["data"] != b"over":
            if message is not None:
                heard.append(message["data"])


def alert(alert_id: str, **fields: object) -> bytes:
    values = {"id": alert_id, "priority": "high", "score": 1, "workspace_id": "w1", "route": ROUTE}
    return msgspec.json.encode(values | fields)


def test_after_a_loss_redis_is_as_the_undisturbed_sink_left_it_and_nobody_is_rung_again(stage: Stage) -> None:
    Flow(stage.river, PARTITIONS).send(60)
    stage.deliver()
    undisturbed = projection_in_redis(stage.client, stage.river.prefix)
    keys = set(stage.client.scan_iter(f"{stage.tag}*"))
    stage.lose_everything()

    with listening(stage) as heard:
        ran = stage.rebuild()

    assert projection_in_redis(stage.client, stage.river.prefix) == undisturbed
    assert set(stage.client.scan_iter(f"{stage.tag}*")) == keys
    assert stage.damage() == NO_DAMAGE
    assert heard == []
    states = undisturbed.states.total()
    assert f"alerts: {states} written, 0 already there\n" in ran.stdout


def test_second_run_writes_nothing(stage: Stage) -> None:
    Flow(stage.river, PARTITIONS).send(20)
    stage.rebuild()
    before = projection_in_redis(stage.client, stage.river.prefix)

    ran = stage.rebuild()

    assert projection_in_redis(stage.client, stage.river.prefix) == before
    assert f"alerts: 0 written, {before.states.total()} already there\n" in ran.stdout
    assert "workspaces: 0 written, 20 already there\n" in ran.stdout


def test_what_redis_has_got_since_the_loss_does_not_hide_what_it_lost(stage: Stage) -> None:
    flow = Flow(stage.river, PARTITIONS)
    flow.send(30)
    stage.deliver()
    stage.lose_everything()
    flow.send(7)
    stage.deliver()
    assert stage.damage().lost > 0

    stage.rebuild()

    assert stage.damage() == NO_DAMAGE


def test_beside_a_running_sink_everything_is_there_once(stage: Stage) -> None:
    flow = Flow(stage.river, PARTITIONS)
    flow.send(40)
    sink = RedisSink(stage.url, stage.river.prefix)

    with contextlib.closing(sink), running(sink, stage.river) as run:
        eventually(lambda: stage._left() == 0, "the sink's first round")
        stage.lose_everything()
        flow.send(40)
        stage.rebuild()
        eventually(lambda: stage._left() == 0, "the sink's second round")
        report = run.stop()

    assert stage.damage() == NO_DAMAGE
    assert (report.parked, report.outages) == (0, 0)


def test_alert_that_the_sink_has_not_delivered_yet_is_told_once_by_whoever_writes_it(stage: Stage) -> None:
    stage.river.send(alert("old"))
    stage.deliver()
    stage.lose_everything()
    stage.river.send(alert("new"), alert("new in another partition", workspace_id="w2"))

    with listening(stage) as heard:
        stage.rebuild()
        stage.deliver()

    assert [msgspec.json.decode(text)["id"] for text in heard] == ["new", "new in another partition"]


def test_where_the_sink_has_never_committed_nothing_is_told(stage: Stage) -> None:
    stage.river.send(alert("a1"))

    with listening(stage) as heard:
        stage.rebuild()

    assert (stage.stream(), heard) == (["a1"], [])


def test_stream_has_the_order_of_time_over_the_partitions_and_that_of_offsets_in_each(stage: Stage) -> None:
    times = {"a": (900, 2), "b": (800, 0), "c": (700, 1), "d": (600, 0)}
    for alert_id, (ago_s, partition) in times.items():
        stage.river.send(alert(alert_id), partition=partition, ago_s=ago_s)
    # Clocks went back: within a partition the order is what the log says.
    stage.river.send(alert("e"), partition=0, ago_s=2_000)
    stage.river.send(alert("f"), partition=2, ago_s=100)

    stage.rebuild()

    assert stage.stream() == ["a", "b", "c", "d", "e", "f"]


def test_long_partition_waits_for_a_short_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.merging._MANY", 300)
    monkeypatch.setattr("streams.merging._FEW", 100)
    count = 3_000
    for number in range(count):
        stage.river.append("alerts", b"w1", b"%d" % number, partition=0)
    stage.river.flush()
    stage.river.send(b"newest", partition=1, ago_s=-60)

    read = [message.value() for message in read_by_time(f"{stage.river.prefix}.alerts", _settings(stage))]

    assert read == [*(b"%d" % number for number in range(count)), b"newest"]


def test_what_the_sink_would_park_or_pass_over_is_counted_and_changes_nothing(stage: Stage) -> None:
    stage.river.send(b"no alert", alert("a1", priority="asap"), alert("a2", route="elsewhere"), alert("a3"))
    stage.river.send(b"{}", topic="workspaces")

    ran = stage.rebuild()

    assert stage.stream() == ["a3"]
    counts = "1 written, 0 already there, 1 of routes that go elsewhere, 2 passed over (bad_alert 2)"
    assert f"alerts: {counts}\n" in ran.stdout


def test_key_of_a_wrong_type_is_named_and_emptying_makes_room(stage: Stage) -> None:
    stage.client.rpush(snapshot_key(stage.river.prefix, "w1"), "someone else's")
    stage.client.set(f"{{{stage.river.prefix}-2}}:alerts", "another prefix's")
    stage.river.send(b"{}", topic="workspaces")
    stage.river.send(alert("a1"))

    in_the_way = stage.rebuild(code=1)
    emptied = stage.rebuild("--empty", "--yes")

    assert "1 passed over (wrong_type 1)" in in_the_way.stdout
    assert f"key {snapshot_key(stage.river.prefix, 'w1')} is a list" in in_the_way.output
    assert "deleted 5 keys" in emptied.stdout
    assert stage.client.get(snapshot_key(stage.river.prefix, "w1")) == b"{}"
    assert stage.client.get(f"{{{stage.river.prefix}-2}}:alerts") == b"another prefix's"


def test_stream_deleted_by_hand_comes_back_only_with_emptying(stage: Stage) -> None:
    Flow(stage.river, PARTITIONS).send(20)
    stage.deliver()
    stage.client.delete(f"{stage.tag}alerts")

    stage.rebuild()
    hidden_by_marks = stage.damage()
    with listening(stage) as heard:
        stage.rebuild("--empty", "--yes")

    assert hidden_by_marks.lost > 0
    assert (stage.damage(), heard) == (NO_DAMAGE, [])


def test_emptying_asks_first(stage: Stage) -> None:
    stage.river.send(alert("a1"))
    stage.deliver()

    # Nothing on standard input is a no.
    stage.rebuild("--empty", code=1)

    assert stage.stream() == ["a1"]


def test_emptying_is_refused_while_a_sink_runs(stage: Stage) -> None:
    sink = RedisSink(stage.url, stage.river.prefix)
    stage.river.send(alert("a1"))

    with contextlib.closing(sink), running(sink, stage.river):
        eventually(lambda: stage.stream() == ["a1"], "the sink at work")
        refused = stage.rebuild("--empty", "--yes", code=1)

    assert isinstance(refused.exception, SinkRuns)
    assert "stop `plg sinks redis` first" in str(refused.exception)
    assert stage.stream() == ["a1"]


def test_redis_that_is_away_for_a_moment_is_waited_for(
    stage: Stage, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Flow(stage.river, PARTITIONS).send(20)
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        waited: list[float] = []
        passes = time.sleep

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            client.config_set("maxmemory", "0")
            passes(0)

        # There is only one `time`: whoever stops that Redis waits for its end by it.
        with monkeypatch.context() as patch:
            patch.setattr("streams.rebuilding.time.sleep", sleep)
            ran = stage.rebuild(url=own_redis.url)

        assert (
            damage(
                projection_of_topics(stage.river.bootstrap, stage.river.prefix),
                projection_in_redis(client, stage.river.prefix),
            )
            == NO_DAMAGE
        )
    assert waited == [pytest.approx(0.5, abs=0.1)]
    assert ran.stderr.strip() == ""


def test_without_a_redis_it_says_where_it_looked_and_what_to_check(
    stage: Stage,
) -> None:
    stage.environment["PLG_CONNECT_TIMEOUT_S"] = "1"

    ran = stage.rebuild(code=1, url="redis://:hunter2@127.0.0.1:1/0")

    assert isinstance(ran.exception, RedisAway)
    assert "127.0.0.1:1" in str(ran.exception)
    assert "PLG_REDIS_URL" in str(ran.exception)
    assert "hunter2" not in str(ran.exception) + ran.output


def test_ctrl_c_keeps_what_is_written_and_the_next_run_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Flow(stage.river, PARTITIONS).send(30)

    class Interrupted(RedisSink):
        def write(self, records: Sequence[Delivery]) -> Sequence[Written | Refused]:
            super().write(records[:20])
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("streams.sink_setup.RedisSink", Interrupted)
        for name, value in stage.environment.items():
            patched.setenv(name, value)
        patched.setattr("sys.argv", ["plg", *stage.arguments])
        with pytest.raises(SystemExit) as end:
            main()

    said = capsys.readouterr().out
    ran = stage.rebuild()
    assert (end.value.code, said) == (130, "what is written stays; run it again, it goes on from there\n")
    assert ", 20 already there\n" in ran.stdout
    assert stage.damage() == NO_DAMAGE


def test_group_that_is_just_moving_to_another_broker_is_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Moving(Consumer):
        refusals = 2

        def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
            if Moving.refusals:
                Moving.refusals -= 1
                raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
            found: list[TopicPartition] = super().committed(places, timeout=timeout)
            return found

    monkeypatch.setattr("streams.rebuilding.Consumer", Moving)
    stage.river.send(alert("a1"))

    stage.rebuild()

    assert (stage.stream(), Moving.refusals) == (["a1"], 0)


def _settings(stage: Stage) -> Settings:
    return Settings(kafka=stage.river.bootstrap)
