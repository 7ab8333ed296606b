"""The delivery loop on a real Kafka: in order, committed afterwards, nothing lost and nothing twice."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
import pytest
import redis
import structlog
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sinks.base import Delivery, Refused, Unavailable
from sinks.delivery import BrokerUnreachable, DeliveryLoop, DeliveryReport, run_delivery
from sinks.redis import RedisSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.servers import KafkaServer, RedisServer

pytestmark = [pytest.mark.river, pytest.mark.timeout(120)]

# Short, so that a member that crashed in one test does not hold up the next owner.
OPTIONS = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "1000"}


class Collecting:
    """A sink that remembers what it took, refuses what it is told to, and can be closed for a while."""

    name = "collecting"
    topics = ("alerts",)

    def __init__(self, *, is_open: bool = True, refuses: bytes = b"refuse") -> None:
        self.taken: list[bytes | None] = []
        self.attempts = 0
        self.open = threading.Event()
        self._refuses = refuses
        if is_open:
            self.open.set()

    def deliver(self, record: Delivery) -> None:
        """Take a record."""
        self.attempts += 1
        if not self.open.is_set():
            raise Unavailable("closed for a while")
        if record.value == self._refuses:
            raise Refused("not_mine", "says the test")
        self.taken.append(record.value)

    def close(self) -> None:
        """Nothing to let go of."""


class CollectingInBatches(Collecting):
    """The same, many records at once."""

    def deliver_batch(self, records: Sequence[Delivery]) -> Sequence[Refused | None]:
        """Take records."""
        outcomes: list[Refused | None] = []
        for record in records:
            try:
                self.deliver(record)
            except Refused as refusal:
                outcomes.append(refusal)
            else:
                outcomes.append(None)
        return outcomes


class River:
    """The topics of one test."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._producer = Producer({"bootstrap.servers": bootstrap})

    def create(self, *names: str, partitions: int = 1) -> None:
        """Create topics."""
        topics = [NewTopic(f"{self.prefix}.{name}", partitions, 1) for name in names]
        for done in self._admin.create_topics(topics).values():
            done.result(30)

    def send(
        self,
        *values: bytes | None,
        topic: str = "alerts",
        key: bytes = b"w1",
        partition: int = 0,
        ago_s: float = 0,
    ) -> None:
        """Append records, with timestamps of a while ago, and wait until they are there."""
        for value in values:
            at = int((time.time() - ago_s) * 1_000)
            self._producer.produce(f"{self.prefix}.{topic}", value, key, partition, timestamp=at)
        self.flush()

    def append(self, topic: str, key: bytes, value: bytes | None, partition: int = 0) -> None:
        """Append a record without waiting."""
        self._producer.produce(f"{self.prefix}.{topic}", value, key, partition)

    def flush(self) -> None:
        """Wait until all records are there."""
        assert self._producer.flush(30) == 0

    def committed(self, sink: str, topic: str = "alerts", partition: int = 0) -> int:
        """The committed offset of a sink's group, -1001 for none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"{self.prefix}-sink-{sink}"})
        [place] = consumer.committed([TopicPartition(f"{self.prefix}.{topic}", partition)], timeout=30)
        consumer.close()
        return int(place.offset)

    def dead_letters(self, count: int) -> list[tuple[bytes | None, dict[str, bytes]]]:
        """Read dead letters: value and headers."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "unused", "enable.auto.commit": "false"})
        consumer.assign([TopicPartition(f"{self.prefix}.dead-letters", 0, 0)])
        messages = consumer.consume(count, 30)
        consumer.close()
        return [(message.value(), dict(message.headers())) for message in messages]


@pytest.fixture
def river(kafka: KafkaServer, prefix: str) -> River:
    """Topics of our own, one partition each."""
    river = River(kafka.address, prefix)
    river.create("alerts", "workspaces", "dead-letters")
    return river


