"""The funnel's process: folds signals, alerts and verdicts, keeps the rows in `<prefix>.funnel`, shows the numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import msgspec
import structlog
from confluent_kafka import KafkaException, Producer

from signals.contract import alert_json, signal_json, verdict_json
from signals.domains import Domains
from signals.funnel import BadFunnelRecord, FunnelState
from signals.funnel_numbers import Funnel, measure_funnel
from signals.replay import Backtest
from sinks.base import Delivery, Refused, Unavailable
from streams.exposition import Exposition
from streams.health import Answer, HealthServer
from streams.metric_catalogue import FUNNEL, FunnelView
from streams.reading import ReadingFailed, read_topic
from streams.replaying import read_lines
from streams.sink_health import SinkProbes
from streams.topics import Topics

if TYPE_CHECKING:
    from pathlib import Path

    from signals.config import Config
    from signals.facts import Outputs
    from sinks.delivery import DeliveryLoop
    from streams.settings import Settings

SENT_S = 10.0
# Whoever asks more often is given the last numbers. Those of a million users take half a minute: a scraper does not
# wait that long for them, and is given the last ones meanwhile.
NUMBERS_EVERY_S = 5.0
NUMBERS_WAIT_S = 2.0
# Making numbers keeps records waiting: at most this share of the time.
NUMBERS_SHARE = 0.1
# Until the group has given us all partitions; a second process that takes some away is no reason to hurry.
ALONE_RETRY_S = 2.0
log = structlog.get_logger()
OnRecord = Callable[[int, int], None]


class FunnelKeeper:
    """
    Takes records as sinks do (`sinks.base.BatchSink`); rows are in the broker before anything is committed.

    One process has all of it: while another one of its group has a part of the partitions it stands still. Whenever
    the group has given partitions anew it reads the rows anew, since somebody else may have written some.

    Args:
        topics: Names and partitions.
        settings: How to reach Kafka.
    """

    name = "funnel"
    topics = ("signals", "alerts", "verdicts")

    def __init__(self, config: Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._topics = Topics(config.prefix, config.topics.partitions)
        self._producer = Producer({**settings.kafka_options, "enable.idempotence": True, "log_level": 0})
        # A number is read by the threads of the health server while records come.
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._state = FunnelState()
        # Which assignment the rows were read under; None: they are not to be trusted.
        self._read_under: int | None = None
        self._ownership: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._numbers: Funnel | None = None
        self._stale_at = 0.0
        self._making: threading.Thread | None = None

    def watch(self, ownership: Callable[[], tuple[int, int]]) -> None:
        """Tell it how many partitions are ours, and under which assignment."""
        self._ownership = ownership

    def recover(self) -> None:
        """
        Read the rows back.

        Raises:
            ReadingFailed: Their topic does not exist, or the broker stops answering.
            BadFunnelRecord: Somebody else wrote into it.
        """
        state = read_rows(self._topics, self._settings)
        with self._lock:
            self._state, self._stale_at = state, 0.0
        log.info("funnel.recovered", **self.rows())

    def deliver(self, record: Delivery) -> None:
        """Take one record."""
        [refusal] = self.deliver_batch([record])
        if refusal is not None:
            raise refusal

    def deliver_batch(self, records: Sequence[Delivery]) -> Sequence[Refused | None]:
        """
        Fold records and write the rows that they change.

        Raises:
            Unavailable: Another process has a part of the partitions, or the rows cannot be read or written.
        """
        self._require_all()
        with self._lock:
            outcomes = [self._take(record) for record in records]
            changed = list(self._state.changed())
        self._write(changed)
        return outcomes

    def numbers(self) -> Funnel:
        """The numbers, made anew unless they are a few seconds old or take long to make; from any thread."""
        with self._asking:
            making = self._making
            if time.monotonic() >= self._stale_at and (making is None or not making.is_alive()):
                making = self._making = threading.Thread(target=self._make_numbers, name="numbers", daemon=True)
                making.start()
        if making is not None:
            making.join(None if self._numbers is None else NUMBERS_WAIT_S)
        numbers = self._numbers
        if numbers is None:
            raise RuntimeError("the numbers of the funnel could not be made")
        return numbers

    def _make_numbers(self) -> None:
        started = time.monotonic()
        with self._lock:
            self._numbers = measure_funnel(self._state, self._config.zone, self._config.time_zone)
        now = time.monotonic()
        self._stale_at = now + max(NUMBERS_EVERY_S, (now - started) / NUMBERS_SHARE)

    @property
    def has_all(self) -> bool:
        """Whether every partition is ours."""
        return self._ownership()[0] >= len(self.topics) * self._topics.partitions

    def rows(self) -> Mapping[str, int]:
        """How many rows of each kind it holds."""
        state = self._state
        return {
            "users": len(state.people),
            "workspaces": len(state.accounts),
            "signals": len(state.fired),
            "alerts": len(state.alerts),
        }

    def close(self) -> None:
        """Let go of the producer; what it sent has been waited for."""
        self._producer.flush(0)

    def _require_all(self) -> None:
        assignment = self._ownership()[1]
        if not self.has_all:
            self._read_under = None
            raise Unavailable(
                "another `plg funnel run` has a part of the partitions, or topics are missing; run one", ALONE_RETRY_S
            )
        if self._read_under != assignment:
            try:
                self.recover()
            except (KafkaException, ReadingFailed) as error:
                raise Unavailable(f"{self._topics.funnel} cannot be read: {type(error).__name__}") from error
            self._read_under = assignment

    def _take(self, record: Delivery) -> Refused | None:
        try:
            fold(self._state, record.topic.rpartition(".")[2], record.value or b"")
        except BadFunnelRecord as error:
            return Refused("bad_record", str(error))
        return None

    def _write(self, changed: Sequence[tuple[str, bytes | None]]) -> None:
        failed: list[str] = []

        def note(error: object, _message: object) -> None:
            if error is not None:
                failed.append(str(error))

        try:
            for key, value in changed:
                while True:
                    try:
                        self._producer.produce(
                            self._topics.funnel, value, key.encode(), self._topics.of(key), on_delivery=note
                        )
                        break
                    except BufferError:
                        self._producer.poll(0.1)
            left = self._producer.flush(SENT_S)
        except KafkaException as error:
            failed.append(type(error).__name__)
            left = 0
        if left or failed:
            # The rows in memory say more than those in the broker: they are read anew, and the records come again.
            self._producer.purge()
            self._producer.flush(1)
            self._read_under = None
            raise Unavailable(f"{self._topics.funnel}: {len(failed) or left} rows were not written")


class FunnelProbes(SinkProbes):
    """As a sink's, with the numbers of the funnel as metrics; ready only while every partition is ours."""

    def __init__(self, loop: DeliveryLoop, keeper: FunnelKeeper) -> None:
        super().__init__(loop)
        self._keeper = keeper
        self._shown = Exposition(
            FUNNEL, lambda: FunnelView(loop.status(), keeper.numbers(), keeper.rows(), self.ready().ok)
        )

    def ready(self) -> Answer:
        """Whether it folds now what comes."""
        answer, has_all = super().ready(), self._keeper.has_all
        return Answer(answer.ok and has_all, {**answer.parts, "has_all": has_all})

    def metrics(self) -> tuple[str, bytes]:
        """Everything that is counted."""
        return self._shown.render()


