"""A first start on a month of history, at the wall's clock: states are built, and sales hears nothing of the past."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from simulator import Scenario, simulate, truth
from streams.replaying import Replay
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer

# The most patient signals are news for a day.
QUIET_SINCE = timedelta(hours=25)


def ask_for_a_contract(made: River, workspace: str) -> None:
    """Let somebody of a workspace ask for a contract, now."""
    event = {
        "type": "track",
        "event": "MSA Requested",
        "messageId": "today",
        "userId": "buyer",
        "context": {"groupId": workspace},
        "timestamp": datetime.now(UTC).isoformat(),
    }
    producer = Producer(made.settings.kafka_options)
    producer.produce(made.config.source.topics[0], msgspec.json.encode(event), "buyer")
    assert producer.flush(10) == 0


@pytest.mark.timeout(180)
def test_a_first_start_on_thirty_days_of_history_tells_sales_nothing_about_the_past(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    scenario = Scenario(days=30, workspaces=80, large=0, end=datetime.now(UTC) - QUIET_SINCE)
    customers = {label.workspace_id for label in truth(scenario) if label.existing and label.converted_at is None}
    with river(tmp_path, kafka.address, prefix, clock="wall", overrides="topics: {partitions: 4}\n") as made:
        player = Replay(made.config, made.settings, ticks=False)
        player.play(msgspec.json.encode(event) for event in simulate(scenario))

        worker = made.worker()
        made.wait_until_settled(120)
        found = Counter(signal["signal"] for signal in made.read_json(made.topics.signals))
        converted = {
            s["workspace_id"] for s in made.read_json(made.topics.signals) if s["signal"] == "converted_to_paid"
        }
        verdicts = Counter(verdict["verdict"] for verdict in made.read_json(made.topics.verdicts))
        known = {snapshot["workspace_id"] for snapshot in made.read_json(made.topics.workspaces)}
        heard_of_the_past = made.read_json(made.topics.alerts)
        ask_for_a_contract(made, next(iter(sorted(known))))
        wait_for(lambda: made.read_json(made.topics.alerts), 30, lambda: worker.log[-1_000:])

        assert heard_of_the_past == []
        assert [alert["signal"] for alert in made.read_json(made.topics.alerts)] == ["procurement"]
        assert found["multi_user"] > 0
        assert verdicts["stale"] > 0
        assert verdicts.keys() <= {"stale", "unrouted", "already_paying", "expired", "cooling_down"}
        assert customers
        assert converted & customers == set()
        assert worker.terminate() == 0
        assert worker.complaints == []
        report(
            f"{player.report.events:,} events of the past: {found.total()} signals, {len(known)} workspaces, 0 alerts;"
            f" verdicts {dict(verdicts)}; {found['converted_to_paid']} converted, 0 of {len(customers)} old customers"
        )
