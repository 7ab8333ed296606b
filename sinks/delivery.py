"""The delivery loop: reads topics in a process and a consumer group of its own and hands every record to one sink."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from sinks.base import BatchSink, Delivery, Refused, Sink, Unavailable
from sinks.dead_letters import DeadLetters
from sinks.durations import Durations
from sinks.intake import BrokerUnreachable, Intake
from sinks.outage import Outage
from sinks.status import SinkStatus

__all__ = ["BrokerUnreachable", "DeliveryLoop", "DeliveryReport", "run_delivery", "stop_on_signals"]

BATCH_RECORDS: Final = 500

_log = structlog.get_logger()


class DeliveryReport(msgspec.Struct):
    """
    What one run did.

    `dropped` were in hand when their partition went to another process, which delivers them. `outages` counts the times
    the sink was unavailable, `outage_s` their length as far as they are over.
    """

    delivered: int = 0
    parked: int = 0
    dropped: int = 0
    outages: int = 0
    outage_s: float = 0.0


class DeliveryLoop:
    """
    Delivers in order, commits afterwards, and loses nothing.

    A record is finished when the sink has it or a dead letter holds it, and is committed only then. While the sink is
    unavailable the partitions are paused and polling goes on, so that the group keeps its member.

    Args:
        sink: The other end.
        bootstrap: Where the brokers are, as in `host:port,host:port`.
        prefix: The prefix of topics and of the consumer group `<prefix>-sink-<name>`.
        kafka_options: librdkafka options such as `security.protocol`; group and commit options stay ours.
        stop: Set it to end the run.
        commit_every_record: At most one record comes twice after a crash. Always so for a sink without batches.
        look_back_s: A group that has never read begins with the records of so many seconds; None: with all.
        group: Another consumer group than that.
    """

    def __init__(  # noqa: PLR0913  # what a command knows and the loop does not
        self,
        sink: Sink,
        bootstrap: str,
        prefix: str,
        kafka_options: Mapping[str, str],
        stop: threading.Event,
        *,
        commit_every_record: bool = False,
        look_back_s: float | None = None,
        group: str | None = None,
    ) -> None:
        self.report = DeliveryReport()
        self._refusals: Counter[str] = Counter()
        self._alert_waits = Durations()
        self._alerts = f"{prefix}.alerts"
        self._sink = sink
        self._stop = stop
        # One at a time where the sink is slow: polling and rebalances come between two records.
        self._batch = BATCH_RECORDS if isinstance(sink, BatchSink) and not commit_every_record else 1
        self._outage = Outage()
        self._turned_at: float | None = None
        self._log = _log.bind(sink=sink.name)
        options = {**kafka_options, "bootstrap.servers": bootstrap}
        topics = [f"{prefix}.{topic}" for topic in sink.topics]
        self._intake = Intake(topics, group or f"{prefix}-sink-{sink.name}", options, look_back_s)
        self._dead_letters = DeadLetters(f"{prefix}.dead-letters", options)

    def run(self, connect_timeout_s: float | None = None) -> DeliveryReport:
        """
        Deliver until stopped.

        Args:
            connect_timeout_s: How long to look for a broker at the start; None looks until stopped.

        Raises:
            BrokerUnreachable: No broker was found in that time.
        """
        try:
            if self._intake.join(self._stop, connect_timeout_s):
                self._log.info("sink.started")
                while not self._stop.is_set():
                    self._turned_at = time.monotonic()
                    self._step()
        finally:
            self._intake.leave()
            self.report.dropped = self._intake.dropped
        self._log.info("sink.stopped", **msgspec.structs.asdict(self.report))
        return self.report

    @property
    def ownership(self) -> tuple[int, int]:
        """How many partitions are ours, and how often the group has given us some."""
        return self._intake.partitions, self._intake.assignments

    def status(self) -> SinkStatus:
        """How it stands now; to be asked from any thread."""
        report, turned_at = self.report, self._turned_at
        return SinkStatus(
            sink=self._sink.name,
            turned_s=0.0 if turned_at is None else time.monotonic() - turned_at,
            is_member=self._intake.is_member,
            partitions=self._intake.partitions,
            in_hand=len(self._intake),
            delivered=report.delivered,
            parked=report.parked,
            outages=report.outages,
            is_waiting=bool(self._outage),
            outage_age_s=self._outage.age(),
            oldest_s=self._intake.oldest_s(),
            refusals=dict(self._refusals),
            alert_waits=self._alert_waits,
        )

    def _step(self) -> None:
        remaining_s = self._outage.remaining()
        if remaining_s > 0:
            self._intake.keep_alive(remaining_s)
            return
        if records := self._intake.read(self._batch):
            self._deliver(records)
        # On a stop it is `leave` that commits, in bounded time.
        if not self._stop.is_set():
            self._intake.commit()

    def _deliver(self, records: Sequence[Delivery]) -> None:
        try:
            outcomes = self._outcomes(records)
            now_s = time.time()
            for record, refusal in zip(records, outcomes, strict=True):
                if refusal is None:
                    self.report.delivered += 1
                    if record.topic == self._alerts and record.timestamp is not None:
                        self._alert_waits.observe(now_s - record.timestamp / 1_000)
                else:
                    self._park(record, refusal)
                self._intake.finish()
        except Unavailable as error:
            if not self._outage:
                self.report.outages += 1
                self._log.warning("sink.waiting", reason=str(error), records=len(self._intake))
            self._outage.extend(error.retry_after_s)
            return
        if self._outage:
            self._recovered()

    def _outcomes(self, records: Sequence[Delivery]) -> Sequence[Refused | None]:
        if isinstance(self._sink, BatchSink):
            return self._sink.deliver_batch(records)
        [record] = records
        try:
            self._sink.deliver(record)
        except Refused as refusal:
            return [refusal]
        return [None]

    def _park(self, record: Delivery, refusal: Refused) -> None:
        self._dead_letters.park(record, refusal)
        self.report.parked += 1
        self._refusals[refusal.reason] += 1
        # Not the detail: it may name a workspace.
        self._log.error(
            "sink.parked",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=refusal.reason,
        )

    def _recovered(self) -> None:
        seconds = self._outage.end()
        self.report.outage_s += seconds
        self._log.info("sink.recovered", outage_s=round(seconds, 1))


@contextlib.contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Turn SIGTERM and SIGINT into `stop` while inside; outside the main thread signals stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_delivery(  # noqa: PLR0913  # what a command knows and the loop does not
    sink: Sink,
    bootstrap: str,
    prefix: str,
    kafka_options: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    *,
    commit_every_record: bool = False,
    connect_timeout_s: float | None = None,
    group: str | None = None,
    watching: Callable[[DeliveryLoop], contextlib.AbstractContextManager[None]] | None = None,
) -> DeliveryReport:
    """
    Deliver to one sink until SIGTERM, SIGINT or `stop`; see `DeliveryLoop`.

    Args:
        watching: Wrapped around the run, such as a server that tells others its status.

    Raises:
        BrokerUnreachable: No broker was found in `connect_timeout_s`.
    """
    stop = stop or threading.Event()
    with stop_on_signals(stop):
        options = kafka_options or {}
        loop = DeliveryLoop(
            sink, bootstrap, prefix, options, stop, commit_every_record=commit_every_record, group=group
        )
        with watching(loop) if watching is not None else contextlib.nullcontext():
            return loop.run(connect_timeout_s)
