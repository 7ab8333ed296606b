"""What the metrics of each process are read from, and the readings that take more than a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from signals.thresholds import Signals

if TYPE_CHECKING:
    # Not at run time: a sink must not carry Faust.
    from faust.tables.manager import TableManager

    from signals.config import Config
    from signals.funnel_numbers import Funnel, Share
    from sinks.status import SinkStatus
    from streams.app import Parts
    from streams.configs import Configs
    from streams.tables import StateTable


@dataclass(frozen=True)
class WorkerView:
    """What the metrics of a worker are read from; `is_ready` answers as `/ready` does."""

    parts: Parts
    config: Config
    configs: Configs
    is_ready: Callable[[], bool] = bool

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of all signals, the config's own among them."""
        return (*Signals.model_fields, *self.configs.config.custom)

    @property
    def tables(self) -> Iterable[StateTable]:  # type: ignore[type-arg]  # of either state
        """The tables of both keyed steps."""
        return self.parts.users, self.parts.workspaces


@dataclass(frozen=True)
class FunnelView:
    """What the metrics of the funnel's process are read from; `is_ready` answers as `/ready` does."""

    status: SinkStatus
    numbers: Funnel
    rows: Mapping[str, int]
    is_ready: bool = False


def counted(counter: Mapping[str, int], names: Iterable[str]) -> dict[str, float]:
    """
    The counts by name, 0 for those that have not happened yet.

    `rate` and `increase` need a sample before the first one that counts: a counter that begins at 1 has grown by 0.
    """
    # In one go: the loop's thread may add a name meanwhile.
    return dict.fromkeys(map(str, names), 0.0) | {str(name): float(count) for name, count in dict(counter).items()}


def lag_by_topic(view: WorkerView) -> dict[str, float]:
    """Records that wait, by input topic."""
    lag: Counter[str] = Counter()
    for tp, records in view.parts.consumer.waiting().items():
        lag[tp.topic] += records or 0
    return dict(lag)


def left_to_recover(view: WorkerView) -> dict[str, float]:
    """
    Records of the changelog not read back yet, by table, as far as Faust has asked for its end.

    Of partitions that are ours only: where a rebalance overtakes another one Faust keeps the ends of those that went.
    """
    left = {table.name: 0.0 for table in view.tables}
    recovery = cast("TableManager", view.parts.app.tables).recovery
    ends, read, ours = dict(recovery.active_highwaters), dict(recovery.active_offsets), set(recovery.active_tps)
    for table in view.tables:
        for tp, end in ends.items():
            if tp in ours and tp.topic == table.changelog_topic_name and tp.partition not in table.recovered:
                left[table.name] += max(0, (end or 0) - (read.get(tp) or 0))
    return left


def watermarks(view: WorkerView) -> dict[str, float]:
    """Unix seconds of the oldest of the newest ticks of all partitions, by table; none before the first tick."""
    found = {}
    for table in view.tables:
        ticks = [shard.fence.tick for shard in list(table.shards.values()) if shard.fence.tick]
        if ticks:
            found[table.name] = min(ticks) / 1_000
    return found


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


def time_to_value(numbers: Funnel, percent: int) -> dict[str, float]:
    """The median (50) or the 90th percentile (90) in seconds, by target in seconds."""
    found = {}
    for segment in numbers.time_to_value:
        value = segment.mature.p50 if percent == 50 else segment.mature.p90  # noqa: PLR2004  # the two that there are
        if value is not None:
            found[f"{segment.target:g}"] = value
    return found
