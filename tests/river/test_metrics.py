"""What the real processes show is what the dashboard and the alert rules ask for, and promtool finds nothing to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from signals.moments import iso
from tests.deploy.expressions import FOREIGN, ONLY_IN_TROUBLE, of_dashboard, of_rules, series_of
from tests.promtool import Judged
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer, RedisServer
from tests.streams.asking import metrics, request, samples

# The embedded broker shows ends of logs too low, so that ticks stand still (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka
# What Prometheus makes itself.
MADE = {"up", "ALERTS"}


def ask_for_a_contract(made: River, number: int) -> None:
    """Let a user ask for a contract now: sales hears of it at once."""
    event = {
        "messageId": f"m{number}",
        "type": "track",
        "event": "MSA Requested",
        "userId": f"u{number}",
        "context": {"groupId": f"w{number}"},
        "timestamp": iso(time.time_ns() // 1_000_000),
    }
    producer = Producer(made.settings.kafka_options)
    producer.produce(made.config.source.topics[0], msgspec.json.encode(event), b"k")
    assert producer.flush(10) == 0


@pytest.mark.timeout(180)
def test_every_series_that_is_asked_for_is_shown_and_alerts_are_timed_up_to_redis(
    tmp_path: Path,
    kafka: KafkaServer,
    own_redis: RedisServer,
    prefix: str,
    judged: Callable[..., Judged],
    report: Callable[[str], None],
) -> None:
    few = "topics: {partitions: 2}\n"
    with river(tmp_path, kafka.address, prefix, redis_url=own_redis.url, clock="wall", overrides=few) as made:
        made.extra["PLG_HEALTH"] = "127.0.0.1:0"
        processes = (made.worker(), made.redis_sink(), made.start("funnel", "run"))
        worker, sink, funnel = (process.health_address() for process in processes)
        for number in range(3):
            ask_for_a_contract(made, number)
        wait_for(
            lambda: metrics(sink).get("plg_sink_alert_latency_seconds_count") == {"redis": 3},
            60,
            lambda: f"{processes[0].log[-1_000:]}\n{processes[1].log[-1_000:]}",
        )
        wait_for(
            lambda: set(metrics(worker).get("plg_watermark_timestamp_seconds", ())) == {"users", "workspaces"},
            30,
            lambda: f"no tick\n{processes[0].log[-1_000:]}",
        )

        pages = [request(address, "/metrics")[2].decode() for address in (worker, sink, funnel)]

    assert [judged("check", "metrics", stdin=page) for page in pages] == [Judged(ok=True, said="")] * 3
    shown = {name for page in pages for name in samples(page.encode())}
    asked = {name for found in (*of_dashboard(), *of_rules()) for name in series_of(found.text)}
    assert asked - MADE - ONLY_IN_TROUBLE <= shown
    assert not ONLY_IN_TROUBLE & shown
    assert FOREIGN.keys() - MADE <= shown
    _check_times(samples(pages[0].encode()), samples(pages[1].encode()))
    report(f"{len(asked)} series asked for, {len(shown)} shown")


def _check_times(worker: dict[str, dict[str, float]], sink: dict[str, dict[str, float]]) -> None:
    assert worker["plg_alert_latency_seconds_count"] == {"": 3}
    assert 0 < worker["plg_alert_latency_seconds_sum"][""] < 3 * 60
    assert 0 <= sink["plg_sink_alert_latency_seconds_sum"]["redis"] < 3 * 60
    assert time.time() - worker["plg_watermark_timestamp_seconds"]["workspaces"] < 60
    assert worker["plg_recovery_remaining_records"] == {"users": 0, "workspaces": 0}
    assert sink["plg_sink_queue_age_seconds"]["redis"] < 60
