"""Real processes under a real Prometheus: it finds all that dashboard and alert rules ask for, and no rule fires."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from signals.moments import iso
from streams.server_process import ServerProcess, free_port
from tests.deploy.expressions import FOREIGN, ONLY_IN_TROUBLE, PROMETHEUS, of_dashboard, of_rules, rules, series_of
from tests.prometheus import Judged, program
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer, RedisServer
from tests.streams.asking import request, samples

# The embedded broker shows ends of logs too low, so that ticks stand still (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka
# What Prometheus makes itself.
MADE = {"up", "ALERTS"}
# Panels that show nothing here: no alert waited long enough for a rate, and nothing has gone wrong.
EMPTY = {
    "Dead letters by reason A",
    "Notes A",
    "Rules that failed A",
    "Refused for good B",
}


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
        with prometheus(tmp_path, {"plg-worker": worker, "plg-sink": sink, "plg-funnel": funnel}) as ask:
            wait_for(lambda: _value(ask, "sum(plg_ready)") == 3, 60, lambda: f"not ready\n{processes[0].log[-1_000:]}")
            for number in range(3):
                ask_for_a_contract(made, number)
            wait_for(
                lambda: _value(ask, "sum(increase(plg_sink_alert_latency_seconds_count[1m]))") >= 3,
                60,
                lambda: f"{processes[0].log[-1_000:]}\n{processes[1].log[-1_000:]}",
            )
            wait_for(
                lambda: _value(ask, "count(plg_watermark_timestamp_seconds)") == 2,
                30,
                lambda: f"no tick\n{processes[0].log[-1_000:]}",
            )

            # A rate needs two scrapes.
            wait_for(lambda: _empty(ask) == EMPTY, 30, lambda: f"without an answer {_empty(ask) ^ EMPTY}")
            pages = [request(address, "/metrics")[2].decode() for address in (worker, sink, funnel)]
            groups = ask("rules")["groups"]

    assert [judged("check", "metrics", stdin=page) for page in pages] == [Judged(ok=True, said="")] * 3
    shown = {name for page in pages for name in samples(page.encode())}
    asked = {name for found in (*of_dashboard(), *of_rules()) for name in series_of(found.text)}
    assert asked - MADE - ONLY_IN_TROUBLE <= shown
    assert not ONLY_IN_TROUBLE & shown
    assert FOREIGN.keys() - MADE <= shown
    states = {rule["name"]: (rule["health"], rule["state"]) for group in groups for rule in group["rules"]}
    assert states.keys() == rules().keys()
    assert [name for name, (health, state) in states.items() if health != "ok" or state == "firing"] == []
    _check_times(samples(pages[0].encode()), samples(pages[1].encode()))
    expressions = len(list(of_dashboard()))
    report(
        f"{len(asked)} series asked for, all shown; {expressions - len(EMPTY)} of {expressions} expressions answered"
    )


Ask = Callable[..., dict[str, Any]]


@contextlib.contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[Ask]:
    """A Prometheus with our rules that scrapes processes each second; yields what asks its API."""
    jobs = [{"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(PROMETHEUS / "alerts.yaml")],
        "scrape_configs": jobs,
    }
    path, address = folder / "prometheus.json", f"127.0.0.1:{free_port()}"
    path.write_text(json.dumps(config), encoding="utf-8")
    options = [f"--config.file={path}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={address}"]

    def ask(what: str, **parameters: str) -> dict[str, Any]:
        url = f"http://{address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        assert found["status"] == "success", found
        data: dict[str, Any] = found["data"]
        return data

    with ServerProcess(
        "Prometheus",
        [str(program("prometheus")), *options],
        log_path=folder / "prometheus.log",
        answers=lambda: request(address, "/-/ready")[0] == 200,
    ):
        yield ask


def _empty(ask: Ask) -> set[str]:
    """The places of the dashboard to which Prometheus has nothing to say."""
    return {found.place for found in of_dashboard() if not ask("query", query=found.text)["result"]}


def _value(ask: Ask, query: str) -> float:
    """The one value of a query; 0 while there is none."""
    result = ask("query", query=query)["result"]
    return float(result[0]["value"][1]) if result else 0.0


def _check_times(worker: dict[str, dict[str, float]], sink: dict[str, dict[str, float]]) -> None:
    assert worker["plg_alert_latency_seconds_count"] == {"": 3}
    assert 0 < worker["plg_alert_latency_seconds_sum"][""] < 3 * 60
    assert 0 <= sink["plg_sink_alert_latency_seconds_sum"]["redis"] < 3 * 60
    assert time.time() - worker["plg_watermark_timestamp_seconds"]["workspaces"] < 60
    assert worker["plg_recovery_remaining_records"] == {"users": 0, "workspaces": 0}
    assert sink["plg_sink_queue_age_seconds"]["redis"] < 60
