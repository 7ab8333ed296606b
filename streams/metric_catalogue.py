"""Every metric by name, with its meaning and where its value is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    # Not at run time: a sink must not carry Faust.
    from signals.config import Config
    from signals.funnel_numbers import Funnel, Share
    from sinks.status import SinkStatus
    from streams.app import Parts
    from streams.configs import Configs
    from streams.tables import StateTable

T = TypeVar("T")
# One value, or one for each value of the label.
Values = float | Mapping[str, float]


class Kind(StrEnum):
    """Whether a value only grows while the process lives."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True)
class Metric(Generic[T]):
    """
    One metric.

    Args:
        read: Reads its value from what is observed, in the thread of the server and only when somebody asks.
        label: What its values are told apart by; empty for a single value.
    """

    name: str
    kind: Kind
    meaning: str
    read: Callable[[T], Values]
    label: str = ""


@dataclass(frozen=True)
class WorkerView:
    """What the metrics of a worker are read from."""

    parts: Parts
    config: Config
    configs: Configs


WORKER: tuple[Metric[WorkerView], ...] = (
    Metric(
        "plg_config_info",
        Kind.GAUGE,
        "Always 1; the label is the hash of the newest config, which the next tick puts in force.",
        lambda view: {view.configs.newest: 1},
        "config",
    ),
    Metric(
        "plg_config_rejected_total",
        Kind.COUNTER,
        "Changes of the config file that do not count: mistakes, keys that cannot change live, or an older file.",
        lambda view: view.configs.rejected,
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
        lambda view: _copy(view.parts.metrics.dead_letters),
        "reason",
    ),
    Metric(
        "plg_records_applied_total",
        Kind.COUNTER,
        "Records that a keyed step has applied or passed over, ticks included, by step.",
        lambda view: {
            "users": view.parts.metrics.user_records,
            "workspaces": view.parts.metrics.workspace_records,
        },
        "step",
    ),
    Metric(
        "plg_facts_total",
        Kind.COUNTER,
        "Facts sent from users to workspaces.",
        lambda view: view.parts.metrics.facts,
    ),
    Metric(
        "plg_signals_total",
        Kind.COUNTER,
        "Signals sent, by name.",
        lambda view: _copy(view.parts.metrics.signals),
        "signal",
    ),
    Metric(
        "plg_alerts_total",
        Kind.COUNTER,
        "Alerts sent, by the signal that opened them.",
        lambda view: _copy(view.parts.metrics.alerts),
        "signal",
    ),
    Metric(
        "plg_verdicts_total",
        Kind.COUNTER,
        "Decisions of policy, waiting ones included, by verdict.",
        lambda view: _copy(view.parts.metrics.verdicts),
        "verdict",
    ),
    Metric(
        "plg_notes_total",
        Kind.COUNTER,
        "What the steps noticed about records (repeated, duplicate, ambiguous and so on), by note.",
        lambda view: _copy(view.parts.metrics.notes),
        "note",
    ),
    Metric(
        "plg_rule_errors_total",
        Kind.COUNTER,
        "Rules that raised an exception, by rule; each is a defect.",
        lambda view: _copy(view.parts.metrics.rule_errors),
        "rule",
    ),
    Metric(
        "plg_checkpoints_total",
        Kind.COUNTER,
        "Checkpoints that were committed.",
        lambda view: view.parts.metrics.checkpoints,
    ),
    Metric(
        "plg_checkpoint_duration_seconds",
        Kind.GAUGE,
        "From the barrier of the last checkpoint to its commit.",
        lambda view: view.parts.metrics.checkpoint_s,
    ),
    Metric(
        "plg_lag_records",
        Kind.GAUGE,
        "Records waiting in this worker's partitions of an input log, by topic; sum over the workers.",
        lambda view: _lag_by_topic(view.parts),
        "topic",
    ),
    Metric(
        "plg_partitions_assigned",
        Kind.GAUGE,
        "Partitions that the group has given to this worker, by input topic.",
        lambda view: Counter(tp.topic for tp in view.parts.consumer.waiting()),
        "topic",
    ),
    Metric(
        "plg_partitions_recovered",
        Kind.GAUGE,
        "Partitions whose states have been read back from the changelog, by table.",
        lambda view: {table.name: len(table.recovered) for table in _tables(view.parts)},
        "table",
    ),
    Metric(
        "plg_records_restored_total",
        Kind.COUNTER,
        "Records read back from the changelog: a recovery moves while this grows, by table.",
        lambda view: {table.name: table.restored for table in _tables(view.parts)},
        "table",
    ),
    Metric(
        "plg_subjects",
        Kind.GAUGE,
        "Subjects whose state this worker holds, by table.",
        lambda view: {
            table.name: sum(len(shard) for shard in list(table.shards.values())) for table in _tables(view.parts)
        },
        "table",
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
    Metric(
        "plg_sink_delivered_total",
        Kind.COUNTER,
        "Records that the sink's other end has taken.",
        lambda status: {status.sink: status.delivered},
        "sink",
    ),
    Metric(
        "plg_sink_parked_total",
        Kind.COUNTER,
        "Records refused for good, now dead letters.",
        lambda status: {status.sink: status.parked},
        "sink",
    ),
    Metric(
        "plg_sink_outages_total",
        Kind.COUNTER,
        "Times the other end was unavailable.",
        lambda status: {status.sink: status.outages},
        "sink",
    ),
    Metric(
        "plg_sink_waiting",
        Kind.GAUGE,
        "1 during an outage, else 0.",
        lambda status: {status.sink: int(status.is_waiting)},
        "sink",
    ),
    Metric(
        "plg_sink_outage_age_seconds",
        Kind.GAUGE,
        "How long the present outage has lasted, 0 without one.",
        lambda status: {status.sink: status.outage_age_s},
        "sink",
    ),
    Metric(
        "plg_sink_records_in_hand",
        Kind.GAUGE,
        "Records read and neither delivered nor parked yet.",
        lambda status: {status.sink: status.in_hand},
        "sink",
    ),
    Metric(
        "plg_sink_partitions_assigned",
        Kind.GAUGE,
        "Partitions that the group has given to this sink.",
        lambda status: {status.sink: status.partitions},
        "sink",
    ),
)


@dataclass(frozen=True)
class FunnelView:
    """What the metrics of the funnel's process are read from."""

    status: SinkStatus
    numbers: Funnel
    rows: Mapping[str, int]


FUNNEL: tuple[Metric[FunnelView], ...] = (
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
    Metric("plg_funnel_rows", Kind.GAUGE, "Rows that it holds, by what they are about.", lambda view: view.rows, "of"),
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
        "metric",
    ),
    Metric(
        "plg_funnel_share_immature",
        Kind.GAUGE,
        "The same of those who may still get there: a lower bound.",
        lambda view: {name: one.immature.share for name, one in shares(view.numbers) if one.immature.share is not None},
        "metric",
    ),
    Metric(
        "plg_funnel_entered",
        Kind.GAUGE,
        "How many the mature share is of, by metric.",
        lambda view: {name: one.mature.entered for name, one in shares(view.numbers)},
        "metric",
    ),
    Metric(
        "plg_funnel_time_to_value_p50_seconds",
        Kind.GAUGE,
        "Median time to value of those who signed up at least 30 days ago, by target in seconds.",
        lambda view: _targets(view.numbers, 50),
        "target",
    ),
    Metric(
        "plg_funnel_time_to_value_p90_seconds",
        Kind.GAUGE,
        "The time that 90 % of them did not exceed.",
        lambda view: _targets(view.numbers, 90),
        "target",
    ),
    Metric(
        "plg_funnel_mrr",
        Kind.GAUGE,
        "Monthly recurring revenue by currency; currencies are never added up.",
        lambda view: {name: revenue.mrr for name, revenue in view.numbers.revenue.items()},
        "currency",
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
        "over",
    ),
    Metric(
        "plg_funnel_alerts_before_activation",
        Kind.GAUGE,
        "Alerts of the last 84 days before anybody had activated, those that may be excepted; target 0.",
        lambda view: view.numbers.alerts.overlay.before_activation - view.numbers.alerts.overlay.allowed,
    ),
)


