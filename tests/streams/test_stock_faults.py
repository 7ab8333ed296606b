"""
Each fault of stock Faust, put back alone, makes the crash explorer disagree; without any it agrees (see
test_checkpoint.py).

The places in Faust 0.15.3 are named beside each fault. What stock Faust does by itself stands at the end.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from faust.transport.consumer import Consumer as StockBaseConsumer
from faust.transport.producer import ProducerBuffer
from faust.types import TP, AppT, FutureMessage, StreamT

from signals.shard import Coordinate, Fence
from streams import agents
from streams.checkpoint import Checkpoint
from streams.outbox import Epoch
from tests.records import Record
from tests.streams.counting import TOPICS, Build, Count, River, make_app
from tests.streams.crashes import LIFETIME_S, broker_with, crash, disagreement, history, live, operations
from tests.streams.memory import Broker, MemoryConsumer, StockConsumer
from tests.streams.memory_outbox import MemoryOutbox
from tests.streams.virtual_time import run_virtually

HISTORY = history(24)
NUMBERS = TP("numbers", 0)


def found(build: Build, share: float = 1.0) -> str | None:
    """The first disagreement over the single crash points, or a share of them; None if there is none."""
    points = list(range(1, operations(HISTORY, build=build) + 1))
    # Neighbouring points are alike: in any other order the first disagreement is found sooner.
    random.Random(0).shuffle(points)
    del points[int(share * len(points)) :]
    return next((seen for point in points if (seen := crash(HISTORY, [point], build=build))), None)


class CommitsWhatIsAcked(MemoryConsumer):
    """Commits follow Faust's acks, not the checkpoint: transport/consumer.py `_new_offset` and `force_commit`."""

    force_commit = StockBaseConsumer.force_commit


class SlowOutbox(MemoryOutbox):
    """Acknowledgements that take up to half a second: no fault, only what brings one to light."""

    def __init__(self, broker: Broker, rng: random.Random) -> None:
        super().__init__(broker, rng, latency_s=0.5)


class GivesUp(SlowOutbox):
    """Waits 100 ms for acknowledgements, then goes on: transport/producer.py `ProducerBuffer.flush_atmost`."""

    async def durable(self, barrier: Epoch) -> None:
        """Wait as long as Faust's flush does."""
        try:
            await asyncio.wait_for(super().durable(barrier), 0.1)
        except TimeoutError:
            return


class StateFirst(Checkpoint):
    """The changelog is written as states change, before outputs are durable: tables/base.py `_send_changelog`."""

    async def run(self) -> None:
        """Write states, then wait for the outputs."""
        async with self._one_at_a_time:
            writes, offsets = self._take()
            barrier = self._sender.barrier()
            await self._write(writes)
            await self._sender.durable(barrier)
            await self._commit(offsets)


class EncodesLate(Checkpoint):
    """States are encoded when they are written, not at the barrier, as a table that is flushed on commit would."""

    async def run(self) -> None:
        """Wait for the outputs, then take the states."""
        async with self._one_at_a_time:
            await self._sender.durable(self._sender.barrier())
            writes, offsets = self._take()
            await self._write(writes)
            await self._commit(offsets)


class NoOrigins(River):
    """A step that believes that the step before it never repeats itself, as every stock agent does."""

    def admits(self, fence: Fence, origin: str, place: Coordinate) -> bool:
        """Take everything."""
        fence.admit(origin, place)
        return True


class NoAt(River):
    """A state that does not know what it holds, as every stock table's: replays are counted again."""

    def has_applied(self, state: Count, offset: int) -> bool:
        """Know nothing."""
        return False


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Build(consumer=CommitsWhatIsAcked), id="commits-follow-acks"),
        pytest.param(Build(outbox=GivesUp), id="flush-gives-up-after-100-ms"),
        pytest.param(Build(checkpoint=StateFirst), id="state-before-outputs"),
        pytest.param(Build(checkpoint=EncodesLate), id="encoding-after-the-wait"),
        pytest.param(Build(river=NoOrigins), id="no-origin-vector"),
        pytest.param(Build(river=NoAt), id="no-at"),
    ],
)
def test_a_stock_fault_put_back_is_found(fault: Build) -> None:
    assert found(fault) is not None


def test_slow_acknowledgements_alone_are_no_fault() -> None:
    assert found(Build(outbox=SlowOutbox), share=0.25) is None


class _Ended(BaseException):
    """Stands in for the end of the process, which no `except Exception` may survive."""


def _raising_once() -> type[River]:
    """A step with a passing fault: it raises at its first user record and never again."""
    failures = [RuntimeError("a bug in the engine")]

    class RaisesOnce(River):
        def _count_user(self, record: Record) -> None:
            if failures:
                raise failures.pop()
            super()._count_user(record)

    return RaisesOnce


