"""Two workers over 32 partitions find what one pass over the file finds: ids, not counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.oracle import alert_state
from tests.river.comparing import check_contract, check_redis, check_signals
from tests.river.harness import river
from tests.servers import KafkaServer, RedisServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka


@pytest.mark.timeout(240)
def test_sixty_days_at_full_speed_give_the_signals_of_the_backtest_and_redis_can_be_made_again(
    tmp_path: Path,
    kafka: KafkaServer,
    own_redis: RedisServer,
    prefix: str,
    story: Path,
    report: Callable[[str], None],
) -> None:
    with river(tmp_path, kafka.address, prefix, redis_url=own_redis.url) as made:
        workers = [made.worker(), made.worker()]
        made.redis_sink()
        for worker in workers:
            worker.wait_for_log("worker.started")
        started = time.monotonic()

        replayed = made.plg("replay", str(story), timeout_s=200)

        assert replayed.returncode == 0, replayed.stderr
        settled_s = time.monotonic() - started
        made.wait_until_settled()
        report(f"{replayed.stdout.strip()}; the river was through after {settled_s:.1f} s")
        report(check_signals(made, story))
        report(check_redis(made))
        with redis.Redis.from_url(own_redis.url) as client:
            client.flushall()
        rebuilt = made.plg("rebuild", "redis")
        assert rebuilt.returncode == 0, rebuilt.stderr
        report(f"after FLUSHALL and {rebuilt.stdout.strip().replace(chr(10), '; ')}: {check_redis(made)}")
        check_contract(made)
        # Nothing was killed: nothing was sent twice either.
        ids = [signal["id"] for signal in made.read_json(made.topics.signals)]
        states = [alert_state(alert) for alert in made.read_json(made.topics.alerts)]
        assert (len(ids), len(states)) == (len(set(ids)), len(set(states)))
        assert [worker.terminate() for worker in workers] == [0, 0]
        assert [worker.complaints for worker in workers] == [[], []]
