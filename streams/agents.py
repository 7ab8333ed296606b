"""The three agents: ingest, users, workspaces. They decode, call the pure steps, and send what comes out (DESIGN 1)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, Protocol

import msgspec
import structlog
from faust.types import TP, StreamT

from signals.codec import decode_fact_records, decode_user_records, encode_record, position_in_log
from signals.compiled import Engine
from signals.config import Clock, Config
from signals.contract import alert_json, signal_json, verdict_json
from signals.engine import set_aside_event, set_aside_fact, step_users, step_workspaces
from signals.errors import BadRecord, StepError
from signals.event import Event, Reason, Source, Tick
from signals.facts import AlertStatus, Command, Fact, Note, Outputs, Pulse
from signals.formats.segment import SegmentDecoder
from signals.imported import ImportedMember, ImportedWorkspace, is_import, read_import
from signals.orders import read_command
from signals.user import UserState
from signals.workspace import WorkspaceState
from sinks.dead_letters import DEAD_LETTER_VERSION
from streams.bundles import Bundles
from streams.endings import described, fail_stop
from streams.keyed import KeyedStep, R, Record, S, StepFailed
from streams.letters import original_time, own_time
from streams.metrics import Metrics
from streams.outbox import Epoch
from streams.tables import StateTable
from streams.topics import Topics

log = structlog.get_logger()
LogItem = Event | ImportedMember | Fact | Pulse | Command | ImportedWorkspace | Tick


# Records between two chances for the loop to turn: ten milliseconds or two of work, and enough for bundles worth their
# name. Only a backlog fills a slice.
SLICE = 2_000
# The same for bundles, in bytes: a record of our own logs has about 250.
SLICE_BYTES = 250 * SLICE
# How long the note about a failure may take before the process ends without it.
NOTE_S = 5.0


def slices_of(bundles: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut a batch of bundles into slices of about `SLICE` records by their sizes, which is all that is known yet."""
    begin, size = 0, 0
    for end, record in enumerate(bundles, 1):
        size += len(record.value or b"")
        if size >= SLICE_BYTES:
            yield bundles[begin:end]
            begin, size = end, 0
    if begin < len(bundles):
        yield bundles[begin:]


