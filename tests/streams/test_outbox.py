"""The outbox: what is durable is known exactly, nothing fails quietly."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from confluent_kafka import KafkaError

from streams import outbox as outbox_module
from streams.outbox import MAX_MESSAGE_BYTES, Outbox
from tests.streams.memory import Broker
from tests.streams.memory_outbox import MemoryOutbox
from tests.streams.virtual_time import run_virtually


class Ended(BaseException):
    """Stands in for the end of the process."""


@pytest.fixture
def endings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons for which the process would have ended."""
    reasons: list[str] = []

    def end(event: str, **_fields: object) -> NoReturn:
        reasons.append(event)
        raise Ended

    monkeypatch.setattr(outbox_module, "fail_stop", end)
    return reasons


class ByHand:
    """A producer whose acknowledgements the test gives."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any, Any], None]] = []
        self.refuses = False

    def produce(
        self, _topic: str, _value: Any, _key: Any, _partition: int, on_delivery: Any, headers: Any = ()
    ) -> None:
        if self.refuses:
            raise BufferError("Local: Queue full")
        self.callbacks.append(on_delivery)

    def acknowledge(self, error: KafkaError | None = None) -> None:
        self.callbacks.pop(0)(error, self)

    def topic(self) -> str:
        return "facts"

    def partition(self) -> int:
        return 0


def outbox_over(producer: ByHand) -> Outbox:
    outbox = MemoryOutbox(Broker(), random.Random(0))
    outbox.producer = producer  # type: ignore[assignment]  # the part of it that the outbox uses
    outbox.start()
    return outbox


async def _is_done(waiting: asyncio.Future[None]) -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return waiting.done()


def test_a_barrier_is_durable_with_the_last_send_before_it_and_not_one_earlier() -> None:
    async def steps() -> tuple[bool, bool, int]:
        producer = ByHand()
        outbox = outbox_over(producer)
        outbox.send("facts", 0, None, b"1")
        outbox.send("facts", 0, None, b"2")
        waiting = asyncio.ensure_future(outbox.durable(outbox.barrier()))
        outbox.send("facts", 0, None, b"3")
        producer.acknowledge()
        one_short = await _is_done(waiting)
        producer.acknowledge()
        return one_short, await _is_done(waiting), outbox.outstanding

    assert run_virtually(steps()) == (False, True, 1)


def test_a_younger_barrier_waits_for_the_sends_before_an_older_one() -> None:
    async def steps() -> tuple[bool, bool]:
        producer = ByHand()
        outbox = outbox_over(producer)
        outbox.send("facts", 0, None, b"1")
        outbox.barrier()
        younger = asyncio.ensure_future(outbox.durable(outbox.barrier()))
        before = await _is_done(younger)
        producer.acknowledge()
        return before, await _is_done(younger)

    assert run_virtually(steps()) == (False, True)


def test_two_waits_for_barriers_of_their_own_both_end() -> None:
    async def steps() -> tuple[bool, bool]:
        producer = ByHand()
        outbox = outbox_over(producer)
        outbox.send("facts", 0, None, b"1")
        first = asyncio.ensure_future(outbox.durable(outbox.barrier()))
        outbox.send("facts", 0, None, b"2")
        second = asyncio.ensure_future(outbox.durable(outbox.barrier()))
        await _is_done(second)
        producer.acknowledge()
        producer.acknowledge()
        return await _is_done(first), await _is_done(second)

    assert run_virtually(steps()) == (True, True)


def test_a_barrier_with_nothing_before_it_is_durable_at_once() -> None:
    async def steps() -> None:
        outbox = outbox_over(ByHand())
        await asyncio.wait_for(outbox.durable(outbox.barrier()), timeout=0.001)

    run_virtually(steps())


def test_room_waits_above_the_limit_and_not_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_OUTSTANDING", 2)

    async def steps() -> tuple[bool, bool, bool]:
        producer = ByHand()
        outbox = outbox_over(producer)
        outbox.send("facts", 0, None, b"1")
        outbox.send("facts", 0, None, b"2")
        at_the_limit = await _is_done(asyncio.ensure_future(outbox.room()))
        outbox.send("facts", 0, None, b"3")
        above = asyncio.ensure_future(outbox.room())
        await asyncio.sleep(0.1)
        waits = not above.done()
        producer.acknowledge()
        await asyncio.sleep(0.1)
        return at_the_limit, waits, above.done()

    assert run_virtually(steps()) == (True, True, True)


def test_the_oldest_send_without_an_answer_is_dated_from_when_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 110.0, 130.0])
    monkeypatch.setattr(outbox_module, "now_s", lambda: next(clock))

    async def steps() -> tuple[float, float]:
        producer = ByHand()
        outbox = outbox_over(producer)
        outbox.send("facts", 0, None, b"1")
        waited = outbox.oldest_unacked_s()
        producer.acknowledge()
        return waited, outbox.oldest_unacked_s()

    assert run_virtually(steps()) == (20.0, 0.0)


def test_a_failed_delivery_ends_the_process(endings: list[str]) -> None:
    async def steps() -> None:
        producer = ByHand()
        outbox_over(producer).send("facts", 0, None, b"1")
        with pytest.raises(Ended):
            producer.acknowledge(KafkaError(KafkaError._MSG_TIMED_OUT))

    run_virtually(steps())

    assert endings == ["send.failed"]


def test_a_refused_send_ends_the_process(endings: list[str]) -> None:
    async def steps() -> None:
        producer = ByHand()
        producer.refuses = True
        with pytest.raises(Ended):
            outbox_over(producer).send("facts", 0, None, b"1")

    run_virtually(steps())

    assert endings == ["send.refused"]


def test_a_record_above_the_limit_ends_the_process_before_it_is_sent(endings: list[str]) -> None:
    limit = MAX_MESSAGE_BYTES - outbox_module._HEADROOM_BYTES

    async def steps() -> int:
        producer = ByHand()
        outbox = outbox_over(producer)
        outbox.send("facts", 0, None, b"x" * limit)
        with pytest.raises(Ended):
            outbox.send("facts", 0, None, b"x" * (limit + 1))
        return len(producer.callbacks)

    assert run_virtually(steps()) == 1
    assert endings == ["send.too_large"]


@pytest.mark.parametrize(("size", "waits"), [(5, False), (6, True)])
def test_room_waits_above_the_limit_of_bytes_and_not_at_it(
    monkeypatch: pytest.MonkeyPatch, size: int, waits: bool
) -> None:
    monkeypatch.setattr(outbox_module, "MAX_OUTSTANDING_BYTES", 10)

    async def steps() -> tuple[bool, bool]:
        producer = ByHand()
        outbox = outbox_over(producer)
        for _ in range(2):
            outbox.send("facts", 0, None, b"1" * size)
        waiting = asyncio.ensure_future(outbox.room())
        has_waited = not await _is_done(waiting)
        producer.acknowledge()
        await asyncio.sleep(1)
        return has_waited, waiting.done()

    assert run_virtually(steps()) == (waits, True)