def funnel_health(settings: Settings, keeper: FunnelKeeper) -> Callable[[DeliveryLoop], AbstractContextManager[None]]:
    """
    Make what `sinks.delivery.run_delivery` wraps around the loop: a health server with the page `/funnel`.

    Raises:
        HealthUnavailable: The port that was set cannot be had.
    """
    server = HealthServer(settings)

    def page() -> tuple[str, bytes]:
        return "application/json", msgspec.json.encode(keeper.numbers())

    @contextmanager
    def watching(loop: DeliveryLoop) -> Iterator[None]:
        keeper.watch(lambda: loop.ownership)
        with server.start(FunnelProbes(loop, keeper), {"/funnel": page}):
            yield

    return watching


def fold(state: FunnelState, topic: str, value: bytes) -> None:
    """
    Fold a value of `signals`, `alerts` or `verdicts`.

    Raises:
        BadFunnelRecord: It breaks the contract of its topic.
    """
    if topic == "signals":
        state.take_signal(value)
    elif topic == "alerts":
        state.take_alert(value)
    else:
        state.take_verdict(value)


def read_rows(topics: Topics, settings: Settings, on_record: OnRecord = lambda _done, _total: None) -> FunnelState:
    """
    The funnel as its process has left it.

    Raises:
        ReadingFailed: The topic does not exist, or the broker stops answering.
        BadFunnelRecord: Somebody else wrote into it.
    """
    state = FunnelState()
    for message in read_topic(topics.funnel, settings, on_record):
        key, value = message.key() or b"", message.value()
        state.load(_text(key), value if value is None else _bytes(value))
    return state


def read_all(
    topics: Topics, settings: Settings, on_record: Callable[[str, int, int], None] = lambda _topic, _done, _total: None
) -> FunnelState:
    """
    The funnel made anew of all that the topics hold now.

    Raises:
        ReadingFailed: A topic does not exist, or the broker stops answering.
        BadFunnelRecord: A record that is no signal, alert or verdict.
    """
    state = FunnelState()
    for name in FunnelKeeper.topics:
        topic = f"{topics.prefix}.{name}"
        for message in read_topic(topic, settings, lambda done, total, topic=topic: on_record(topic, done, total)):  # type: ignore[misc]  # mypy does not see the default's type
            try:
                fold(state, name, _bytes(message.value() or b""))
            except BadFunnelRecord:
                # The live process has set it aside as a dead letter.
                continue
    return state


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _text(key: str | bytes) -> str:
    return key if isinstance(key, str) else key.decode("utf-8", "replace")


def funnel_of_events(config: Config, files: Sequence[Path], on_bytes: Callable[[int], None]) -> FunnelState:
    """
    The funnel of recorded events, by the same steps as live; time passes up to the newest event.

    Raises:
        ReplayFailed: A file cannot be read.
    """
    state = FunnelState()

    def take(out: Outputs) -> None:
        for firing in (*out.signals, *out.measures):
            state.take_signal(signal_json(firing, firing.time, config.hash))
        for alert in out.alerts:
            state.take_alert(alert_json(alert, alert.time, config.hash))
        for verdict in out.verdicts:
            if verdict.is_final:
                state.take_verdict(verdict_json(verdict))

    backtest = Backtest(config, Domains(config.domains), take)
    for line in read_lines(files, on_bytes):
        backtest.feed(line)
    backtest.finish()
    return state
