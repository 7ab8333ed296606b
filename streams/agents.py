"""The three agents: ingest, users, workspaces. They decode, call the pure steps, and send what comes out (DESIGN 1)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

import msgspec
import structlog
from faust.types import TP, StreamT

from signals.codec import decode_fact_record, decode_user_record, encode_record
from signals.compiled import Engine
from signals.config import Clock, Config
from signals.contract import alert_json, signal_json, verdict_json
from signals.engine import set_aside_event, set_aside_fact, step_user, step_workspace
from signals.errors import BadRecord
from signals.event import Reason, Source, Tick
from signals.facts import Command, Fact, Outputs
from signals.formats.segment import SegmentDecoder
from signals.orders import read_command
from signals.shard import Fence
from signals.user import UserState
from signals.workspace import WorkspaceState
from sinks.dead_letters import DEAD_LETTER_VERSION
from streams.endings import described, fail_stop
from streams.keyed import KeyedStep, R, Record, S, StepFailed
from streams.letters import original_time, own_time
from streams.metrics import Metrics
from streams.outbox import Epoch
from streams.tables import StateTable
from streams.topics import Topics

log = structlog.get_logger()


# Records between two chances for the loop to turn: a few milliseconds of work.
SLICE = 100
# How long the note about a failure may take before the process ends without it.
NOTE_S = 5.0


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
        config: The config in force.
        engine: The compiled rules.
        topics: Names and partitions.
        sender: Where everything goes.
        still_owner: Ends the process if the partitions may have another owner by now.
    """

    def __init__(  # noqa: PLR0913  # the parts of a worker, put together in streams/app.py
        self,
        *,
        config: Config,
        engine: Engine,
        topics: Topics,
        sender: Sender,
        users: StateTable[UserState],
        workspaces: StateTable[WorkspaceState],
        still_owner: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        self.engine = engine
        self.topics = topics
        self.metrics = metrics
        # Where ingest stands: for each partition of the customer's topics the offset after the last record passed on.
        self.positions: dict[TP, int] = {}
        self._sender = sender
        self._decoder = SegmentDecoder(config)
        self._config_hash = config.hash
        self._is_wall = config.clock is Clock.WALL
        self._user_step = KeyedStep(users, decode_user_record, step_user, set_aside_event)
        self._workspace_step: KeyedStep[WorkspaceState, Fact | Command] = KeyedStep(
            workspaces, decode_fact_record, step_workspace, set_aside_fact
        )
        self._still_owner = still_owner

    # -- agents

    async def ingest(self, stream: StreamT[list[Record]]) -> None:
        """Customer's record -> canonical event, keyed by its subject."""
        async for event in stream.events():
            await self._in_slices(event.value, self._ingest_slice)

    async def users(self, stream: StreamT[list[Record]]) -> None:
        """Event -> the user's state, signals, and facts for workspaces."""
        async for event in stream.events():
            await self._in_slices(event.value, self._users_slice)

    async def workspaces(self, stream: StreamT[list[Record]]) -> None:
        """Fact -> the workspace's state, signals, verdicts and alerts."""
        async for event in stream.events():
            await self._in_slices(event.value, self._workspaces_slice)

    async def _in_slices(self, records: list[Record], apply: Callable[[Sequence[Record]], None]) -> None:
        for start in range(0, len(records), SLICE):
            self._still_owner()
            try:
                apply(records[start : start + SLICE])
            except StepFailed as failed:
                await self._end_after(failed)
            except Exception as error:  # noqa: BLE001  # an exception in an agent would acknowledge the record
                fail_stop("worker.failed", **described(error))
            await self._sender.room()

    async def _end_after(self, failed: StepFailed) -> NoReturn:
        """Leave a note for the next owner, so that it knows how often this record has ended a worker; then end."""
        record, table = failed.record, failed.table
        key, value = table.count_failure(record.partition, record.offset)
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

    # -- slices: no await, so that a barrier never falls inside a record

    def _ingest_slice(self, records: Sequence[Record]) -> None:
        send, topics, decode = self._sender.send, self.topics, self._decoder.decode
        # What is news is told by it. It travels in the log, so that every replay of the log decides the same.
        ingested_at = time.time_ns() // 1_000_000 if self._is_wall else None
        time_of = original_time if records[0].topic == topics.redrive else own_time
        for record in records:
            if record.topic == topics.commands:
                self._pass_on_command(record)
                continue
            source = Source(record.topic, record.partition, record.offset)
            try:
                event = decode(record.value, time_of(record), source)
            except BadRecord as bad:
                self._dead_letter(record, bad)
            except Exception as error:  # noqa: BLE001  # one record is not worth a worker
                place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
                log.error("decoder.failed", **place, **described(error))  # noqa: TRY400  # its text may quote the record
                self._dead_letter(record, BadRecord(Reason.DECODER_FAILED, type(error).__name__))
            else:
                event.ingested_at = ingested_at
                key = event.subject
                send(topics.user_events, topics.of(key), key.encode(), encode_record(event))
        last = records[-1]
        self.positions[TP(last.topic, last.partition)] = last.offset + 1
        self.metrics.ingested += len(records)

    def _pass_on_command(self, record: Record) -> None:
        try:
            command = read_command(record.value).at(record.partition, record.offset)
        except BadRecord as bad:
            self._dead_letter(record, bad)
            return
        key, topics = command.workspace_id, self.topics
        # About a signal anywhere: every partition has to know.
        partitions = range(topics.partitions) if key is None else (topics.of(key),)
        for partition in partitions:
            self._sender.send(topics.workspace_facts, partition, (key or "").encode(), encode_record(command))

    def _users_slice(self, records: Sequence[Record]) -> None:
        self._fold(self._user_step, records)
        self.metrics.user_records += len(records)

    def _workspaces_slice(self, records: Sequence[Record]) -> None:
        self._fold(self._workspace_step, records)
        self.metrics.workspace_records += len(records)

    def _fold(self, step: KeyedStep[S, R], records: Sequence[Record]) -> None:
        partition = records[0].partition
        shard, engine = step.table.shard(partition), self.engine
        poisoned = step.poisoned(partition)
        for record in records:
            try:
                item = step.decode(record.value or b"")
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self._foreign(record, shard.fence, error)
                continue
            if record.offset == poisoned and not isinstance(item, Tick):
                step.set_aside(shard, item, record.offset)
                self._dead_letter(record, BadRecord(Reason.STEP_FAILED))
                continue
            try:
                outputs = step.apply(shard, item, record.offset, partition, engine)
            except Exception as error:
                raise StepFailed(step.table, record) from error
            self._send_outputs(outputs, record)

    # -- outputs

    def _send_outputs(self, outputs: Outputs, record: Record) -> None:
        send, topics, metrics = self._sender.send, self.topics, self.metrics
        for fact in outputs.facts:
            key = fact.workspace_id
            send(topics.workspace_facts, topics.of(key), key.encode(), encode_record(fact))
        metrics.facts += len(outputs.facts)
        for note in outputs.notes:
            metrics.notes[note] += 1
        if not outputs.firings_or_alerts:
            return
        detected_at = time.time_ns() // 1_000_000
        for firing in outputs.signals:
            key = firing.subject
            send(topics.signals, topics.of(key), key.encode(), signal_json(firing, detected_at, self._config_hash))
            metrics.signals[firing.signal] += 1
        for alert in outputs.alerts:
            key = alert.workspace_id
            send(topics.alerts, topics.of(key), key.encode(), alert_json(alert, detected_at, self._config_hash))
            metrics.alerts[alert.signal] += 1
        for verdict in outputs.verdicts:
            metrics.verdicts[verdict.verdict] += 1
            if not verdict.is_final:
                continue
            key = verdict.subject
            send(topics.verdicts, topics.of(key), key.encode(), verdict_json(verdict))
        for failure in outputs.errors:
            metrics.rule_errors[failure.rule] += 1
            log.error("rule.failed", rule=failure.rule, error=failure.error)
            self._dead_letter(record, BadRecord(Reason.RULE_FAILED, f"{failure.rule}: {failure.error}"))

    def _foreign(self, record: Record, fence: Fence, error: Exception) -> None:
        # Somebody else wrote into one of our logs. Its place is taken all the same, or it would be read for ever.
        fence.end = record.offset + 1
        self._dead_letter(record, BadRecord(Reason.FOREIGN, type(error).__name__))

    def _dead_letter(self, record: Record, bad: BadRecord) -> None:
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
            record.value,
            [(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
        )