def shares(numbers: Funnel) -> Iterator[tuple[str, Share]]:
    """Every share of the funnel under the name that its metrics have."""
    groups = {
        "user_stage": numbers.user_stages,
        "workspace_stage": numbers.workspace_stages,
        "activation": numbers.activation,
        "retention": numbers.retention,
        "free_to_paid": numbers.free_to_paid,
        "virality": numbers.virality,
    }
    for group, found in groups.items():
        for name, share in found.items():
            yield f"{group}_{name}", share
    yield "alerts_converted", numbers.alerts.converted


def _targets(numbers: Funnel, percent: int) -> dict[str, float]:
    found = {}
    for segment in numbers.time_to_value:
        value = segment.mature.p50 if percent == 50 else segment.mature.p90  # noqa: PLR2004  # the two that there are
        if value is not None:
            found[f"{segment.target:g}"] = value
    return found


def _copy(counter: Mapping[str, int]) -> dict[str, float]:
    # In one go: the loop's thread may add a name meanwhile.
    return dict(counter)


def _tables(parts: Parts) -> Iterable[StateTable]:  # type: ignore[type-arg]  # of either state
    return parts.users, parts.workspaces


def _lag_by_topic(parts: Parts) -> dict[str, float]:
    lag: Counter[str] = Counter()
    for tp, records in parts.consumer.waiting().items():
        lag[tp.topic] += records or 0
    return dict(lag)
