"""The metrics as Prometheus reads them: names by its rules, values from the parts, each in the document."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from signals.config import Config
from signals.event import Reason
from sinks.status import SinkStatus
from streams.config_log import ConfigLog
from streams.configs import Configs
from streams.exposition import Exposition
from streams.metric_catalogue import FUNNEL, SINK, WORKER, FunnelView, Kind, Metric, WorkerView
from streams.metrics import Metrics
from streams.settings import Settings
from tests.signals.builders import day
from tests.signals.test_funnel import funnel, revenue, signal
from tests.streams.asking import samples

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ALL: tuple[Metric[Any], ...] = (*WORKER, *SINK, *FUNNEL)
# Prometheus: a name ends in its unit, a counter in _total.
UNITS = ("_seconds", "_records", "_info")
COUNTS_OF_THINGS = {
    "plg_partitions_assigned",
    "plg_partitions_recovered",
    "plg_subjects",
    "plg_config_file_rejected",
    "plg_sends_unacknowledged",
    "plg_sink_waiting",
    "plg_sink_records_in_hand",
    "plg_sink_partitions_assigned",
    "plg_funnel_waiting",
    "plg_funnel_rows",
    "plg_funnel_users",
    "plg_funnel_workspaces",
    "plg_funnel_share",
    "plg_funnel_share_immature",
    "plg_funnel_entered",
    "plg_funnel_mrr",
    "plg_funnel_net_dollar_retention",
    "plg_funnel_alerts_before_activation",
}


def parts(waiting: dict[TP, int | None] | None = None) -> Any:
    def table(name: str, shards: dict[int, list[str]]) -> SimpleNamespace:
        return SimpleNamespace(name=name, shards=shards, recovered=set(shards), restored=10 * len(shards))

    return SimpleNamespace(
        metrics=Metrics(),
        users=table("users", {0: ["u1", "u2"], 1: ["u3"]}),
        workspaces=table("workspaces", {0: ["w1"]}),
        outbox=SimpleNamespace(outstanding=4, oldest_unacked_s=lambda: 1.5),
        consumer=SimpleNamespace(waiting=lambda: waiting or {}, heartbeat_age_s=lambda: 0.25),
    )


def rendered(made: Any) -> dict[str, dict[str, float]]:
    view = WorkerView(made, Config(), Configs(Config(), Settings(), ConfigLog(), 0))
    return samples(Exposition(WORKER, lambda: view).render()[1])


def test_a_worker_that_has_done_nothing_has_every_number_at_zero() -> None:
    found = rendered(parts())

    assert found["plg_events_ingested_total"] == {"": 0}
    assert found["plg_records_applied_total"] == {"users": 0, "workspaces": 0}
    assert found["plg_checkpoint_duration_seconds"] == {"": 0}


def test_counts_are_read_when_they_are_asked_for() -> None:
    made = parts()
    view = WorkerView(made, Config(), Configs(Config(), Settings(), ConfigLog(), 0))
    exposition = Exposition(WORKER, lambda: view)
    exposition.render()

    made.metrics.ingested = 12
    made.metrics.signals["multi_user"] += 2
    made.metrics.dead_letters[Reason.NOT_JSON] += 1
    found = samples(exposition.render()[1])

    assert found["plg_events_ingested_total"] == {"": 12}
    assert found["plg_signals_total"] == {"multi_user": 2}
    assert found["plg_dead_letters_total"] == {"not_json": 1}


def test_lag_and_partitions_are_by_topic() -> None:
    found = rendered(parts({TP("events", 0): 5, TP("events", 1): 7, TP("plg.user-events", 0): None}))

    assert found["plg_lag_records"] == {"events": 12, "plg.user-events": 0}
    assert found["plg_partitions_assigned"] == {"events": 2, "plg.user-events": 1}


def test_tables_and_sends_are_read_from_the_parts() -> None:
    found = rendered(parts())

    assert found["plg_subjects"] == {"users": 3, "workspaces": 1}
    assert found["plg_partitions_recovered"] == {"users": 2, "workspaces": 1}
    assert found["plg_sends_unacknowledged"] == {"": 4}
    assert found["plg_send_oldest_unacknowledged_seconds"] == {"": 1.5}
    assert found["plg_config_info"] == {Config().hash: 1}


def test_a_sink_says_what_it_has_done_and_whether_it_waits() -> None:
    status = SinkStatus("redis", 0.1, True, 3, 2, 40, 1, 2, True, 8.5)

    found = samples(Exposition(SINK, lambda: status).render()[1])

    assert {name: values for name, values in found.items() if name.startswith("plg_")} == {
        "plg_sink_delivered_total": {"redis": 40},
        "plg_sink_parked_total": {"redis": 1},
        "plg_sink_outages_total": {"redis": 2},
        "plg_sink_waiting": {"redis": 1},
        "plg_sink_outage_age_seconds": {"redis": 8.5},
        "plg_sink_records_in_hand": {"redis": 2},
        "plg_sink_partitions_assigned": {"redis": 3},
    }


def test_memory_and_cpu_of_the_process_come_with_it() -> None:
    found = rendered(parts())

    assert found["process_resident_memory_bytes"][""] > 1_000_000


def test_the_funnel_shows_what_is_mature_apart_from_what_may_still_grow() -> None:
    numbers = funnel(
        signal("signed_up", day(1), "ann"),
        signal("activated", day(1), "ann", time_to_value=90, target=600),
        signal("signed_up", day(40), "bob"),
        revenue(day(2), 100, 0),
        revenue(day(50), 110, 100, 2),
        now=day(60),
    )
    view = FunnelView(SinkStatus("funnel", 0.1, True, 3, 2, 40, 1, 2, False, 0.0), numbers, {"users": 3})

    found = samples(Exposition(FUNNEL, lambda: view).render()[1])

    assert found["plg_funnel_records_total"] == {"": 40}
    assert found["plg_funnel_share"]["user_stage_activated"] == 1.0
    assert found["plg_funnel_share_immature"]["user_stage_activated"] == 0.0
    assert found["plg_funnel_entered"]["user_stage_activated"] == 1
    assert found["plg_funnel_time_to_value_p50_seconds"] == {"600": 90}
    assert found["plg_funnel_mrr"] == {"USD": 110}
    assert found["plg_funnel_net_dollar_retention"] == {"USD 30d": pytest.approx(1.1)}


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_name_follows_the_rules_and_stands_in_the_document_with_its_meaning(metric: Metric[Any]) -> None:
    assert re.fullmatch(r"plg_[a-z0-9_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    if metric.kind is Kind.GAUGE:
        assert metric.name.endswith(UNITS) or metric.name in COUNTS_OF_THINGS
    label = f"`{metric.label}`" if metric.label else ""
    row = f"| `{metric.name}` | {metric.kind.value} | {label} | {metric.meaning} |"
    assert row in OPERATIONS.read_text(encoding="utf-8").splitlines()


def test_no_name_is_used_twice() -> None:
    names = [metric.name for metric in ALL]

    assert len(names) == len(set(names))
