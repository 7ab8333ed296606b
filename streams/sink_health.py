"""What a sink answers when it is asked whether it lives and whether it is ready."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

from sinks.status import SinkStatus
from streams.exposition import Exposition
from streams.health import Answer, HealthServer
from streams.metric_catalogue import SINK
from streams.settings import Settings

# One delivery may wait for the other end's own timeouts, which are shorter.
TURN_S = 60.0


class Watched(Protocol):
    """What is needed of a delivery loop."""

    def status(self) -> SinkStatus:
        """How it stands now."""


class SinkProbes:
    """Live while its loop turns; ready while it is a member of its group and in no outage."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._exposition = Exposition(SINK, watched.status)

    def live(self) -> Answer:
        """Whether the loop turns."""
        turned_s = self._watched.status().turned_s
        is_turning = turned_s <= TURN_S
        return Answer(is_turning, {"loop_turns": is_turning, "turned_s": round(turned_s, 1)})

    def ready(self) -> Answer:
        """Whether it delivers now what comes."""
        status = self._watched.status()
        conditions = {"joined": status.is_member, "available": not status.is_waiting}
        numbers = {"partitions": status.partitions, "outage_age_s": round(status.outage_age_s, 1)}
        return Answer(all(conditions.values()), {"sink": status.sink, **conditions, **numbers})

    def metrics(self) -> tuple[str, bytes]:
        """Everything that is counted."""
        return self._exposition.render()


def sink_health(settings: Settings) -> Callable[[Watched], contextlib.AbstractContextManager[None]]:
    """
    Make what `sinks.delivery.run_delivery` wraps around a loop: a health server for as long as it runs.

    Raises:
        HealthUnavailable: The port that was set cannot be had.
    """
    server = HealthServer(settings)

    @contextlib.contextmanager
    def watching(watched: Watched) -> Iterator[None]:
        with server.start(SinkProbes(watched)):
            yield

    return watching
