"""The crash explorer: lives that end after any durable operation, and what the survivors come to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from faust.types import TP

from streams.tables import _FENCE
from tests.streams.counting import SOURCE, TOPICS, WORKSPACES, Build, Count, Worker, oracle
from tests.streams.memory import Broker
from tests.streams.virtual_time import run_virtually

# (Virtual) seconds that any life may take; a life of these tests takes about ten.
LIFETIME_S = 300.0
# How long events keep arriving while workers come and go, in (virtual) seconds.
ARRIVALS_S = 4.0
_SEAL_BYTES = 16


def history(events: int, seed: int = 0) -> list[tuple[str, int]]:
    """Events of a few users in random order, each with a bit of its own as its number."""
    rng = random.Random(seed)
    return [(rng.choice(sorted(WORKSPACES)), 1 << n) for n in range(events)]


def broker_with(events: list[tuple[str, int]]) -> Broker:
    """A broker whose source topic holds the events, spread over its partitions whatever their user."""
    broker = Broker()
    for position, event in enumerate(events):
        _feed(broker, position, event)
    return broker


def _feed(broker: Broker, position: int, event: tuple[str, int]) -> None:
    broker.seed(SOURCE, position % broker.partitions, msgspec.json.encode(event))


def live(
    broker: Broker, *, seed: int = 0, build: Build | None = None, dies_after: int | None = None, graceful: bool = False
) -> Broker:
    """
    Run one worker until all is done or it dies.

    Returns:
        What the next life finds.
    """
    run_virtually(_live(broker, seed, build, dies_after, graceful=graceful))
    return broker.survivor()


def stop_and_live_on(events: list[tuple[str, int]], *, stops_at: int, seed: int = 0) -> str | None:
    """Stop in good order at a durable operation, then live on to the end; the disagreement, if any."""
    broker = broker_with(events)
    run_virtually(_stop(broker, stops_at, seed))
    return disagreement(live(broker.survivor(), seed=seed + 1), events)


async def _stop(broker: Broker, stops_at: int, seed: int) -> None:
    worker = Worker(broker, seed)
    await worker.start()
    async with asyncio.timeout(LIFETIME_S):
        while broker.operations < stops_at and not all_applied(broker, [worker]):  # noqa: ASYNC110  # in virtual time it costs nothing
            await asyncio.sleep(0.001)
    await worker.stop()


async def _live(broker: Broker, seed: int, build: Build | None, dies_after: int | None, *, graceful: bool) -> None:
    broker.dies_after = dies_after
    worker = Worker(broker, seed, build)
    await worker.start()
    await settled_or_dead(broker, [worker])
    if graceful and not broker.died.is_set():
        await worker.stop()


async def settled_or_dead(broker: Broker, workers: list[Worker]) -> None:
    """Wait until every log is applied to its end and a checkpoint more is made, or until the process has died."""
    async with asyncio.timeout(LIFETIME_S):
        while not broker.died.is_set() and not all_applied(broker, workers):  # noqa: ASYNC110  # in virtual time it costs nothing
            await asyncio.sleep(0.05)
        last: asyncio.Future[Any] = asyncio.gather(*(worker.checkpoint.run() for worker in workers))
        death: asyncio.Future[Any] = asyncio.ensure_future(broker.died.wait())
        await asyncio.wait([last, death], return_when=asyncio.FIRST_COMPLETED)
        if last.done():
            last.result()


def all_applied(broker: Broker, workers: list[Worker]) -> bool:
    """True when no record of any input log waits for a step."""
    applied: dict[TP, int] = dict(broker.committed)
    for worker in workers:
        here = dict(worker.river.positions)
        for topic, table in ((TOPICS.user_events, worker.users), (TOPICS.workspace_facts, worker.workspaces)):
            here.update({TP(topic, p): shard.fence.end for p, shard in table.shards.items()})
        for tp, end in here.items():
            applied[tp] = max(applied.get(tp, 0), end)
    inputs = (SOURCE, TOPICS.user_events, TOPICS.workspace_facts)
    all_sent = all(worker.outbox.outstanding == 0 for worker in workers)
    return all_sent and all(applied.get(tp, 0) >= broker.end(tp) for tp in broker.logs if tp.topic in inputs)


def states(broker: Broker) -> dict[str, tuple[int, int]]:
    """What the changelogs hold: for each subject the value with the highest `at`."""
    newest: dict[str, Count] = {}
    for topic in (TOPICS.users_changelog, TOPICS.workspaces_changelog):
        for p in range(broker.partitions):
            for record in broker.logs.get(TP(topic, p), []):
                if record.key != _FENCE:
                    count = msgspec.msgpack.decode((record.value or b"")[_SEAL_BYTES:], type=Count)
                    key = (record.key or b"").decode()
                    if key not in newest or count.at >= newest[key].at:
                        newest[key] = count
    return {key: (count.n, count.total) for key, count in newest.items()}


def disagreement(broker: Broker, events: list[tuple[str, int]]) -> str | None:
    """How what came out differs from counting in one go; None if it does not. A signal may stand twice on its topic."""
    expected = oracle(events)
    seen = {(value or b"").decode() for value in broker.values(TOPICS.signals)}
    found = [
        f"lost {sorted(expected.signals - seen)}" if expected.signals - seen else "",
        f"extra {sorted(seen - expected.signals)}" if seen - expected.signals else "",
        f"states {states(broker)} for {expected.states}" if states(broker) != expected.states else "",
    ]
    return "; ".join(filter(None, found)) or None


def operations(events: list[tuple[str, int]], *, seed: int = 0, build: Build | None = None) -> int:
    """How many durable operations an undisturbed life makes."""
    broker = broker_with(events)
    run_virtually(_live(broker, seed, build, None, graceful=False))
    return broker.operations


def crash(events: list[tuple[str, int]], points: list[int], *, seed: int = 0, build: Build | None = None) -> str | None:
    """Die after each of `points` durable operations, a life each, then live on to the end; the disagreement, if any."""
    broker = broker_with(events)
    for life, point in enumerate(points):
        broker = live(broker, seed=seed + life, build=build, dies_after=point)
    return disagreement(live(broker, seed=seed + len(points), build=build), events)


def take_over(
    events: list[tuple[str, int]], *, joins_s: float, killed_s: float, seed: int = 0, build: Build | None = None
) -> str | None:
    """While events arrive a second worker joins and the first is killed, (virtual) seconds after the start."""
    broker = Broker()
    run_virtually(_take_over(broker, events, (joins_s, killed_s), seed, build))
    return disagreement(broker, events)


async def _take_over(
    broker: Broker, events: list[tuple[str, int]], when_s: tuple[float, float], seed: int, build: Build | None
) -> None:
    first, second = Worker(broker, seed, build), Worker(broker, seed + 1, build)
    await first.start()
    joins_s, killed_s = when_s
    await asyncio.gather(
        _arrive(broker, events, random.Random(seed)), _after(joins_s, second.start), _after(killed_s, first.kill)
    )
    await settled_or_dead(broker, [second])


async def _arrive(broker: Broker, events: list[tuple[str, int]], rng: random.Random) -> None:
    for position, event in enumerate(events):
        await asyncio.sleep(rng.random() * 2 * ARRIVALS_S / len(events))
        _feed(broker, position, event)


async def _after(delay_s: float, act: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(delay_s)
    await act()
