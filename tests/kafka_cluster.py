"""Three brokers of Apache Kafka on loopback, each its own controller too: killed, frozen and brought back by tests."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka.admin import KafkaAdminClient

from streams.server_process import broker_answers, free_port
from tests.kafka_jars import KafkaJarsError, format_storage, java_with_jars, start_broker, write_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.server_process import ServerProcess

BROKERS = 3
# Of three copies two must have a record before it counts: one broker may be lost with everything on it.
MIN_ISR = 2
_HEAP_MB = 320
_START_LIMIT_S = 120.0


class Broker:
    """One of them; its data survive a kill."""

    def __init__(self, number: int, java: Sequence[str], config: Path, port: int) -> None:
        self.number = number
        self.address = f"127.0.0.1:{port}"
        self._java, self._config = java, config
        self._server: ServerProcess | None = None

    def start(self) -> None:
        """Bring it up, or back; it answers only once a majority is there, so this does not wait for it."""
        if self._server is None:
            self._server = start_broker(self._java, self._config, lambda: True, heap_mb=_HEAP_MB)

    def kill(self) -> None:
        """Like `kill -9`."""
        self.send(signal.SIGKILL)
        self.stop()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        if self._server is not None:
            os.kill(self._server.pid, number)

    def stop(self) -> None:
        """See it end."""
        if self._server is not None:
            self._server.stop()
            self._server = None


class Cluster:
    """The brokers together."""

    def __init__(self, brokers: Sequence[Broker]) -> None:
        self.brokers = list(brokers)
        self.address = ",".join(broker.address for broker in brokers)

    def leader_of(self, topic: str, partition: int) -> Broker:
        """The broker that takes what is written to a partition."""
        found = self._admin().list_topics(topic, timeout=10).topics[topic].partitions[partition]
        return self._numbered(found.leader)

    def controller(self) -> Broker:
        """The broker whose controller leads the others."""
        client = KafkaAdminClient(bootstrap_servers=self.address.split(","), request_timeout_ms=20_000)
        try:
            return self._numbered(_leader_id(client.describe_metadata_quorum()))
        finally:
            client.close()

    def is_whole(self) -> bool:
        """Whether every partition has all its copies in sync."""
        try:
            topics = self._admin().list_topics(timeout=5).topics.values()
        except KafkaException:
            return False
        return all(len(each.isrs) == len(each.replicas) for topic in topics for each in topic.partitions.values())

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def _numbered(self, number: int) -> Broker:
        return self.brokers[number - 1]


@contextlib.contextmanager
def kafka_cluster() -> Iterator[Cluster]:
    """
    Run three brokers; what they hold is gone at the end.

    Raises:
        KafkaJarsError: Apache Kafka cannot be run here, or does not come up.
    """
    java = java_with_jars()
    with tempfile.TemporaryDirectory(prefix="plg-kafka-") as name, contextlib.ExitStack() as running:
        brokers = _prepared(Path(name), java)
        for broker in brokers:
            # Not asked to end: a frozen one would not hear it, and nobody needs what it holds.
            running.callback(broker.kill)
            broker.start()
        _wait_until_all_answer(brokers)
        yield Cluster(brokers)


def _prepared(folder: Path, java: Sequence[str]) -> list[Broker]:
    ports = [(free_port(), free_port()) for _ in range(BROKERS)]
    voters = ",".join(f"{number}@127.0.0.1:{controller}" for number, (_, controller) in enumerate(ports, 1))
    brokers = []
    for number, (port, controller) in enumerate(ports, 1):
        home = folder / str(number)
        home.mkdir()
        config = home / "server.properties"
        write_settings(config, _settings(number, port, controller, voters) | {"log.dirs": str(home / "log")})
        format_storage(java, config)
        brokers.append(Broker(number, java, config, port))
    return brokers


def _settings(number: int, port: int, controller: int, voters: str) -> dict[str, str]:
    copies, in_sync = str(BROKERS), str(MIN_ISR)
    return {
        "node.id": str(number),
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": voters,
        "min.insync.replicas": in_sync,
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
    }


def _leader_id(quorum: dict[str, Any]) -> int:
    return int(quorum["topics"][0]["partitions"][0]["leader_id"])


def _wait_until_all_answer(brokers: Sequence[Broker]) -> None:
    give_up_at = time.monotonic() + _START_LIMIT_S
    while not all(broker_answers(broker.address) for broker in brokers):
        if time.monotonic() > give_up_at:
            raise KafkaJarsError(f"{len(brokers)} brokers do not answer within {_START_LIMIT_S} s")
        time.sleep(0.2)
