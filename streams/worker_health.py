"""What a worker answers when it is asked whether it lives and whether it is ready."""

from __future__ import annotations

from collections.abc import Callable

from signals.config import Config
from streams.app import Parts
from streams.configs import Configs
from streams.exposition import Exposition
from streams.health import Answer
from streams.metric_catalogue import WORKER, WorkerView
from streams.settings import Settings

# A loop that has not turned for this long is stuck or starved; a slice of work takes milliseconds.
TURN_S = 5.0


class WorkerProbes:
    """
    Reads the parts of a worker from the health server's threads; changes nothing.

    Ready means: the group has taken it in and does not rebalance, the states of every assigned partition are recovered,
    and no more than `ready_max_lag` records wait in them. A worker that gets no partition, because there are more
    workers than partitions, is ready: it stands by.

    Args:
        turns: Whether the event loop turns within so many seconds.
        configs: What it knows of configs.
    """

    def __init__(
        self, parts: Parts, config: Config, settings: Settings, turns: Callable[[float], bool], configs: Configs
    ) -> None:
        self._parts = parts
        self._max_lag = settings.ready_max_lag
        self._turns = turns
        self._configs = configs
        view = WorkerView(parts, config, configs, lambda: self.ready().ok)
        self._exposition = Exposition(WORKER, lambda: view)
        self.is_stopping = False

    def live(self) -> Answer:
        """Whether the event loop turns; a stop that takes too long ends the process by itself."""
        turns = self._turns(TURN_S)
        return Answer(turns, {"loop_turns": turns, "stopping": self.is_stopping})

    def ready(self) -> Answer:
        """Whether it does its share now."""
        parts, consumer = self._parts, self._parts.consumer
        waiting = consumer.waiting()
        lag = sum(records or 0 for records in waiting.values())
        # Until a fetch has shown every end, the lag may be anything.
        is_known = None not in waiting.values()
        conditions = {
            "joined": consumer.has_joined,
            "settled": not parts.app.rebalancing,
            "recovered": not parts.app.in_recovery and parts.is_recovered(set(waiting)),
            "lag_bounded": is_known and lag <= self._max_lag,
            "running": not self.is_stopping,
        }
        numbers = {"partitions": len(waiting), "lag": lag, "max_lag": self._max_lag}
        # A file that does not count makes nobody unready: the last good config goes on.
        config = {"config": self._configs.newest, "config_file": self._configs.problem or "ok"}
        return Answer(all(conditions.values()), {**conditions, **numbers, **config})

    def metrics(self) -> tuple[str, bytes]:
        """Everything that is counted."""
        return self._exposition.render()
