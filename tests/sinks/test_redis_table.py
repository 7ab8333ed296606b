"""Every fault of Redis in one table, three times each under a flow of alerts: what was lost, what came twice."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
import structlog
from confluent_kafka import Consumer, TopicPartition

from signals.config import Config
from sinks.base import Delivery, Refused, Unavailable
from sinks.delivery import run_delivery
from sinks.redis import RedisSink, Written
from streams.rebuilding import Rebuild, Rebuilt
from streams.settings import Settings
from tests.servers import find_redis
from tests.sinks.projecting import Damage, Flow, Flowing, damage, projection_in_redis, projection_of_topics
from tests.sinks.redis_faults import FAULTS, OUTAGE_S, Fault, Patient
from tests.sinks.redis_proxy import Proxy
from tests.sinks.test_delivery import OPTIONS, River, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.servers import KafkaServer

pytestmark = [pytest.mark.apache_kafka, pytest.mark.timeout(120 + 4 * OUTAGE_S)]

TIMES = 3
PARTITIONS = 3
PREFIX = f"test-table-{time.time_ns():x}"


class Complaining(RedisSink):
    """The sink as it is; it also tells the test why it could not deliver."""

    complaints: list[str]

    def write(self, records: Sequence[Delivery]) -> Sequence[Written | Refused]:
        try:
            return super().write(records)
        except Unavailable as error:
            self.complaints.append(str(error))
            raise


class Stage:
    """A Redis behind a proxy, the sink's loop, and alerts that flow while something happens."""

    def __init__(self, river: River, patient: Patient, flow: Flow) -> None:
        self.river = river
        self.patient = patient
        self.flow = flow
        self.settings = Settings(kafka=river.bootstrap, redis_url=patient.server.url)  # type: ignore[arg-type]
        self._config = Config.model_validate({"prefix": river.prefix, "topics": {"partitions": PARTITIONS}})
        self._asking = Consumer({"bootstrap.servers": river.bootstrap, "group.id": f"{river.prefix}-sink-redis"})

    def suffer(self, fault: Fault) -> int:
        """Let it happen once while alerts flow; returns how many records waited for the sink in the end."""
        self.patient.complaints.clear()
        before = self.flow.opened
        with Flowing(self.flow):
            with fault.lasting(self.patient):
                # Detection, which appends to the topics, goes on whatever happens here.
                eventually(lambda: self.flow.opened >= before + 20, "alerts in the fault")
                waiting = self.left()
            if fault.needs_rebuild:
                self.rebuild()
        eventually(lambda: self.left() == 0, "the end of the topics")
        return waiting

    def rebuild(self) -> None:
        with contextlib.closing(Rebuild(self._config, self.settings)) as run:
            run.alerts(Rebuilt())
            run.workspaces(Rebuilt())

    def damage(self) -> Damage:
        """How far Redis is from all that has stood on the topics since the beginning."""
        with self.patient.client as client:
            return damage(
                projection_of_topics(self.river.bootstrap, self.river.prefix),
                projection_in_redis(client, self.river.prefix),
            )

    def differences(self) -> str:
        """The states that are missing, and those that are there too often."""
        with self.patient.client as client:
            seen = projection_in_redis(client, self.river.prefix).states
        expected = projection_of_topics(self.river.bootstrap, self.river.prefix).states
        return f"missing {expected - seen}, too many {seen - expected}"

    def left(self) -> int:
        """Records that the sink's group has not committed past."""
        left = 0
        for topic in ("alerts", "workspaces"):
            places = [TopicPartition(f"{self.river.prefix}.{topic}", number) for number in range(PARTITIONS)]
            for place in self._asking.committed(places, timeout=30):
                left += self._asking.get_watermark_offsets(place, timeout=30)[1] - max(place.offset, 0)
        return left

    def close(self) -> None:
        self._asking.close()


@pytest.fixture(scope="module")
def stage(kafka: KafkaServer) -> Iterator[Stage]:
    """One for all faults: each meets what the ones before have left."""
    river = River(kafka.address, PREFIX)
    river.create("alerts", "workspaces", "dead-letters", partitions=PARTITIONS)
    with contextlib.ExitStack() as ending:
        if not OUTAGE_S:
            # Waits and time-outs at a tenth: the order of things is the same.
            patched = ending.enter_context(pytest.MonkeyPatch.context())
            patched.setattr("sinks.outage.FIRST_WAIT_S", 0.05)
            patched.setattr("sinks.outage.LONGEST_WAIT_S", 1.5)
            patched.setattr("sinks.redis_connection.SOCKET_TIMEOUT_S", 0.3)
        server = find_redis(of_our_own=True)
        ending.callback(server.remove)
        proxy = Proxy(server.url)
        ending.callback(proxy.stop)
        sink, stop = Complaining(proxy.url, PREFIX), threading.Event()
        sink.complaints = []
        ending.callback(sink.close)
        logs = ending.enter_context(structlog.testing.capture_logs())
        loop = threading.Thread(target=run_delivery, args=(sink, kafka.address, PREFIX, OPTIONS, stop))
        loop.start()
        ending.callback(loop.join, 20)
        ending.callback(stop.set)
        patient = Patient(
            server, proxy, PREFIX, sink.complaints, lambda: sum(line["event"] == "sink.parked" for line in logs)
        )
        stage = Stage(river, patient, Flow(river, PARTITIONS))
        ending.callback(stage.close)
        stage.flow.send(20)
        eventually(lambda: len(projection_in_redis(patient.client, PREFIX).states) > 0, "the first alert")
        yield stage


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_is_lost_and_nothing_twice_whatever_happens_to_redis(
    stage: Stage, fault: Fault, report: Callable[[str], None]
) -> None:
    times = 1 if OUTAGE_S and fault.name == "stopped" else TIMES
    began = time.monotonic()

    waiting = [stage.suffer(fault) for _ in range(times)]

    took_s = time.monotonic() - began
    found = stage.damage()

    how = "after plg rebuild redis" if fault.needs_rebuild else "by itself"
    report(
        f"{fault.name}: {times} times, {found.lost} lost, {found.doubled} doubled, {found.wrong} wrong in queue and"
        f" snapshots, {how}; up to {max(waiting)} records waited, {took_s:.1f} s"
    )
    assert found == Damage(0, 0, 0), stage.differences()
