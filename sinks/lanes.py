"""A sink of several lanes in one process: each with a thread and a consumer group of its own, and one end for all."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence

from sinks.base import Sink
from sinks.delivery import DeliveryLoop, DeliveryReport, stop_on_signals
from sinks.status import SinkStatus, together


class _Lane(threading.Thread):
    """One delivery loop; when it ends, by an error or not, all end."""

    def __init__(self, loop: DeliveryLoop, name: str, stop: threading.Event, connect_timeout_s: float | None) -> None:
        super().__init__(name=name)
        self.error: BaseException | None = None
        self._loop = loop
        self._stop_all = stop
        self._connect_timeout_s = connect_timeout_s

    def run(self) -> None:
        """Deliver until stopped; an error is kept for the thread that waits."""
        try:
            self._loop.run(self._connect_timeout_s)
        except BaseException as error:  # noqa: BLE001  (raised again by `run_lanes`)
            self.error = error
        finally:
            self._stop_all.set()


class Lanes:
    """The lanes of one process, as whoever asks sees them: as one sink."""

    def __init__(self, loops: Mapping[str, DeliveryLoop]) -> None:
        self._loops = loops

    def status(self) -> SinkStatus:
        """How they stand now, all together; to be asked from any thread."""
        return together([loop.status() for loop in self._loops.values()])


def run_lanes(  # noqa: PLR0913  # as `run_delivery`
    lanes: Sequence[Sink],
    bootstrap: str,
    prefix: str,
    kafka_options: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    *,
    connect_timeout_s: float | None = None,
    look_back_s: float | None = None,
    watching: Callable[[Lanes], contextlib.AbstractContextManager[None]] | None = None,
) -> dict[str, DeliveryReport]:
    """
    Deliver in all lanes until SIGTERM, SIGINT or `stop`, committing after every record; see `DeliveryLoop`.

    A lane that waits holds back no other. One that ends by an error ends all: a process that delivers in part would
    look well from outside.

    Args:
        watching: Wrapped around the run, such as a server that tells others its status.

    Returns:
        What each lane did, by its name.

    Raises:
        BrokerUnreachable: No broker was found in `connect_timeout_s`.
    """
    stop = stop or threading.Event()
    with stop_on_signals(stop):
        options = kafka_options or {}
        loops = {
            lane.name: DeliveryLoop(
                lane, bootstrap, prefix, options, stop, commit_every_record=True, look_back_s=look_back_s
            )
            for lane in lanes
        }
        threads = [_Lane(loop, name, stop, connect_timeout_s) for name, loop in loops.items()]
        with watching(Lanes(loops)) if watching is not None else contextlib.nullcontext():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    for thread in threads:
        if thread.error is not None:
            raise thread.error
    return {name: loop.report for name, loop in loops.items()}
