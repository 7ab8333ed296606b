"""Checkpoints: whenever a worker dies, stops or hands over, every signal comes out and every state is exact."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn

import pytest
from faust.types import TP

from streams import checkpoint as checkpoint_module
from streams.checkpoint import Checkpoint
from tests.streams.counting import Build
from tests.streams.crashes import (
    broker_with,
    crash,
    disagreement,
    history,
    live,
    operations,
    stop_and_live_on,
    take_over,
)
from tests.streams.memory import Broker
from tests.streams.memory_outbox import MemoryOutbox
from tests.streams.virtual_time import run_virtually

HISTORY = history(24)
# So that two test processes share the work; each crash point is in exactly one part.
PARTS = 4
PAIRS = 120
TAKEOVERS = 48


def test_an_undisturbed_life_agrees_with_the_oracle() -> None:
    broker = live(broker_with(HISTORY), graceful=True)

    assert disagreement(broker, HISTORY) is None


@pytest.mark.parametrize("part", range(PARTS))
def test_death_after_any_single_durable_operation_changes_nothing(part: int) -> None:
    points = range(1 + part, operations(HISTORY) + 1, PARTS)

    found = {point: crash(HISTORY, [point]) for point in points}

    assert {point: seen for point, seen in found.items() if seen} == {}


@pytest.mark.parametrize("part", range(2))
def test_death_after_any_two_durable_operations_changes_nothing(part: int) -> None:
    rng = random.Random(part)
    last = operations(HISTORY)
    runs = [(seed, [rng.randint(1, last), rng.randint(1, last // 2)]) for seed in range(part, PAIRS, 2)]

    found = {(seed, *points): crash(HISTORY, points, seed=seed) for seed, points in runs}

    assert {run: seen for run, seen in found.items() if seen} == {}


@pytest.mark.parametrize("part", range(2))
def test_a_worker_that_joins_and_one_that_is_killed_change_nothing(part: int) -> None:
    rng = random.Random(part)
    runs = [(seed, rng.random() * 3.0, 0.5 + rng.random() * 4.5) for seed in range(part, TAKEOVERS, 2)]

    found = {
        (seed, joins_s, killed_s): take_over(
            HISTORY, joins_s=joins_s, killed_s=killed_s, seed=seed, build=Build(stream_buffer=1 + seed % 4)
        )
        for seed, joins_s, killed_s in runs
    }

    assert {run: seen for run, seen in found.items() if seen} == {}


def test_a_stop_in_good_order_in_the_middle_of_a_checkpoint_changes_nothing() -> None:
    runs = [(stops_at, seed) for stops_at in range(1, 75, 6) for seed in (0, 1)]

    found = {run: stop_and_live_on(HISTORY, stops_at=run[0], seed=run[1]) for run in runs}

    assert {run: seen for run, seen in found.items() if seen} == {}


# -- the order within one checkpoint


class OneState:
    """A table in which one state has changed."""

    changelog_topic_name = "states"

    def take_changes(self) -> list[tuple[int, int, list[tuple[bytes, bytes]]]]:
        return [(0, 5, [(b"ann", b"state"), (b"fence", b"5")])]


class Ended(BaseException):
    """The process ended here: no handler of errors sees it."""


def run_one(**options: Any) -> list[str]:
    """What one checkpoint did, in the order in which it became durable."""

    async def steps() -> list[str]:
        broker = Broker()
        outbox = MemoryOutbox(broker, random.Random(0))
        outbox.start()
        done: list[str] = []

        async def commit(offsets: Mapping[TP, int]) -> None:
            done.extend(f"{tp.topic}:{len(log)}" for tp, log in sorted(broker.logs.items()))
            done.extend(f"commit {tp.topic} {offset}" for tp, offset in sorted(offsets.items()))

        at_barrier = partial(outbox.send, "snapshots", 0, b"w", b"1")
        checkpoint = Checkpoint(
            sender=outbox,
            tables={"events": OneState()},
            positions=lambda: {TP("source", 0): 7},
            commit=commit,
            at_barrier=at_barrier,
            **options,
        )
        outbox.send("facts", 0, b"w", b"fact")
        try:
            await checkpoint.run()
        except Ended:
            await asyncio.sleep(1.0)
            done.extend(f"{tp.topic}:{len(log)}" for tp, log in sorted(broker.logs.items()))
        return done

    return run_virtually(steps())


def test_outputs_and_states_are_durable_before_the_offsets_are_committed() -> None:
    assert run_one() == ["facts:1", "snapshots:1", "states:2", "commit events 5", "commit source 7"]


def test_a_worker_that_is_no_longer_the_owner_when_its_outputs_are_durable_writes_no_state() -> None:
    def gone() -> None:
        raise Ended

    assert run_one(still_owner=gone) == ["facts:1", "snapshots:1"]


def test_nothing_is_written_once_a_step_has_failed() -> None:
    assert run_one(is_ending=lambda: True) == []


def moments_of_checkpoints(
    busy: float, *, idle_from: float = 99.0, until: float = 8.25, works_until: float = 99.0
) -> list[float]:
    """When checkpoints were committed by a worker that is at work for a part of the time."""

    async def steps() -> list[float]:
        loop, done = asyncio.get_running_loop(), list[float]()
        outbox, began = MemoryOutbox(Broker(), random.Random(0)), loop.time()
        outbox.start()

        async def commit(_offsets: Mapping[TP, int]) -> None:
            done.append(round(loop.time() - began, 1))

        checkpoint = Checkpoint(sender=outbox, tables={}, positions=dict, commit=commit)
        now = lambda: loop.time() - began  # noqa: E731
        work = lambda: busy * min(now(), works_until)  # noqa: E731
        running = asyncio.ensure_future(checkpoint.run_every(1.0, lambda: now() >= idle_from, work))
        await asyncio.sleep(until)
        running.cancel()
        return done

    return run_virtually(steps())


def test_a_worker_with_time_to_spare_checkpoints_at_each_interval() -> None:
    assert moments_of_checkpoints(0.5) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_worker_that_is_busy_all_the_time_checkpoints_at_every_eighth() -> None:
    assert moments_of_checkpoints(0.7, until=16.5) == [8, 16]


def test_a_worker_that_has_caught_up_checkpoints_at_once() -> None:
    # The fifth of a second from 2.4 on is the first in which it is at work for no more than a half.
    assert moments_of_checkpoints(1.0, works_until=2.5, until=3.25) == [2.6]


def test_a_worker_that_is_idle_does_not_checkpoint() -> None:
    assert moments_of_checkpoints(0.5, idle_from=2.5) == [1, 2]


def test_checkpoints_run_one_at_a_time() -> None:
    async def steps() -> list[str]:
        outbox = MemoryOutbox(Broker(), random.Random(0))
        outbox.start()
        done: list[str] = []

        async def commit(_offsets: Mapping[TP, int]) -> None:
            done.append("begins")
            await asyncio.sleep(1.0)
            done.append("ends")

        checkpoint = Checkpoint(sender=outbox, tables={}, positions=dict, commit=commit)
        await asyncio.gather(checkpoint.run(), checkpoint.run())
        return done

    assert run_virtually(steps()) == ["begins", "ends", "begins", "ends"]


def test_a_checkpoint_that_fails_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons: list[str] = []

    async def steps() -> None:
        async def commit(_offsets: Mapping[TP, int]) -> None:
            raise RuntimeError("the broker refuses the commit")

        outbox = MemoryOutbox(Broker(), random.Random(0))
        outbox.start()
        checkpoint = Checkpoint(sender=outbox, tables={}, positions=dict, commit=commit)
        with pytest.raises(InterruptedError):
            await checkpoint.run_every(0.5, lambda: False)

    def end(event: str, **_fields: object) -> NoReturn:
        reasons.append(event)
        raise InterruptedError

    monkeypatch.setattr(checkpoint_module, "fail_stop", end)
    run_virtually(steps())

    assert reasons == ["checkpoint.failed"]