class Sender(Protocol):
    """What the agents need of the outbox."""

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send a record."""

    async def room(self) -> None:
        """Give way, and wait while too much is unacknowledged."""

    def barrier(self) -> Epoch:
        """Close the current epoch."""

    async def durable(self, barrier: Epoch) -> None:
        """Wait for every send before the barrier."""


class River:
    """
    One worker's share of the river.

    Args:
        config: The worker's own, as it was when it started.
        engine_of: The compiled rules by the hash that a log names, empty where it has named none.
        topics: Names and partitions.
        sender: Where everything goes.
        still_owner: Ends the process if the partitions may have another owner by now.
    """

    def __init__(  # noqa: PLR0913  # the parts of a worker, put together in streams/app.py
        self,
        *,
        config: Config,
        engine_of: Callable[[str], Engine],
        topics: Topics,
        sender: Sender,
        users: StateTable[UserState],
        workspaces: StateTable[WorkspaceState],
        still_owner: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        self.engine_of = engine_of
        self.topics = topics
        self.metrics = metrics
        # Where ingest stands: for each partition of the customer's topics the offset after the last record passed on.
        self.positions: dict[TP, int] = {}
        # A step has failed, and the process ends after a note about it.
        self.is_ending = False
        # How long it has been at work on records, seconds.
        self.busy_s = 0.0
        self._sender = sender
        # Ingest has no place in a log at which a config begins: what it has resolved stands in the records.
        self._decoder = SegmentDecoder(config)
        self._custom = config.custom
        self._max_id_chars = config.limits.max_id_chars
        self._is_wall = config.clock is Clock.WALL
        self._user_step: KeyedStep[UserState, Event | ImportedMember] = KeyedStep(
            users, decode_user_records, step_users, set_aside_event
        )
        self._workspace_step: KeyedStep[WorkspaceState, Fact | Pulse | Command | ImportedWorkspace] = KeyedStep(
            workspaces, decode_fact_records, step_workspaces, set_aside_fact
        )
        self._to_users = Bundles(topics.user_events, topics.partitions, sender.send)
        self._to_workspaces = Bundles(topics.workspace_facts, topics.partitions, sender.send)
        # Signals, alerts and verdicts of the slice at hand: topic, partition, key, value.
        self._to_readers: list[tuple[str, int, bytes, bytes]] = []
        self._still_owner = still_owner

    # -- agents

    async def ingest(self, stream: StreamT[list[Record]]) -> None:
        """Customer's record -> canonical event, keyed by its subject."""
        async for event in stream.events():
            records = event.value
            for start in range(0, len(records), SLICE):
                await self._in_one_go(self._ingest_slice, records[start : start + SLICE])

    async def users(self, stream: StreamT[list[Record]]) -> None:
        """Event -> the user's state, signals, and facts for workspaces."""
        async for event in stream.events():
            for bundles in slices_of(event.value):
                await self._in_one_go(self._users_slice, bundles)

    async def workspaces(self, stream: StreamT[list[Record]]) -> None:
        """Fact -> the workspace's state, signals, verdicts and alerts."""
        async for event in stream.events():
            for bundles in slices_of(event.value):
                await self._in_one_go(self._workspaces_slice, bundles)

    async def _in_one_go(self, apply: Callable[[Sequence[Record]], None], records: Sequence[Record]) -> None:
        self._still_owner()
        began = time.perf_counter()
        try:
            apply(records)
        except StepFailed as failed:
            await self._end_after(failed)
        except Exception as error:  # noqa: BLE001  # an exception in an agent would acknowledge the record
            fail_stop("worker.failed", **described(error))
        self.busy_s += time.perf_counter() - began
        await self._sender.room()

    async def _end_after(self, failed: StepFailed) -> NoReturn:
        """Leave a note for the next owner, so that it knows how often this record has ended a worker; then end."""
        self.is_ending = True
        record, table = failed.record, failed.table
        key, value = table.count_failure(record.partition, failed.position)
        self._sender.send(table.changelog_topic_name, record.partition, key, value)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sender.durable(self._sender.barrier()), NOTE_S)
        fail_stop(
            "step.failed",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            **described(failed.__cause__),
        )

    def use(self, config: Config) -> None:
        """Let ingest read events by another config from the next slice on."""
        self._decoder = SegmentDecoder(config)
        self._custom = config.custom
        self._max_id_chars = config.limits.max_id_chars

    # -- slices: no await, so that a barrier never falls inside a record

    def _ingest_slice(self, records: Sequence[Record]) -> None:
        add, decode = self._to_users.add, self._decoder.decode
        first = records[0]
        is_command = first.topic == self.topics.commands
        # What is news is told by it. It travels in the log, so that every replay of the log decides the same.
        ingested_at = time.time_ns() // 1_000_000 if self._is_wall else None
        time_of = original_time if first.topic == self.topics.redrive else own_time
        for record in records:
            if is_command:
                self._pass_on_command(record)
                continue
            try:
                event = decode(record.value, time_of(record), Source(record.topic, record.partition, record.offset))
            except BadRecord as bad:
                self._dead_letter(record, bad)
            except Exception as error:  # noqa: BLE001  # one record is not worth a worker
                place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
                log.error("decoder.failed", **place, **described(error))  # noqa: TRY400  # its text may quote the record
                self._dead_letter(record, BadRecord(Reason.DECODER_FAILED, type(error).__name__))
            else:
                event.ingested_at = ingested_at
                add(event.subject, event)
        self._to_users.flush()
        self.positions[TP(first.topic, first.partition)] = records[-1].offset + 1
        self.metrics.ingested += len(records)

    def _pass_on_command(self, record: Record) -> None:
        if is_import(record.value):
            self._pass_on_import(record)
            return
        try:
            command = read_command(record.value, self._custom).at(record.partition, record.offset)
        except BadRecord as bad:
            self._dead_letter(record, bad)
            return
        key, topics = command.workspace_id, self.topics
        # About a signal anywhere: every partition has to know.
        partitions = range(topics.partitions) if key is None else (topics.of(key),)
        for partition in partitions:
            self._sender.send(topics.workspace_facts, partition, (key or "").encode(), encode_record(command))

    def _pass_on_import(self, record: Record) -> None:
        """Each record of an import stands alone, as an order does."""
        source = Source(record.topic, record.partition, record.offset)
        try:
            imported = read_import(record.value or b"", source, self._max_id_chars)
        except BadRecord as bad:
            self._dead_letter(record, bad)
            return
        key, topics = imported.subject, self.topics
        log = topics.user_events if type(imported) is ImportedMember else topics.workspace_facts
        self._sender.send(log, topics.of(key), key.encode(), encode_record(imported))

    def _users_slice(self, bundles: Sequence[Record]) -> None:
        self.metrics.user_records += self._fold(self._user_step, bundles)

    def _workspaces_slice(self, bundles: Sequence[Record]) -> None:
        self.metrics.workspace_records += self._fold(self._workspace_step, bundles)

    def _fold(self, step: KeyedStep[S, R], bundles: Sequence[Record]) -> int:
        partition, count, facts = bundles[0].partition, 0, 0
        poisoned, fence = step.poisoned(partition), step.table.shard(partition).fence
        engine = self.engine_of(fence.config)
        for record in bundles:
            try:
                items = step.decode(record.value or b"")
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                # Somebody else wrote into one of our logs. Its place is taken all the same, or it would be read again.
                self._dead_letter(record, BadRecord(Reason.FOREIGN, type(error).__name__))
                continue
            start, end = position_in_log(record.offset), position_in_log(record.offset, len(items))
            if poisoned is not None and start <= poisoned < end and not isinstance(items[poisoned - start], Tick):
                facts += self._pass_over(step, engine, record, items, poisoned - start)
            else:
                # A tick stands alone, and another config begins with it.
                if len(items) == 1 and type(items[0]) is Tick:
                    engine = self.engine_of(fence.config_at(items[0]))
                facts += self._apply(step, engine, record, items, range(start, end))
            count += len(items)
        # A barrier never falls inside a slice, so once is enough.
        fence.end = bundles[-1].offset + 1
        self._send_off()
        self.metrics.facts += facts
        return count

    def _apply(
        self,
        step: KeyedStep[S, R],
        engine: Engine,
        record: Record,
        items: Sequence[R | Tick],
        positions: Sequence[int],
    ) -> int:
        """Apply the records of a bundle, and pass on what comes of them; tells how many facts did."""
        try:
            facts, news = step.apply(step.table.shard(record.partition), items, positions, record.partition, engine)
        except StepError as error:
            raise StepFailed(step.table, record, error.position) from error.__cause__
        add = self._to_workspaces.add
        for fact in facts:
            add(fact.workspace_id, fact)
        for item, out in news:
            self._send_news(out, item, record, engine.hash)
        return len(facts)

    def _pass_over(
        self, step: KeyedStep[S, R], engine: Engine, record: Record, items: Sequence[R | Tick], at: int
    ) -> int:
        """Apply the records of a bundle but the one that the step cannot apply."""
        start, poisoned = position_in_log(record.offset), items[at]
        assert not isinstance(poisoned, Tick)
        facts = self._apply(step, engine, record, items[:at], range(start, start + at))
        step.set_aside(step.table.shard(record.partition), poisoned, start + at)
        self._dead_letter(record, BadRecord(Reason.STEP_FAILED), encode_record(poisoned))
        return facts + self._apply(step, engine, record, items[at + 1 :], range(start + at + 1, start + len(items)))

    # -- outputs

    def _send_off(self) -> None:
        """
        Send what the records of a slice have brought about.

        All at once, since the client waits 5 ms for more before it asks the broker to take what a partition has: sent
        one by one, as they arise in a long slice, each signal would make a request.
        """
        send = self._sender.send
        for topic, partition, key, value in self._to_readers:
            send(topic, partition, key, value)
        self._to_readers.clear()
        self._to_workspaces.flush()

    def _send_news(self, outputs: Outputs, item: LogItem, record: Record, config: str) -> None:
        """Write what only few records bring about: signals, verdicts, alerts; send dead letters."""
        topics, metrics, add = self.topics, self.metrics, self._to_readers.append
        for note in outputs.notes:
            metrics.notes[note] += 1
            if note is Note.REPEATED:
                metrics.fenced["users" if record.topic == topics.user_events else "workspaces"] += 1
        detected_at = time.time_ns() // 1_000_000
        for firing in outputs.signals:
            key = firing.subject
            add((topics.signals, topics.of(key), key.encode(), signal_json(firing, detected_at, config)))
            metrics.signals[firing.signal] += 1
        for measure in outputs.measures:
            key = measure.subject
            add((topics.signals, topics.of(key), key.encode(), signal_json(measure, detected_at, config)))
        for alert in outputs.alerts:
            key = alert.workspace_id
            add((topics.alerts, topics.of(key), key.encode(), alert_json(alert, detected_at, config)))
            metrics.alerts[alert.signal] += 1
            if self._is_wall and alert.status is AlertStatus.OPEN:
                metrics.alert_waits.observe((detected_at - alert.sent_at) / 1_000)
        for verdict in outputs.verdicts:
            metrics.verdicts[verdict.verdict] += 1
            if not verdict.is_final:
                continue
            key = verdict.subject
            add((topics.verdicts, topics.of(key), key.encode(), verdict_json(verdict)))
        for failure in outputs.errors:
            metrics.rule_errors[failure.rule] += 1
            log.error("rule.failed", rule=failure.rule, error=failure.error)
            bad = BadRecord(Reason.RULE_FAILED, f"{failure.rule}: {failure.error}")
            self._dead_letter(record, bad, encode_record(item))

    def _dead_letter(self, record: Record, bad: BadRecord, item: bytes | None = None) -> None:
        """Put a Kafka record aside, or one `item` of a bundle."""
        self.metrics.dead_letters[bad.reason] += 1
        place = f"{record.topic}/{record.partition}/{record.offset}"
        time_ms = original_time(record) if record.topic == self.topics.redrive else own_time(record)
        headers = {
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "reason": bad.reason,
            "error": bad.detail,
            "version": DEAD_LETTER_VERSION,
            **({} if time_ms is None else {"timestamp": str(time_ms)}),
        }
        self._sender.send(
            self.topics.dead_letters,
            self.topics.of(place),
            place.encode(),
            record.value if item is None else item,
            [(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
        )
