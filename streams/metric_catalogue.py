"""
Every metric by name, with its type, its meaning and where its value is read; docs/metrics.md is written from it.

A name ends in its unit, a counter in `_total`; `promtool check metrics` has nothing to say. The dashboard and the alert
rules in deploy/ use these and no others: a test holds each of their expressions against this file.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from signals.event import Reason
from signals.facts import Decision, Note
from streams.metric import Kind, Metric
from streams.metric_views import (
    FunnelView,
    WorkerView,
    counted,
    lag_by_topic,
    left_to_recover,
    shares,
    time_to_value,
    watermarks,
)
from streams.metrics import RELOADS

if TYPE_CHECKING:
    from sinks.status import SinkStatus

__all__ = ["FUNNEL", "SINK", "WORKER", "FunnelView", "Kind", "Metric", "WorkerView"]

_READY = "1 while the process does its share as `/ready` says, else 0."

WORKER: tuple[Metric[WorkerView], ...] = (
    Metric("plg_ready", Kind.GAUGE, _READY, lambda view: int(view.is_ready())),
    Metric(
        "plg_config_info",
        Kind.GAUGE,
        "Always 1; the label is the hash of the newest config, which the next tick puts in force.",
        lambda view: {view.configs.newest: 1},
        ("hash",),
    ),
    Metric(
        "plg_config_reloads_total",
        Kind.COUNTER,
        "Changed config files that this process has seen, by what became of them: `applied`, `same` as in force, "
        "`invalid` (mistakes), `refused` (keys that cannot change while workers run), `older`, `unpublished`.",
        lambda view: counted(view.configs.outcomes, RELOADS),
        ("outcome",),
    ),
    Metric(
        "plg_config_file_rejected",
        Kind.GAUGE,
        "1 while the config file holds something else than what is in force or on its way, else 0.",
        lambda view: int(bool(view.configs.problem)),
    ),
    Metric(
        "plg_events_ingested_total",
        Kind.COUNTER,
        "Records taken from the product's topics, dead letters included.",
        lambda view: view.parts.metrics.ingested,
    ),
    Metric(
        "plg_dead_letters_total",
        Kind.COUNTER,
        "Records and firings set aside as dead letters, by reason.",
        lambda view: counted(view.parts.metrics.dead_letters, Reason),
        ("reason",),
    ),
    Metric(
        "plg_records_applied_total",
        Kind.COUNTER,
        "Records that a keyed step has applied or passed over, ticks included, by step.",
        lambda view: {
            "users": view.parts.metrics.user_records,
            "workspaces": view.parts.metrics.workspace_records,
        },
        ("step",),
    ),
    Metric(
        "plg_facts_total",
        Kind.COUNTER,
        "Facts sent to workspaces, by users and, of companies heard of and people who move, by other workspaces.",
        lambda view: view.parts.metrics.facts,
    ),
    Metric(
        "plg_signals_total",
        Kind.COUNTER,
        "Signals sent, by name.",
        lambda view: counted(view.parts.metrics.signals, view.signals),
        ("signal",),
    ),
    Metric(
        "plg_alerts_total",
        Kind.COUNTER,
        "Alerts sent, each time one is opened, updated or closed, by the signal that opened it.",
        lambda view: counted(view.parts.metrics.alerts, view.signals),
        ("signal",),
    ),
    Metric(
        "plg_verdicts_total",
        Kind.COUNTER,
        "Decisions of policy, waiting ones included, by verdict.",
        lambda view: counted(view.parts.metrics.verdicts, Decision),
        ("verdict",),
    ),
    Metric(
        "plg_notes_total",
        Kind.COUNTER,
        "What the steps noticed about records (repeated, duplicate, ambiguous and so on), by note.",
        lambda view: counted(view.parts.metrics.notes, Note),
        ("note",),
    ),
    Metric(
        "plg_fence_skipped_total",
        Kind.COUNTER,
        "Records that a fence kept out because they had been applied before, by step; some after each restart.",
        lambda view: counted(view.parts.metrics.fenced, ("users", "workspaces")),
        ("step",),
    ),
    Metric(
        "plg_rule_errors_total",
        Kind.COUNTER,
        "Rules that raised an exception, by rule; each is a defect.",
        lambda view: counted(view.parts.metrics.rule_errors, view.signals),
        ("rule",),
    ),
    Metric(
        "plg_checkpoints_total",
        Kind.COUNTER,
        "Checkpoints that were committed.",
        lambda view: view.parts.metrics.checkpoints,
    ),
    Metric(
        "plg_checkpoint_duration_seconds",
        Kind.HISTOGRAM,
        "From the barrier of a checkpoint to its commit.",
        lambda view: view.parts.metrics.checkpoint_waits,
    ),
    Metric(
        "plg_alert_latency_seconds",
        Kind.HISTOGRAM,
        "From the moment at which a new alert was due (its event's time, or the end of what it waited for) until it "
        "was sent to its topic; counted with `clock: wall` only.",
        lambda view: view.parts.metrics.alert_waits,
    ),
    Metric(
        "plg_watermark_timestamp_seconds",
        Kind.GAUGE,
        "Up to where time has passed for silent subjects, Unix seconds: the newest tick of the partition that is "
        "furthest behind, by table.",
        watermarks,
        ("table",),
    ),
    Metric(
        "plg_lag_records",
        Kind.GAUGE,
        "Records waiting in this worker's partitions of an input log, by topic; sum over the workers.",
        lag_by_topic,
        ("topic",),
    ),
    Metric(
        "plg_partitions_assigned",
        Kind.GAUGE,
        "Partitions that the group has given to this worker, by input topic.",
        lambda view: Counter(tp.topic for tp in view.parts.consumer.waiting()),
        ("topic",),
    ),
    Metric(
        "plg_partitions_recovered",
        Kind.GAUGE,
        "Partitions whose states have been read back from the changelog, by table.",
        lambda view: {table.name: len(table.recovered) for table in view.tables},
        ("table",),
    ),
    Metric(
        "plg_records_restored_total",
        Kind.COUNTER,
        "Records read back from the changelog: a recovery moves while this grows, by table.",
        lambda view: {table.name: table.restored for table in view.tables},
        ("table",),
    ),
    Metric(
        "plg_recovery_remaining_records",
        Kind.GAUGE,
        "Records of the changelog that are still to be read back, by table; 0 when the recovery is over.",
        left_to_recover,
        ("table",),
    ),
    Metric(
        "plg_subjects",
        Kind.GAUGE,
        "Subjects whose state this worker holds, by table.",
        lambda view: {table.name: sum(len(shard) for shard in list(table.shards.values())) for table in view.tables},
        ("table",),
    ),
    Metric(
        "plg_sends_unacknowledged",
        Kind.GAUGE,
        "Sends that the broker has not acknowledged yet.",
        lambda view: view.parts.outbox.outstanding,
    ),
    Metric(
        "plg_send_oldest_unacknowledged_seconds",
        Kind.GAUGE,
        "Age of the oldest of them; at PLG_SEND_TIMEOUT_S the worker ends itself.",
        lambda view: view.parts.outbox.oldest_unacked_s(),
    ),
    Metric(
        "plg_heartbeat_age_seconds",
        Kind.GAUGE,
        "Since the group last answered; at half of PLG_SESSION_TIMEOUT_S the worker ends itself.",
        lambda view: view.parts.consumer.heartbeat_age_s(),
    ),
)

SINK: tuple[Metric[SinkStatus], ...] = (
    Metric("plg_ready", Kind.GAUGE, _READY, lambda status: int(status.is_member and not status.is_waiting)),
    Metric(
        "plg_sink_delivered_total",
        Kind.COUNTER,
        "Records that the sink's other end has taken.",
        lambda status: {status.sink: status.delivered},
        ("sink",),
    ),
    Metric(
        "plg_sink_parked_total",
        Kind.COUNTER,
        "Records refused for good, now dead letters.",
        lambda status: {status.sink: status.parked},
        ("sink",),
    ),
    Metric(
        "plg_sink_refusals_total",
        Kind.COUNTER,
        "The same by reason, as on `plg.dead-letters`.",
        lambda status: {(status.sink, reason): float(count) for reason, count in status.refusals.items()},
        ("sink", "reason"),
    ),
    Metric(
        "plg_sink_outages_total",
        Kind.COUNTER,
        "Times the other end was unavailable.",
        lambda status: {status.sink: status.outages},
        ("sink",),
    ),
    Metric(
        "plg_sink_waiting",
        Kind.GAUGE,
        "1 during an outage, else 0.",
        lambda status: {status.sink: int(status.is_waiting)},
        ("sink",),
    ),
    Metric(
        "plg_sink_outage_age_seconds",
        Kind.GAUGE,
        "How long the present outage has lasted, 0 without one.",
        lambda status: {status.sink: status.outage_age_s},
        ("sink",),
    ),
    Metric(
        "plg_sink_records_in_hand",
        Kind.GAUGE,
        "Records read and neither delivered nor parked yet.",
        lambda status: {status.sink: status.in_hand},
        ("sink",),
    ),
    Metric(
        "plg_sink_queue_age_seconds",
        Kind.GAUGE,
        "How long the oldest record in hand has waited since it was sent; 0 without one.",
        lambda status: {status.sink: status.oldest_s},
        ("sink",),
    ),
    Metric(
        "plg_sink_alert_latency_seconds",
        Kind.HISTOGRAM,
        "From when an alert was sent to its topic until the other end had it.",
        lambda status: {status.sink: status.alert_waits},
        ("sink",),
    ),
    Metric(
        "plg_sink_partitions_assigned",
        Kind.GAUGE,
        "Partitions that the group has given to this sink.",
        lambda status: {status.sink: status.partitions},
        ("sink",),
    ),
)

FUNNEL: tuple[Metric[FunnelView], ...] = (
    Metric("plg_ready", Kind.GAUGE, _READY, lambda view: int(view.is_ready)),
    Metric(
        "plg_funnel_records_total",
        Kind.COUNTER,
        "Signals, measures, alerts and verdicts that the funnel has taken.",
        lambda view: view.status.delivered,
    ),
    Metric(
        "plg_funnel_parked_total",
        Kind.COUNTER,
        "Records that break their contract, now dead letters.",
        lambda view: view.status.parked,
    ),
    Metric(
        "plg_funnel_waiting",
        Kind.GAUGE,
        "1 while it cannot keep its rows or another process has a part of the partitions, else 0.",
        lambda view: int(view.status.is_waiting),
    ),
    Metric(
        "plg_funnel_rows", Kind.GAUGE, "Rows that it holds, by what they are about.", lambda view: view.rows, ("of",)
    ),
    Metric(
        "plg_funnel_users",
        Kind.GAUGE,
        "Users who signed up in the last 104 weeks.",
        lambda view: view.numbers.users,
    ),
    Metric(
        "plg_funnel_workspaces",
        Kind.GAUGE,
        "Workspaces created in the last 104 weeks.",
        lambda view: view.numbers.workspaces,
    ),
    Metric(
        "plg_funnel_share",
        Kind.GAUGE,
        "Shares and means of those whose time is over, by metric (docs/funnel.md).",
        lambda view: {name: one.mature.share for name, one in shares(view.numbers) if one.mature.share is not None},
        ("metric",),
    ),
    Metric(
        "plg_funnel_share_immature",
        Kind.GAUGE,
        "The same of those who may still get there: a lower bound.",
        lambda view: {name: one.immature.share for name, one in shares(view.numbers) if one.immature.share is not None},
        ("metric",),
    ),
    Metric(
        "plg_funnel_entered",
        Kind.GAUGE,
        "How many the mature share is of, by metric.",
        lambda view: {name: one.mature.entered for name, one in shares(view.numbers)},
        ("metric",),
    ),
    Metric(
        "plg_funnel_time_to_value_p50_seconds",
        Kind.GAUGE,
        "Median time to value of those who signed up at least 30 days ago, by target in seconds.",
        lambda view: time_to_value(view.numbers, 50),
        ("target",),
    ),
    Metric(
        "plg_funnel_time_to_value_p90_seconds",
        Kind.GAUGE,
        "The time that 90 % of them did not exceed.",
        lambda view: time_to_value(view.numbers, 90),
        ("target",),
    ),
    Metric(
        "plg_funnel_mrr",
        Kind.GAUGE,
        "Monthly recurring revenue by currency; currencies are never added up.",
        lambda view: {name: revenue.mrr for name, revenue in view.numbers.revenue.items()},
        ("currency",),
    ),
    Metric(
        "plg_funnel_net_dollar_retention",
        Kind.GAUGE,
        "Net dollar retention, by currency and period, such as `USD 365d`.",
        lambda view: {
            f"{currency} {period}": kept.net
            for currency, revenue in view.numbers.revenue.items()
            for period, kept in revenue.retention.items()
            if kept.net is not None
        },
        ("over",),
    ),
    Metric(
        "plg_funnel_alerts_before_activation",
        Kind.GAUGE,
        "Alerts of the last 84 days before anybody had activated, without those that may go out before; target 0.",
        lambda view: view.numbers.alerts.overlay.before_activation - view.numbers.alerts.overlay.allowed,
    ),
)
