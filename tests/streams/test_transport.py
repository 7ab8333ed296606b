"""The consumer: batches from the position asked for, commits no further than the checkpoint, endings with a limit."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import pytest
from faust.types import TP, StreamT

from streams import transport
from streams.endings import EXIT_FAILED
from tests.records import Record
from tests.streams.counting import SOURCE, make_app
from tests.streams.memory import Broker, MemoryConsumer
from tests.streams.virtual_time import run_virtually

FIRST, SECOND = TP(SOURCE, 0), TP(SOURCE, 1)


class Reader:
    """An app whose one agent notes what it gets; with `gate` cleared it keeps the batch in its hands."""

    def __init__(self, broker: Broker, **options: Any) -> None:
        self.app = make_app(broker, random.Random(0), MemoryConsumer, **options)
        self.seen: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.app.agent(self.app.topic(SOURCE, internal=False), name="reader")(self._read)

    @property
    def consumer(self) -> Any:
        return self.app.consumer

    async def _read(self, stream: StreamT[list[Record]]) -> None:
        async for event in stream.events():
            records: Any = event.value
            self.seen.extend((record.partition, record.offset) for record in records)
            await self.gate.wait()

    async def start(self) -> None:
        self.app.in_worker = True
        self.app.finalize()
        await self.app.start()
        # Faust takes a second to start; in virtual time it costs nothing.
        await asyncio.sleep(5.0)

    def offsets(self, tp: TP = FIRST) -> list[int]:
        return [offset for partition, offset in self.seen if partition == tp.partition]


def broker_of(records: int, *tps: TP) -> Broker:
    broker = Broker()
    for tp in tps:
        for number in range(records):
            broker.seed(tp.topic, tp.partition, b"%d" % number)
    return broker


def with_reader(broker: Broker, steps: Callable[[Reader], Awaitable[None]], **options: Any) -> Reader:
    async def run() -> Reader:
        reader = Reader(broker, **options)
        await steps(reader)
        return reader

    return run_virtually(run())


# -- read positions


@pytest.mark.parametrize("committed", [0, 1, 5, 9])
def test_reading_begins_with_the_committed_offset_itself(committed: int) -> None:
    broker = broker_of(10, FIRST)
    broker.committed[FIRST] = committed

    reader = with_reader(broker, Reader.start)

    assert reader.offsets() == list(range(committed, 10))


def test_a_seek_delivers_the_record_it_seeks_to() -> None:
    async def steps(reader: Reader) -> None:
        await reader.start()
        reader.seen.clear()
        await reader.consumer.seek(FIRST, 7)
        reader.consumer.broker.seed(SOURCE, 0, b"10")
        await asyncio.sleep(5.0)

    reader = with_reader(broker_of(10, FIRST), steps)

    assert reader.offsets() == [7, 8, 9, 10]


def test_a_rebalance_goes_back_to_the_committed_offset() -> None:
    async def steps(reader: Reader) -> None:
        await reader.start()
        reader.consumer.make_committable({FIRST: 4})
        await reader.consumer.commit()
        reader.seen.clear()
        await reader.consumer.broker.group.join(reader.consumer)
        await asyncio.sleep(5.0)

    reader = with_reader(broker_of(10, FIRST), steps)

    assert reader.offsets() == [4, 5, 6, 7, 8, 9]


def test_what_was_fetched_and_dropped_before_the_first_commit_is_fetched_again() -> None:
    async def steps(reader: Reader) -> None:
        await reader.start()
        reader.seen.clear()
        reader.consumer.fetch_positions[FIRST] = 7
        await reader.consumer.perform_seek()
        await asyncio.sleep(5.0)

    reader = with_reader(broker_of(10, FIRST), steps)

    assert reader.offsets() == list(range(10))


def test_nothing_flows_between_the_end_of_a_recovery_and_the_resumed_flow() -> None:
    seen_before: list[int] = []

    async def steps(reader: Reader) -> None:
        await reader.start()
        reader.seen.clear()
        reader.consumer.resume_partitions({FIRST})
        reader.consumer.broker.seed(SOURCE, 0, b"10")
        await asyncio.sleep(5.0)
        await reader.consumer.perform_seek()
        await asyncio.sleep(5.0)
        seen_before.extend(reader.offsets())
        # Here Faust empties the agents' queues.
        reader.consumer.resume_flow()
        await asyncio.sleep(5.0)

    reader = with_reader(broker_of(10, FIRST), steps)

    assert seen_before == []
    assert reader.offsets() == list(range(11))


def test_no_record_comes_before_the_tables_of_its_partitions_are_recovered() -> None:
    seen_before: list[int] = []

    async def steps(reader: Reader) -> None:
        reader.consumer.is_recovered = lambda _assigned: False
        await reader.start()
        seen_before.extend(reader.offsets())
        reader.consumer.is_recovered = lambda _assigned: True
        await reader.consumer.perform_seek()
        await asyncio.sleep(5.0)

    reader = with_reader(broker_of(3, FIRST), steps)

    assert seen_before == []
    assert reader.offsets() == [0, 1, 2]


def test_a_gap_in_a_log_of_our_own_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons: list[str] = []

    def end(reason: str, **_fields: object) -> NoReturn:
        reasons.append(reason)
        raise asyncio.CancelledError

    async def steps(reader: Reader) -> None:
        await reader.start()
        reader.consumer.gapless = frozenset({SOURCE})
        monkeypatch.setattr(transport, "fail_stop", end)
        ahead = Record(SOURCE, 0, 12, 1_700_000_000_000, 0, b"", b"12")
        with pytest.raises(asyncio.CancelledError):
            await reader.consumer._deliver(FIRST, [ahead], reader.app.consumer_generation_id)

    reader = with_reader(broker_of(10, FIRST), steps)

    assert reasons == ["records.skipped"]
    assert 12 not in reader.offsets()


@pytest.mark.parametrize("waiting", [1, 2])
def test_a_rebalance_during_a_delivery_drops_the_rest_of_the_fetch(waiting: int) -> None:
    async def steps(reader: Reader) -> None:
        reader.gate.clear()
        await reader.start()
        in_hand = len(reader.seen)
        reader.app.loop.call_later(0.1, reader.gate.set)
        await reader.consumer.broker.group.join(reader.consumer)
        await asyncio.sleep(5.0)
        del reader.seen[:in_hand]

    # A short queue before a busy agent: the deliveries behind it wait when the group rebalances.
    reader = with_reader(broker_of(30, FIRST, SECOND), steps, stream_buffer_maxsize=waiting)

    # Nothing was checkpointed: both partitions are read again from their beginning, in order, nothing twice.
    assert reader.offsets(FIRST) == list(range(30))
    assert reader.offsets(SECOND) == list(range(30))


def test_a_seek_during_a_delivery_drops_the_rest_of_the_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = MemoryConsumer._deliver
    sought: list[TP] = []

    async def deliver_and_seek(consumer: MemoryConsumer, tp: TP, fetched: Any, generation: int) -> None:
        await deliver(consumer, tp, fetched, generation)
        if tp == FIRST and fetched[-1].offset >= 10 and not sought:
            sought.append(tp)
            await consumer.perform_seek()

    monkeypatch.setattr(MemoryConsumer, "_deliver", deliver_and_seek)
    reader = with_reader(broker_of(30, FIRST, SECOND), Reader.start)

    # What was delivered before the seek stands in front; then both are read from the committed offset, none left out.
    assert sought == [FIRST]
    for tp in (FIRST, SECOND):
        assert len(reader.offsets(tp)) > 30
        assert reader.offsets(tp)[-30:] == list(range(30))


def test_records_fetched_before_a_rebalance_are_not_delivered_after_it() -> None:
    async def steps(reader: Reader) -> None:
        consumer = reader.consumer

        async def rebalance_meanwhile() -> None:
            # The consumer's thread has taken the records; the main thread gets them when all is over.
            if consumer.fetch_positions[FIRST] >= 10:
                consumer.after_fetch = None
                reader.seen.clear()
                await consumer.broker.group.join(consumer)
                await asyncio.sleep(5.0)

        consumer.after_fetch = rebalance_meanwhile
        await reader.start()
        await asyncio.sleep(10.0)

    reader = with_reader(broker_of(30, FIRST), steps)

    assert reader.offsets() == list(range(30))


# -- commits


def test_what_agents_are_done_with_is_not_committed_before_a_checkpoint_covers_it() -> None:
    async def steps(reader: Reader) -> None:
        await reader.start()
        await reader.consumer.commit()
        await reader.consumer.force_commit()
        await reader.consumer.on_task_error(RuntimeError("a task of Faust failed"))
        await reader.app.stop()

    broker = broker_of(10, FIRST)
    reader = with_reader(broker, steps)

    assert reader.offsets() == list(range(10))
    assert broker.committed == {}


def test_a_commit_covers_what_the_checkpoint_noted_and_only_partitions_that_are_here() -> None:
    elsewhere = TP(SOURCE, 7)

    async def steps(reader: Reader) -> None:
        await reader.start()
        reader.consumer.make_committable({FIRST: 4, elsewhere: 9})
        await reader.consumer.commit()

    broker = broker_of(10, FIRST)
    with_reader(broker, steps)

    assert broker.committed == {FIRST: 4}


def test_a_commit_never_goes_back() -> None:
    async def steps(reader: Reader) -> None:
        await reader.start()
        for offset in (4, 3, 4):
            reader.consumer.make_committable({FIRST: offset})
            await reader.consumer.commit()

    broker = broker_of(10, FIRST)
    with_reader(broker, steps)

    assert broker.committed == {FIRST: 4}
    assert broker.regressions == []
    assert broker.operations == 1


def test_what_was_committable_before_a_seek_is_so_no_longer() -> None:
    async def steps(reader: Reader) -> None:
        await reader.start()
        reader.consumer.make_committable({FIRST: 8})
        await reader.consumer.perform_seek()
        await reader.consumer.commit()

    broker = broker_of(10, FIRST)
    with_reader(broker, steps)

    assert broker.committed == {}


def test_the_book_of_acks_does_not_grow() -> None:
    async def steps(reader: Reader) -> None:
        await reader.start()
        await reader.consumer.commit()

    reader = with_reader(broker_of(100, FIRST), steps)

    assert not reader.consumer._acked
    assert not reader.consumer._acked_index


def test_a_stop_brings_a_checkpoint_about_and_commits_it() -> None:
    async def steps(reader: Reader) -> None:
        async def checkpoint() -> None:
            reader.consumer.make_committable({FIRST: len(reader.seen)})

        reader.consumer.checkpoint = checkpoint
        await reader.start()
        await reader.app.stop()

    broker = broker_of(10, FIRST)
    with_reader(broker, steps)

    assert broker.committed == {FIRST: 10}


# -- endings


class _Ended(BaseException):
    """Stands in for the end of the process."""


@pytest.mark.parametrize("needed_s", [14.9, 15.1])
def test_a_drain_may_take_its_limit_and_no_longer(monkeypatch: pytest.MonkeyPatch, needed_s: float) -> None:
    reasons: list[str] = []

    def end(event: str, **_fields: object) -> NoReturn:
        reasons.append(event)
        raise _Ended

    async def steps(reader: Reader) -> None:
        reader.gate.clear()
        await reader.start()
        reader.app.loop.call_later(needed_s, reader.gate.set)
        reader.consumer.stop_flow()
        reader.app.flow_control.suspend()
        reader.app.flow_control.clear()
        try:
            await reader.consumer.wait_empty()
        except _Ended:
            return

    monkeypatch.setattr(transport, "fail_stop", end)
    with_reader(broker_of(3, FIRST), steps)

    assert reasons == (["drain.timeout"] if needed_s > 15.0 else [])


def test_a_worker_that_must_not_go_on_exits_with_70() -> None:
    code = "from streams.endings import fail_stop; fail_stop('test.ended')"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert ended.returncode == EXIT_FAILED == 70
    assert b"test.ended" in ended.stdout + ended.stderr


async def _takes_two(first: asyncio.Future[int], said: list[object]) -> None:
    try:
        said.append(await first)
        said.append(await asyncio.sleep(0, "slept"))
    except asyncio.CancelledError:
        said.append("cancelled")
        raise


@pytest.mark.parametrize("is_early", [True, False])
def test_a_coroutine_stepped_by_hand_goes_on_where_it_waits(is_early: bool) -> None:
    async def run() -> list[object]:
        first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        said: list[object] = []
        begun = _takes_two(first, said)
        rest = transport._RestOf(begun, begun.send(None))
        if is_early:
            first.set_result(7)
        going_on = asyncio.ensure_future(rest)
        await asyncio.sleep(0)
        if not is_early:
            first.set_result(7)
        await going_on
        return said

    assert asyncio.run(run()) == [7, "slept"]


def test_a_coroutine_stepped_by_hand_can_be_cancelled_where_it_waits() -> None:
    async def run() -> list[object]:
        said: list[object] = []
        begun = _takes_two(asyncio.get_running_loop().create_future(), said)
        going_on = asyncio.ensure_future(transport._RestOf(begun, begun.send(None)))
        await asyncio.sleep(0)
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        return said

    assert asyncio.run(run()) == ["cancelled"]
