"""
Faust at the speed of a loop: one message per (partition, fetch), and commits that follow the checkpoint.

What is repaired here, each with a test in tests/streams/test_stock_faults.py that fails on stock Faust 0.15.3:

- commits ran one past an event still in work, and past events whose outputs were not durable: `force_commit` commits
  what the last checkpoint noted and nothing else, whoever calls it (timer, rebalance, stop, task error);
- `flush()` gave up after 100 ms: the checkpoint waits for acknowledgements instead (streams/outbox.py);
- `wait_empty` had no limit and could not be cancelled: it has one, and ends in a checkpoint;
- each record cost ~60 us of task switching: a batch costs that once.

And three ways to lose records around rebalances, with tests in tests/streams/test_transport.py:

- what was fetched before a seek was delivered after it and hid the records in between: `_fetch_and_deliver`;
- the flow was on from the end of a recovery to the moment the agents' queues were emptied, and also while the next
  rebalance had begun: `resume_partitions`, `_fetchable`;
- a partition without a commit stayed where a dropped fetch had moved it: `perform_seek`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import aiokafka
import faust
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from streams.endings import fail_stop, now_s
from streams.fetching import FETCH_MAX_WAIT_MS, FetchedRecord

if TYPE_CHECKING:
    from mode.types import ServiceT

SCHEME = "plg"
# A fetch without records ends after this long: a seek waits for it.
FETCH_WAIT_S = 0.5
# How soon to look again while every partition is paused.
IDLE_S = 0.05
TRANSPORTS.aliases[SCHEME] = "streams.transport:Transport"


class PassThroughSchema(faust.Schema[Any, Any]):
    """Hands over what the consumer made; decoding is ours, so that bad bytes never reach Faust's error paths."""

    def compile(self, app: faust.App, **_options: Any) -> Callable[..., Awaitable[Any]]:  # type: ignore[override]  # Faust's own signature is untyped
        """Build the function that turns a message into an event without looking at it."""

        async def decode(message: Message, *, propagate: bool = False) -> Any:  # noqa: ARG001  # Faust's calling convention
            return app.create_event(message.key, message.value, None, message)

        return decode


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The driver's thread, which also remembers when the group last heard from us."""

    # On the clock of `now_s`; None before the first join.
    last_heartbeat: float | None = None

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # noqa: SLF001  # Faust passes 1,500 whatever its settings are
        return consumer

    async def on_start(self) -> None:
        """Start the consumer and listen to its heartbeats."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001  # aiokafka offers no public hook
        send_heartbeat = coordinator._do_heartbeat  # noqa: SLF001

        async def observed() -> bool:
            answered = bool(await send_heartbeat())
            if answered:
                self.last_heartbeat = now_s()
            return answered

        coordinator._do_heartbeat = observed  # noqa: SLF001


class _RestOf:
    """What is left of a coroutine that has been stepped by hand up to where it waits for something."""

    def __init__(self, begun: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._begun = begun
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield self._waits_for
        except BaseException as error:
            # It was cancelled while it waited.
            self._begun.throw(error)
            raise
        yield from self._begun.__await__()


class CheckpointConsumer(BaseConsumer):
    """What is ours of a Faust consumer, whatever carries the records: batches in, checkpoints committed."""

    # Set by the app before it starts: brings a checkpoint about and returns when its offsets are committable.
    checkpoint: Callable[[], Awaitable[None]] | None = None
    drain_timeout_s: float = 15.0
    # Topics whose offsets have no gaps, because only we write them and nothing compacts them.
    gapless: frozenset[str] = frozenset()
    # Set by the app: holds recovered states against the committed offsets before the first record is taken.
    verify: Callable[[Mapping[TP, int | None]], Awaitable[None]] | None = None
    # Set by the app: whether the tables of all these partitions have been recovered.
    is_recovered: Callable[[set[TP]], bool] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._checkpointed: dict[TP, int] = {}
        # Held while records are fetched and while positions are sought, so that a fetch is wholly before or after.
        self._positions = asyncio.Lock()
        self._seeks = 0
        # The generation whose tables are recovered and whose positions are sought: only it gets records.
        self._ready: int | None = None
        super().__init__(*args, **kwargs)

    # -- batches

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # mode means any event
                await self._fetch_and_deliver()
                await asyncio.sleep(0)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _fetch_and_deliver(self) -> None:
        active = self._fetchable()
        if not active:
            await self.sleep(IDLE_S)
            return
        async with self._positions:
            if not self.flow_active:
                return
            generation, seeks = self.app.consumer_generation_id, self._seeks
            records = await self._getmany(active_partitions=active, timeout=FETCH_WAIT_S)
        for tp, fetched in (records or {}).items():
            # Fetched before a seek or a rebalance, they stand anywhere: delivered now, they would hide the records
            # between the new position and their own. What is dropped here is fetched again from the new position.
            if generation != self.app.consumer_generation_id or seeks != self._seeks or not self.flow_active:
                return
            await self._deliver(tp, fetched, generation)

    def _fetchable(self) -> set[TP]:
        """
        The partitions to fetch from: until tables are recovered and positions sought, changelogs only.

        Faust resumes its flow at the end of a recovery even if the next rebalance has begun meanwhile; records of
        partitions that this one brings would then be applied to states not yet recovered.
        """
        active = self._get_active_partitions()
        if self._ready == self.app.consumer_generation_id:
            return active
        has_acks = self.app.topics.acks_enabled_for
        return {tp for tp in active if not has_acks(tp.topic)}

    async def _deliver(self, tp: TP, fetched: list[FetchedRecord], generation: int) -> None:
        wanted = self._read_offset[tp]
        # `>=`: after a seek the read offset is the *next* record's. With `>` each moved partition loses one record.
        # Nearly always the first is the one that is wanted.
        if wanted is None or fetched[0].offset >= wanted:
            batch = fetched
        else:
            batch = [record for record in fetched if record.offset >= wanted]
        if not batch:
            return
        if wanted is not None and batch[0].offset > wanted and tp.topic in self.gapless:
            fail_stop(
                "records.skipped",
                topic=tp.topic,
                partition=tp.partition,
                wanted=wanted,
                got=batch[0].offset,
                repair="start again; if it repeats, retention has deleted unread records: plg topics reset",
            )
        last = batch[-1]
        message = ConsumerMessage(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            [],
            b"",
            cast(Any, batch),
            None,
            tp=tp,
            generation_id=generation,
        )
        # Before the wait: a rebalance during it seeks, and what it seeks to must not be overwritten afterwards.
        self._read_offset[tp] = last.offset + 1
        handing_over = cast("Coroutine[Any, Any, None]", self.callback(message))
        try:
            waits_for = handing_over.send(None)
        except StopIteration:
            # There was room in the agent's queue, as nearly always: no task is made for that.
            return
        await self.wait_first(_RestOf(handing_over, waits_for), self.suspend_flow.wait())

    # -- commits

    def make_committable(self, offsets: Mapping[TP, int]) -> None:
        """Note what a finished checkpoint covers: for each partition the offset after the last record applied."""
        self._checkpointed.update(offsets)

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002  # Faust's signature
        """Commit what the last checkpoint covers, and nothing else."""
        # Faust's own book of acks is not used; it must not grow.
        self._acked.clear()
        self._acked_index.clear()
        self._gap.clear()
        assigned = self.assignment()
        offsets = {
            tp: offset
            for tp, offset in self._checkpointed.items()
            if tp in assigned and offset > (self._committed_offset[tp] or 0)
        }
        if not offsets:
            return False
        committed = bool(await self._commit(offsets))
        if committed:
            self._committed_offset.update(offsets)
        return committed

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """
        Let records of these partitions come again, once Faust has called `resume_flow`.

        At the end of a recovery it resumes partitions, seeks, and empties the agents' queues, all with the flow on:
        what came in between was lost behind a read position already moved.
        """
        resumed = set(tps)
        if any(self.app.topics.acks_enabled_for(tp.topic) for tp in resumed):
            self.stop_flow()
        super().resume_partitions(resumed)

    async def perform_seek(self) -> None:
        """Go to the committed offsets; what an older assignment had reached no longer counts."""
        async with self._positions:
            generation = self.app.consumer_generation_id
            self._ready = None
            self._seeks += 1
            self._checkpointed.clear()
            await super().perform_seek()
            # aiokafka leaves a partition without a commit where it is: beyond whatever was fetched and dropped.
            fresh = {
                tp: 0
                for tp in self.assignment()
                if self.app.topics.acks_enabled_for(tp.topic) and not self._committed_offset[tp]
            }
            if fresh:
                await super().seek_wait(fresh)  # type: ignore[safe-super]  # the driver stands behind
            if self.is_recovered is not None and not self.is_recovered(self.assignment()):
                return
            if self.verify is not None:
                await self.verify(self._committed_offset)
            self._ready = generation

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Go to where the recovery of a table starts."""
        async with self._positions:
            self._seeks += 1
            await super().seek_wait(partitions)  # type: ignore[safe-super]  # the driver stands behind

    # -- endings

    async def wait_empty(self) -> None:
        """
        Let the agents finish the batches in their hands, then checkpoint and commit.

        On revoke and on stop. Past `drain_timeout_s` the process ends: the partitions will have another owner, and
        what is dirty must never be written later.
        """
        try:
            await asyncio.wait_for(self._drain(), self.drain_timeout_s)
        except TimeoutError:
            fail_stop("drain.timeout", limit_s=self.drain_timeout_s, unfinished=len(self._unacked_messages))

    async def _drain(self) -> None:
        while self._unacked_messages:
            await asyncio.sleep(0.005)
            self._clean_unacked_messages()
        if self.checkpoint is not None:
            await self.checkpoint()
        await self.commit()


