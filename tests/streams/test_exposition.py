"""The metrics as Prometheus reads them: names by its rules, values from the parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from signals.config import Config
from signals.event import Reason
from signals.facts import Decision, Note
from signals.thresholds import Signals
from sinks.durations import Durations
from sinks.status import SinkStatus
from streams.config_log import ConfigLog
from streams.configs import Configs
from streams.exposition import Exposition
from streams.metric_catalogue import FUNNEL, SINK, WORKER, FunnelView, Kind, Metric, WorkerView
from streams.metrics import RELOADS, Metrics
from streams.settings import Settings
from tests.prometheus import Judged
from tests.signals.builders import day
from tests.signals.test_funnel import funnel, revenue, signal
from tests.streams.asking import samples

PROCESSES: dict[str, tuple[Metric[Any], ...]] = {"worker": WORKER, "sink": SINK, "funnel": FUNNEL}
ALL: tuple[Metric[Any], ...] = (*WORKER, *SINK, *FUNNEL)
# Prometheus: a name ends in its unit, a counter in _total.
UNITS = ("_seconds", "_records", "_info")
COUNTS_OF_THINGS = {
    "plg_ready",
    "plg_config_file_rejected",
    "plg_partitions_assigned",
    "plg_partitions_recovered",
    "plg_subjects",
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


class Shard(list[str]):
    """The subjects of a partition, and its newest tick."""

    def __init__(self, subjects: list[str], tick: int) -> None:
        super().__init__(subjects)
        self.fence = SimpleNamespace(tick=tick)


def parts(waiting: dict[TP, int | None] | None = None) -> Any:
    def table(name: str, shards: dict[int, Shard]) -> SimpleNamespace:
        return SimpleNamespace(
            name=name,
            shards=shards,
            recovered=set(shards),
            restored=10 * len(shards),
            changelog_topic_name=f"plg-{name}-changelog",
        )

    recovery = SimpleNamespace(active_tps=set(), active_highwaters={}, active_offsets={})
    return SimpleNamespace(
        metrics=Metrics(),
        users=table("users", {0: Shard(["u1", "u2"], tick=9_000), 1: Shard(["u3"], tick=7_500)}),
        workspaces=table("workspaces", {0: Shard(["w1"], tick=0)}),
        app=SimpleNamespace(tables=SimpleNamespace(recovery=recovery)),
        outbox=SimpleNamespace(outstanding=4, oldest_unacked_s=lambda: 1.5),
        consumer=SimpleNamespace(waiting=lambda: waiting or {}, heartbeat_age_s=lambda: 0.25),
    )


def configs(config: Config | None = None) -> Configs:
    return Configs(config or Config(), Settings(), ConfigLog(), 0)


def rendered(made: Any, known: Configs | None = None) -> dict[str, dict[str, float]]:
    view = WorkerView(made, Config(), known or configs())
    return samples(Exposition(WORKER, lambda: view).render()[1])


def test_a_worker_that_has_done_nothing_has_every_number_at_zero() -> None:
    found = rendered(parts())

    assert found["plg_events_ingested_total"] == {"": 0}
    assert found["plg_records_applied_total"] == {"users": 0, "workspaces": 0}
    assert found["plg_checkpoint_duration_seconds_count"] == {"": 0}
    assert found["plg_signals_total"] == dict.fromkeys(Signals.model_fields, 0)
    assert found["plg_ready"] == {"": 0}


def test_counts_are_read_when_they_are_asked_for() -> None:
    made = parts()
    view = WorkerView(made, Config(), configs())
    exposition = Exposition(WORKER, lambda: view)
    exposition.render()

    made.metrics.ingested = 12
    made.metrics.signals["multi_user"] += 2
    made.metrics.dead_letters[Reason.NOT_JSON] += 1
    found = samples(exposition.render()[1])

    assert found["plg_events_ingested_total"] == {"": 12}
    assert found["plg_signals_total"] == dict.fromkeys(Signals.model_fields, 0) | {"multi_user": 2}
    assert found["plg_dead_letters_total"] == dict.fromkeys(map(str, Reason), 0) | {"not_json": 1}


def test_what_can_happen_is_shown_before_it_has_happened() -> None:
    exports = {"rule": "count", "scope": "user", "events": ["Exported"], "threshold": 3, "window": "7d"}
    config = Config.model_validate({"custom": {"exports": exports | {"kind": "expansion"}}})
    view = WorkerView(parts(), config, configs(config))

    found = samples(Exposition(WORKER, lambda: view).render()[1])

    assert found["plg_verdicts_total"].keys() == set(map(str, Decision))
    assert found["plg_notes_total"].keys() == set(map(str, Note))
    assert found["plg_rule_errors_total"].keys() == {*Signals.model_fields, "exports"}
    assert found["plg_fence_skipped_total"] == {"users": 0, "workspaces": 0}
    assert found["plg_config_reloads_total"] == dict.fromkeys(RELOADS, 0)


def test_durations_are_counted_up_to_each_bound() -> None:
    made = parts()
    made.metrics.checkpoint_waits = Durations((0.1, 1.0))
    for seconds in (0.1, 0.2, 5.0, -1.0):
        made.metrics.checkpoint_waits.observe(seconds)

    found = rendered(made)

    assert found["plg_checkpoint_duration_seconds_bucket"] == {"0.1": 2, "1.0": 3, "+Inf": 4}
    assert found["plg_checkpoint_duration_seconds_count"] == {"": 4}
    assert found["plg_checkpoint_duration_seconds_sum"] == {"": pytest.approx(5.3)}


def test_what_became_of_changed_files_is_counted_and_the_newest_config_named() -> None:
    known = configs()
    known.outcomes.update(["invalid", "applied", "refused"])
    known.problem = "not_reloadable"

    found = rendered(parts(), known)

    assert found["plg_config_info"] == {Config().hash: 1}
    assert found["plg_config_reloads_total"] == dict.fromkeys(RELOADS, 0) | {"applied": 1, "invalid": 1, "refused": 1}
    assert found["plg_config_file_rejected"] == {"": 1}
    known.problem = ""
    assert rendered(parts(), known)["plg_config_file_rejected"] == {"": 0}


def test_what_is_left_of_a_recovery_is_counted_for_partitions_that_are_not_back_yet() -> None:
    made = parts()
    recovery = made.app.tables.recovery
    users = [TP("plg-users-changelog", number) for number in range(3)]
    recovery.active_tps |= {users[0], users[2], TP("plg-workspaces-changelog", 1)}
    recovery.active_highwaters.update({users[0]: 100, users[2]: 50, TP("plg-workspaces-changelog", 1): 8})
    recovery.active_offsets.update({users[0]: 10, users[2]: 20, TP("plg-workspaces-changelog", 1): -1})

    found = rendered(made)

    # Partition 0 of the users is recovered: what Faust noted of it is over.
    assert found["plg_recovery_remaining_records"] == {"users": 30, "workspaces": 9}


def test_a_partition_that_went_to_another_worker_is_not_waited_for() -> None:
    made = parts()
    # Where a rebalance overtakes another one Faust keeps what it noted of partitions that went meanwhile.
    made.app.tables.recovery.active_highwaters[TP("plg-users-changelog", 2)] = 50

    assert rendered(made)["plg_recovery_remaining_records"] == {"users": 0, "workspaces": 0}


def test_time_stands_where_the_partition_furthest_behind_stands() -> None:
    assert rendered(parts())["plg_watermark_timestamp_seconds"] == {"users": 7.5}


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
    waits = Durations((1.0,))
    waits.observe(0.5)
    status = SinkStatus("redis", 0.1, True, 3, 2, 40, 1, 2, True, 8.5, 12.5, {"bad_alert": 1}, waits)

    found = samples(Exposition(SINK, lambda: status).render()[1])

    assert {name: values for name, values in found.items() if name.startswith("plg_")} == {
        "plg_ready": {"": 0},
        "plg_sink_delivered_total": {"redis": 40},
        "plg_sink_parked_total": {"redis": 1},
        "plg_sink_refusals_total": {"bad_alertredis": 1},
        "plg_sink_outages_total": {"redis": 2},
        "plg_sink_waiting": {"redis": 1},
        "plg_sink_outage_age_seconds": {"redis": 8.5},
        "plg_sink_records_in_hand": {"redis": 2},
        "plg_sink_queue_age_seconds": {"redis": 12.5},
        "plg_sink_alert_latency_seconds_bucket": {"1.0redis": 1, "+Infredis": 1},
        "plg_sink_alert_latency_seconds_count": {"redis": 1},
        "plg_sink_alert_latency_seconds_sum": {"redis": 0.5},
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
def test_a_name_follows_the_rules(metric: Metric[Any]) -> None:
    assert re.fullmatch(r"plg_[a-z0-9_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    if metric.kind is Kind.GAUGE:
        assert metric.name.endswith(UNITS) or metric.name in COUNTS_OF_THINGS
    if metric.kind is Kind.HISTOGRAM:
        assert metric.name.endswith("_seconds")


@pytest.mark.parametrize("process", PROCESSES)
def test_no_name_is_used_twice_by_a_process(process: str) -> None:
    names = [metric.name for metric in PROCESSES[process]]

    assert len(names) == len(set(names))


def test_one_name_means_one_thing_whichever_process_shows_it() -> None:
    means = {(metric.name, metric.kind, metric.labels, metric.meaning) for metric in ALL}

    assert len(means) == len({metric.name for metric in ALL})


def page_of(process: str) -> str:
    """What a process shows, with a value of every metric."""
    made = parts({TP("events", 0): 5})
    status = SinkStatus("redis", 0.1, True, 3, 2, 40, 1, 2, True, 8.5, 12.5, {"bad_alert": 1}, Durations())
    numbers = funnel(signal("signed_up", day(1), "ann"), revenue(day(2), 100, 0), now=day(60))
    view = WorkerView(made, Config(), configs())
    expositions: dict[str, Exposition[Any]] = {
        "worker": Exposition(WORKER, lambda: view),
        "sink": Exposition(SINK, lambda: status),
        "funnel": Exposition(FUNNEL, lambda: FunnelView(status, numbers, {"users": 3})),
    }
    return expositions[process].render()[1].decode()


@pytest.mark.parametrize("process", PROCESSES)
def test_promtool_finds_nothing_to_say_about_what_a_process_shows(process: str, judged: Callable[..., Judged]) -> None:
    assert judged("check", "metrics", stdin=page_of(process)) == Judged(ok=True, said="")


def test_promtool_does_say_something_about_a_counter_without_its_suffix(judged: Callable[..., Judged]) -> None:
    page = "# HELP plg_facts Facts.\n# TYPE plg_facts counter\nplg_facts 3\n"

    assert "_total" in judged("check", "metrics", stdin=page).said