class Run:
    """A delivery loop in a thread."""

    def __init__(self, sink: Collecting | RedisSink, river: River, client_id: str = "sink") -> None:
        self.report = DeliveryReport()
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(sink, river, {**OPTIONS, "client.id": client_id}))
        self._thread.start()

    def stop(self) -> DeliveryReport:
        """Stop it and return what it reports."""
        self._stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive(), "the loop did not end"
        return self.report

    def wait(self) -> None:
        """Wait until it ends by itself."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "the loop goes on"

    def _run(self, sink: Collecting | RedisSink, river: River, options: Mapping[str, str]) -> None:
        try:
            self.report = run_delivery(sink, river.bootstrap, river.prefix, options, self._stop)
        except RuntimeError as error:
            self.error = error


@contextlib.contextmanager
def running(sink: Collecting | RedisSink, river: River, client_id: str = "sink") -> Iterator[Run]:
    """Run a loop until the block ends."""
    run = Run(sink, river, client_id)
    try:
        yield run
    finally:
        run.stop()


def eventually(is_so: Callable[[], object], what: str) -> None:
    """Wait until something is so; how long is no part of any claim."""
    deadline = time.monotonic() + 40
    while not is_so():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


def alert(number: int, workspace: str = "w1", **fields: object) -> bytes:
    """An alert as the contract has it, as far as the sink reads it."""
    values = {"id": f"a{number}", "priority": "high", "score": 1, "workspace_id": workspace, "route": "sales"}
    return msgspec.json.encode(values | fields)


def stream(client: redis.Redis, prefix: str) -> list[str]:
    """The ids in the stream of alerts."""
    return [fields[b"id"].decode() for _, fields in client.xrange(f"{{{prefix}}}:alerts")]


@pytest.mark.parametrize("kind", [Collecting, CollectingInBatches])
def test_records_arrive_in_order_and_are_committed(river: River, kind: type[Collecting]) -> None:
    sink = kind()
    values = [b"%d" % n for n in range(40)]
    river.send(*values)

    with running(sink, river) as run:
        eventually(lambda: len(sink.taken) == len(values), "all records")
        report = run.stop()

    assert sink.taken == values
    assert (report.delivered, river.committed("collecting")) == (40, 40)


def test_second_run_goes_on_where_the_first_stopped(river: River) -> None:
    sink = CollectingInBatches()
    river.send(b"1", b"2")
    with running(sink, river):
        eventually(lambda: len(sink.taken) == 2, "the first two")
    river.send(b"3")

    with running(sink, river):
        eventually(lambda: len(sink.taken) == 3, "the third")

    assert sink.taken == [b"1", b"2", b"3"]


def test_refused_record_is_parked_with_its_story_and_the_next_goes_on(river: River) -> None:
    sink = CollectingInBatches()
    before_ms = int(time.time() * 1_000)
    river.send(b"1", b"refuse", b"2")

    with running(sink, river) as run:
        eventually(lambda: len(sink.taken) == 2, "the others")
        report = run.stop()

    [(value, headers)] = river.dead_letters(1)
    assert value == b"refuse"
    assert before_ms <= int(headers.pop("timestamp")) <= time.time() * 1_000
    assert headers == {
        "topic": f"{river.prefix}.alerts".encode(),
        "partition": b"0",
        "offset": b"1",
        "reason": b"not_mine",
        "error": b"says the test",
        "version": b"1",
    }
    assert (report.delivered, report.parked, river.committed("collecting")) == (2, 1, 3)


def test_status_tells_how_long_records_wait_and_what_was_refused(river: River) -> None:
    sink, stop = Collecting(is_open=False), threading.Event()
    river.send(b"1", b"refuse", ago_s=100)
    loop = DeliveryLoop(sink, river.bootstrap, river.prefix, OPTIONS, stop)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        eventually(lambda: loop.status().is_waiting, "the outage")
        waiting = loop.status()
        sink.open.set()
        eventually(lambda: loop.status().parked and not loop.status().in_hand, "the record that is refused")
        after = loop.status()
    finally:
        stop.set()
        thread.join(15)

    assert 100 <= waiting.oldest_s < 160
    assert (after.oldest_s, after.refusals) == (0, {"not_mine": 1})
    assert (sum(after.alert_waits.counts), after.alert_waits.total_s >= 100) == (1, True)


@pytest.mark.apache_kafka  # the embedded broker creates a topic that is missing
def test_refused_record_stays_in_hand_until_its_dead_letter_is_safe(kafka: KafkaServer, prefix: str) -> None:
    river = River(kafka.address, prefix)
    river.create("alerts")
    river.send(b"1", b"refuse", b"2")
    sink = Collecting()

    with structlog.testing.capture_logs() as logs, running(sink, river) as run:
        eventually(lambda: "sink.waiting" in [line["event"] for line in logs], "the outage")
        taken, committed = list(sink.taken), river.committed("collecting")
        river.create("dead-letters")
        eventually(lambda: len(sink.taken) == 2, "the record behind it")
        report = run.stop()

    assert (taken, committed) == ([b"1"], 1)
    assert (report.parked, [value for value, _ in river.dead_letters(1)]) == (1, [b"refuse"])


def test_unavailable_sink_gets_every_record_later_and_says_so_once(river: River) -> None:
    sink = CollectingInBatches(is_open=False)
    river.send(b"1", b"2")

    with structlog.testing.capture_logs() as logs, running(sink, river) as run:
        eventually(lambda: sink.attempts == 3, "three attempts")
        river.send(b"3")
        sink.open.set()
        eventually(lambda: len(sink.taken) == 3, "all of them")
        report = run.stop()

    said = [line for line in logs if line["event"] in {"sink.waiting", "sink.recovered"}]
    assert [line["event"] for line in said] == ["sink.waiting", "sink.recovered"]
    assert said[1]["outage_s"] >= 1.5  # the first two waits
    assert sink.taken == [b"1", b"2", b"3"]
    assert (report.outages, river.committed("collecting")) == (1, 3)


@pytest.mark.parametrize("said_s", [0.1, 3.0])
def test_sink_that_says_when_is_asked_again_then_and_not_before(river: River, said_s: float) -> None:
    class SaysWhen(Collecting):
        times: ClassVar[list[float]] = []

        def deliver(self, record: Delivery) -> None:
            self.times.append(time.monotonic())
            if len(self.times) < 3:
                raise Unavailable("not yet", said_s)
            super().deliver(record)

    SaysWhen.times.clear()
    sink = SaysWhen()
    river.send(b"1")

    with running(sink, river):
        eventually(lambda: sink.taken == [b"1"], "the record")

    gaps = [later - earlier for earlier, later in itertools.pairwise(sink.times)]
    assert min(gaps) >= said_s
    # Polling goes on meanwhile, a quarter of a second at a time; the rest is a busy machine.
    assert max(gaps) < said_s + 2


def test_partition_that_moves_away_in_an_outage_is_delivered_by_its_new_owner_alone(
    kafka: KafkaServer, prefix: str
) -> None:
    river = River(kafka.address, prefix)
    river.create("alerts", partitions=2)
    values = [b"%d" % n for n in range(10)]
    river.send(*values, partition=0)
    old, new = CollectingInBatches(is_open=False), CollectingInBatches()

    with contextlib.ExitStack() as loops:
        first = loops.enter_context(running(old, river, client_id="z"))
        eventually(lambda: old.attempts, "records in the old owner's hand")
        # Partitions are dealt out in the order of the members' names: 0 goes to the new one, 1 stays.
        loops.enter_context(running(new, river, client_id="a"))
        eventually(lambda: len(new.taken) == len(values), "the new owner's records")
        old.open.set()
        river.send(b"stays", partition=1)
        eventually(lambda: b"stays" in old.taken, "the record of the partition that stayed")
        report = first.stop()

    assert (old.taken, new.taken) == ([b"stays"], values)
    assert (report.delivered, report.dropped) == (1, len(values))


def test_crash_between_delivery_and_commit_changes_nothing(
    river: River, redis_server: RedisServer, prefix: str
) -> None:
    class CrashesOnce(RedisSink):
        has_crashed = False

        def deliver_batch(self, records: Sequence[Delivery]) -> Sequence[Refused | None]:
            outcomes = super().deliver_batch(records)
            if not self.has_crashed:
                self.has_crashed = True
                raise RuntimeError("as if the power went")
            return outcomes

    river.send(alert(1), alert(2), alert(1, status="closed"), alert(3, workspace="w2"))
    sink = CrashesOnce(redis_server.url, prefix)
    with redis.Redis.from_url(redis_server.url) as client:
        crashed = Run(sink, river)
        crashed.wait()
        before = (stream(client, prefix), client.zrange(f"{{{prefix}}}:queue:sales", 0, -1))
        committed = river.committed("redis")

        with running(sink, river):
            eventually(lambda: river.committed("redis") == 4, "the commit")

        after = (stream(client, prefix), client.zrange(f"{{{prefix}}}:queue:sales", 0, -1))
    assert str(crashed.error) == "as if the power went"
    assert committed < 0
    assert before == after
    assert after[0][:3] == ["a1", "a2", "a1"]
    sink.close()


def test_redis_stopped_on_the_way_loses_nothing(river: River, own_redis: RedisServer, prefix: str) -> None:
    sink = RedisSink(own_redis.url, prefix)
    river.send(alert(1))

    with structlog.testing.capture_logs() as logs, running(sink, river) as run:
        eventually(lambda: river.committed("redis") == 1, "the first alert")
        own_redis.stop()
        river.send(alert(2), alert(3))
        eventually(lambda: "sink.waiting" in [line["event"] for line in logs], "the outage")
        own_redis.start()
        eventually(lambda: river.committed("redis") == 3, "the others")
        report = run.stop()

    events = [line["event"] for line in logs]
    assert (events.count("sink.waiting"), events.count("sink.recovered"), report.outages) == (1, 1, 1)
    with redis.Redis.from_url(own_redis.url) as client:
        # Whether the server kept the first one is its own business; ours is what came after.
        assert stream(client, prefix)[-2:] == ["a2", "a3"]
    sink.close()


def test_key_of_a_wrong_type_parks_its_record_and_the_others_go_on(
    river: River, redis_server: RedisServer, prefix: str
) -> None:
    sink = RedisSink(redis_server.url, prefix)
    with redis.Redis.from_url(redis_server.url) as client:
        client.rpush(f"{{{prefix}}}:workspace:w1", "someone else's")
        river.send(b"{}", topic="workspaces", key=b"w1")
        river.send(b"{}", topic="workspaces", key=b"w2")
        river.send(alert(1))

        with structlog.testing.capture_logs() as logs, running(sink, river):
            eventually(lambda: client.exists(f"{{{prefix}}}:workspace:w2", f"{{{prefix}}}:alerts") == 2, "the others")

    [(_, headers)] = river.dead_letters(1)
    assert (headers["topic"], headers["reason"]) == (f"{prefix}.workspaces".encode(), b"wrong_type")
    assert f"{{{prefix}}}:workspace:w1".encode() in headers["error"]
    assert "sink.parked" in [line["event"] for line in logs]
    assert "w1" not in str(logs)
    sink.close()


def test_no_broker_is_one_clear_message() -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1"):
        run_delivery(Collecting(), "127.0.0.1:1", "plg", connect_timeout_s=2)

    assert [line["event"] for line in logs] == ["sink.no_broker"]


def test_sigterm_ends_a_process_whose_redis_hangs_within_ten_seconds(river: River) -> None:
    river.send(alert(1))
    program = (
        "import sys; from sinks.delivery import run_delivery; from sinks.redis import RedisSink\n"
        "url, bootstrap, prefix = sys.argv[1:]\n"
        "run_delivery(RedisSink(url, prefix), bootstrap, prefix, {'session.timeout.ms': '6000'})"
    )
    # A server that takes connections and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        arguments = [sys.executable, "-c", program, url, river.bootstrap, river.prefix]
        process = subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        )
        try:
            silent.settimeout(40)
            connection, _ = silent.accept()  # the sink is now waiting for an answer
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
            took_s = time.monotonic() - began
            connection.close()
        finally:
            process.kill()

    assert (process.returncode, b"Traceback" in output) == (0, False)
    assert took_s < 10
    assert river.committed("redis") < 0