def test_a_step_that_raises_into_faust_loses_its_record() -> None:
    """Agents/agent.py `_execute_actor` and streams.py `_py_aiter`: the `finally` around `yield` acknowledges it."""
    broker = live(broker_with(HISTORY), build=Build(river=_raising_once()))

    assert "lost" in (disagreement(broker, HISTORY) or "")


def test_a_step_that_raises_ends_the_worker_before_any_commit_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raises_once = _raising_once()

    class EndsAtOnce(raises_once):  # type: ignore[misc, valid-type]
        async def _each(self, stream: StreamT[list[Record]], apply: Callable[[Record], None]) -> None:
            async for event in stream.events():
                await agents.River._in_one_go(self, lambda records: [apply(r) for r in records], event.value)  # type: ignore[arg-type, func-returns-value]

        def _still_owner(self) -> None:
            """Nobody else is here."""

    broker = broker_with(HISTORY)

    def end(_event: str, **_fields: object) -> None:
        broker.died.set()
        raise _Ended

    monkeypatch.setattr(agents, "fail_stop", end)
    after = live(broker, build=Build(river=EndsAtOnce))

    assert broker.died.is_set()
    assert after.committed.get(TP(TOPICS.user_events, 0), 0) == 0
    assert after.committed.get(TP(TOPICS.user_events, 1), 0) == 0
    assert disagreement(live(after, build=Build(river=EndsAtOnce)), HISTORY) is None


# -- stock Faust by itself: its own consumer, streams and acks, nothing of ours


async def _on_stock_faust(broker: Broker, agent: Callable[[StreamT[Any]], Awaitable[None]], concurrency: int) -> None:
    app = make_app(
        broker,
        random.Random(0),
        StockConsumer,
        Table=faust.Table,
        Schema=faust.Schema,
        broker_commit_interval=0.05,
        broker_commit_every=10,
    )
    topic = app.topic("numbers", value_type=bytes, value_serializer="raw", internal=False)
    app.agent(topic, name="agent", concurrency=concurrency)(agent)
    app.in_worker = True
    app.finalize()
    await app.start()
    async with asyncio.timeout(LIFETIME_S):
        while broker.committed.get(NUMBERS, 0) < broker.end(NUMBERS):  # noqa: ASYNC110  # in virtual time it costs nothing
            await asyncio.sleep(0.1)


def _numbers() -> Broker:
    broker = Broker()
    for number in range(30):
        broker.seed(NUMBERS.topic, NUMBERS.partition, b"%d" % number)
    return broker


def test_stock_faust_commits_past_an_event_still_in_work() -> None:
    """transport/consumer.py:1140, `min(acked) - committed_offset > 1`: one missing record at the head is no gap."""
    broker = _numbers()
    in_work = []

    async def agent(stream: StreamT[bytes]) -> None:
        async for value in stream:
            if value == b"10":
                in_work.append(value)
                await asyncio.Event().wait()
            await asyncio.sleep(0.02)

    run_virtually(_on_stock_faust(broker, agent, concurrency=2))

    assert in_work == [b"10"]
    assert broker.committed[NUMBERS] == 30


def test_stock_faust_commits_a_record_whose_agent_raised() -> None:
    """streams.py `_py_aiter`: the acknowledgement stands in a `finally` around the agent's body."""
    broker = _numbers()
    done = []

    async def agent(stream: StreamT[bytes]) -> None:
        async for value in stream:
            if value == b"3":
                raise RuntimeError("a bug in the agent")
            done.append(value)

    run_virtually(_on_stock_faust(broker, agent, concurrency=1))

    assert b"3" not in done
    assert len(done) == 29
    assert broker.committed[NUMBERS] == 30


def test_stock_faust_gives_up_a_flush_after_100_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    """transport/producer.py:90, `wait_for(self.message_sent.wait(), timeout=0.1)`, then `return`."""

    async def flush() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        buffer = ProducerBuffer()
        buffer.app = cast(AppT, SimpleNamespace(conf=SimpleNamespace(producer_threaded=False)))
        await buffer.maybe_start()
        # A broker that does not answer.
        monkeypatch.setattr(buffer, "_send_pending", lambda _message: asyncio.Event().wait())
        # One is handed to the broker, one waits behind it.
        for _ in range(2):
            buffer.put(cast(FutureMessage, loop.create_future()))
        started = loop.time()
        await buffer.flush()
        return buffer.size, loop.time() - started

    unsent, took_s = run_virtually(flush())

    assert took_s == pytest.approx(0.1, abs=0.01)
    assert unsent == 1
