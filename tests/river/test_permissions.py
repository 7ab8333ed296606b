"""Kafka with ACLs: with the rights of docs/operations.md all runs, without one of them a worker says which."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.docs.test_access_table import Grant, documented_grants
from tests.river.comparing import check_one_message
from tests.river.harness import River, river, wait_for
from tests.secured import LIMITED, PASSWORD, SecuredKafka
from tests.servers import RedisServer

WORKER, SINK = LIMITED
USERS = {"worker": WORKER, "sink redis": SINK}


class Lock:
    """Grants rights on the topics of one river, and takes them away."""

    def __init__(self, made: River) -> None:
        self._prefix = made.config.prefix
        self._admin = AdminClient(made.settings.kafka_options)

    def grant(self, grants: list[Grant]) -> None:
        for made in self._admin.create_acls([self._binding(grant, AclBinding) for grant in grants]).values():
            made.result(10)

    def take(self, grant: Grant) -> None:
        self._delete(self._binding(grant, AclBindingFilter))

    def take_all(self) -> None:
        for user in USERS.values():
            self._delete(
                AclBindingFilter(
                    ResourceType.ANY,
                    None,
                    ResourcePatternType.ANY,
                    f"User:{user}",
                    None,
                    AclOperation.ANY,
                    AclPermissionType.ANY,
                )
            )

    def _delete(self, which: AclBindingFilter) -> None:
        for deleted in self._admin.delete_acls([which]).values():
            deleted.result(10)

    def _binding(self, grant: Grant, make: Any) -> Any:
        is_prefix = grant.name.endswith("*")
        return make(
            ResourceType[grant.kind.upper()],
            self.name(grant).rstrip("*"),
            ResourcePatternType.PREFIXED if is_prefix else ResourcePatternType.LITERAL,
            f"User:{USERS[grant.process]}",
            "*",
            AclOperation[grant.right.upper()],
            AclPermissionType.ALLOW,
        )

    def name(self, grant: Grant) -> str:
        """What the page calls plg and events, as this river calls it."""
        return f"{self._prefix}-events" if grant.name == "events" else grant.name.replace("plg", self._prefix, 1)


def login(user: str, kafka: SecuredKafka) -> dict[str, str]:
    return {
        "PLG_KAFKA": kafka.sasl_plaintext,
        "PLG_KAFKA_SECURITY": "sasl_plaintext",
        "PLG_KAFKA_SASL_MECHANISM": "PLAIN",
        "PLG_KAFKA_USERNAME": user,
        "PLG_KAFKA_PASSWORD": PASSWORD,
    }


@pytest.fixture
def limited(tmp_path: Path, locked_kafka: SecuredKafka, redis_server: RedisServer, prefix: str) -> Iterator[River]:
    """A river on a broker that refuses what was not granted; the test itself may do everything."""
    with river(
        tmp_path,
        locked_kafka.plaintext,
        prefix,
        redis_url=redis_server.url,
        clock="wall",
        overrides="topics: {partitions: 2}\n",
    ) as made:
        made.extra["PLG_HEALTH"] = "off"
        yield made


@pytest.mark.timeout(120)
def test_with_the_documented_rights_all_works_and_without_one_a_worker_names_it(
    limited: River, locked_kafka: SecuredKafka, redis_server: RedisServer, report: Callable[[str], None]
) -> None:
    lock = Lock(limited)
    grants = [grant for grant in documented_grants() if grant.process in USERS]
    gone = [grant for grant in grants if grant.process == "worker" and grant.name in {"events", "plg.signals", "plg"}]
    started = time.monotonic()
    try:
        lock.grant(grants)
        _an_alert_and_a_dead_letter_arrive(limited, locked_kafka, redis_server)
        running_s = time.monotonic() - started

        for grant in gone:
            lock.take(grant)
        limited.extra.update(login(WORKER, locked_kafka))
        refused = limited.plg("worker", timeout_s=30)
    finally:
        lock.take_all()

    assert refused.returncode == 2, refused.stderr
    lines = [f"{grant.kind} {lock.name(grant)}: {grant.right}" for grant in gone]
    check_one_message(refused, WORKER, *lines, "docs/operations.md")
    assert refused.stderr.count("\n  ") == len(gone) == 3
    assert PASSWORD not in refused.stderr
    report(f"{len(grants)} rights are enough for worker and sink ({running_s:.0f} s), {len(gone)} missing are named")


def _an_alert_and_a_dead_letter_arrive(made: River, kafka: SecuredKafka, redis_server: RedisServer) -> None:
    worker = made.start("worker", **login(WORKER, kafka))
    sink = made.start("sinks", "redis", **login(SINK, kafka))
    worker.wait_for_log("worker.started")
    event = {"messageId": "m1", "type": "track", "event": "MSA Requested", "userId": "u1", "context": {"groupId": "w1"}}
    producer = Producer(made.settings.kafka_options)
    for value in (json.dumps(event).encode(), b"no event"):
        producer.produce(made.config.source.topics[0], value)
    # A record of the sink's that it will park: that takes its right on the dead letters.
    producer.produce(made.topics.alerts, b"no alert")
    assert producer.flush(10) == 0

    with contextlib.closing(redis.Redis.from_url(redis_server.url)) as client:
        tag = f"{{{made.config.prefix}}}"
        wait_for(lambda: client.xlen(f"{tag}:alerts"), 40, lambda: f"no alert:\n{worker.log}\n{sink.log}")
        wait_for(lambda: client.get(f"{tag}:workspace:w1"), 40, lambda: f"no snapshot:\n{worker.log}\n{sink.log}")
    wait_for(lambda: len(made.read(made.topics.dead_letters)) == 2, 20, lambda: f"{worker.log}\n{sink.log}")
    made.wait_until_delivered()
    assert (worker.terminate(), sink.terminate()) == (0, 0)
    assert worker.complaints == []
    assert [json.loads(line)["event"] for line in sink.complaints] == ["sink.parked"]