class Consumer(CheckpointConsumer, driver.Consumer):
    """A Faust consumer over aiokafka that delivers batches, commits checkpoints and knows its last heartbeat."""

    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Joining the group is as good as a heartbeat."""
        self._thread.last_heartbeat = now_s()
        await super().on_partitions_assigned(assigned, generation_id)

    @property
    def has_joined(self) -> bool:
        """Whether the group has ever taken us in."""
        return self._thread.last_heartbeat is not None

    def waiting(self) -> dict[TP, int | None]:
        """
        How many records wait in each assigned partition, changelogs left out; to be asked from any thread.

        Returns:
            Records not yet handed to an agent, as far as the last fetch showed; None where none has shown an end yet.
        """
        if not self.has_joined:
            return {}
        subscription = self._thread._ensure_consumer()._subscription.subscription  # noqa: SLF001  # aiokafka's public calls fail for a partition that goes meanwhile
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return {}
        found: dict[TP, int | None] = {}
        for place in assignment.tps:
            tp, state = TP(place.topic, place.partition), assignment.state_value(place)
            if self._is_changelog_tp(tp):
                continue
            # Where retention has moved the beginning past what was read last, the position knows and we do not.
            position = state.position if state.has_valid_position else 0
            done = max(self._read_offset.get(tp) or 0, position)
            found[tp] = None if state.highwater is None else max(0, state.highwater - done)
        return found

    def has_lag(self) -> bool:
        """True while some partition has records not yet handed to an agent, as far as the last fetch showed."""
        return any(self.waiting().values())

    def heartbeat_age_s(self) -> float:
        """Seconds since the group last heard from us; 0 before the first join."""
        last = self._thread.last_heartbeat
        return 0.0 if last is None else now_s() - last


class Producer(driver.Producer):
    """Faust's producer, which this app does not use: nothing may be sent around the outbox."""

    async def on_start(self) -> None:
        """Open no connection."""

    async def on_stop(self) -> None:
        """Nothing was opened."""

    async def flush(self) -> None:
        """Nothing to flush: durability is the checkpoint's business."""

    async def send(self, *_args: Any, **_kwargs: Any) -> Any:
        """
        Refuse.

        Raises:
            RuntimeError: Always; agents send through `streams.outbox.Outbox`.
        """
        raise RuntimeError("send through the outbox, not through Faust")

    def send_soon(self, fut: Any) -> None:  # noqa: ARG002  # Faust's signature
        """Refuse like `send`."""
        raise RuntimeError("send through the outbox, not through Faust")


class Transport(driver.Transport):
    """Registered with Faust as `plg://`."""

    Consumer = cast(Any, Consumer)
    Producer = cast(Any, Producer)
