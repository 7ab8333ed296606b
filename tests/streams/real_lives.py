"""What the explorer does to the river of production: it dies, is taken over, or is frozen at a durable operation."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from faust.types import TP

from signals.codec import (
    decode_fact_records,
    decode_user_records,
    decode_user_state,
    decode_workspace_state,
    encode_state,
    position_in_log,
)
from signals.compiled import Engine
from signals.engine import step_user, step_workspace
from signals.event import Tick
from signals.facts import Fact, FactKind
from signals.shard import Fence, Shard
from tests.streams.life import Life, processes
from tests.streams.memory import Broker
from tests.streams.real_river import ENGINES, PARTITIONS, TOPICS, Outside, Worker, findings, is_settled, repeated
from tests.streams.virtual_time import run_virtually

# (Virtual) seconds that a run may take; an undisturbed one takes four.
LIFETIME_S = 300.0
# The group misses a member after so long (virtual, too).
SESSION_S = 2.0
# A frozen worker is thawed so long after its partitions have gone, at most: among what its successor does there.
THAWED_WITHIN_S = 1.5
# What a stale owner says before it ends itself, and within how many (virtual) seconds: a few checkpoints.
STALE, STALE_S = "owner.stale", 0.5


@dataclass(frozen=True)
class Outcome:
    """What one run came to: what the oracle found, if anything, and the alerts as they stand on their topic."""

    run: str
    wrong: str | None
    alerts: tuple[tuple[int, int, bytes], ...]
    repeated: int


def timers_fired() -> Counter[str]:
    """
    What time makes happen in an undisturbed life.

    Returns:
        How many facts of users' timers and signals of workspaces' timers, by `users` or `workspaces` and by what moved
        the clock: `tick` or `event`.
    """
    broker = _live(Broker(PARTITIONS), 0)
    found = Counter[str]()
    users, workspaces = Shard(encode_state, decode_user_state), Shard(encode_state, decode_workspace_state)
    # One shard for both partitions: no two subjects have anything to do with each other, but for the fences.
    for partition in range(PARTITIONS):
        users.fence, workspaces.fence = Fence(), Fence()
        for record in broker.logs.get(TP(TOPICS.user_events, partition), ()):
            for position, event in enumerate(decode_user_records(record.value or b""), position_in_log(record.offset)):
                engine = _engine_at(users.fence, event)
                facts = step_user(users, event, position, partition, engine).facts
                mover = "tick" if isinstance(event, Tick) else "event"
                found[f"users, {mover}"] += sum(isinstance(f, Fact) and f.kind is FactKind.FIRED for f in facts)
        for record in broker.logs.get(TP(TOPICS.workspace_facts, partition), ()):
            for position, fact in enumerate(decode_fact_records(record.value or b""), position_in_log(record.offset)):
                engine = _engine_at(workspaces.fence, fact)
                signals = step_workspace(workspaces, fact, position, partition, engine).signals
                mover = "tick" if isinstance(fact, Tick) else "event"
                found[f"workspaces, {mover}"] += sum(one.signal in engine.workspace_timers for one in signals)
    return found


def _engine_at(fence: Fence, record: object) -> Engine:
    return ENGINES.of(fence.config_at(record) if isinstance(record, Tick) else fence.config)


def operations(seed: int = 0) -> int:
    """How many durable operations an undisturbed life makes."""
    return _live(Broker(PARTITIONS), seed).operations


def dies_after(points: tuple[int, ...], seed: int = 0) -> Outcome:
    """Die after each of `points` durable operations, a life each, then live on to the end."""
    broker = Broker(PARTITIONS)
    for life, point in enumerate(points):
        broker = _live(broker, seed + life, dies_after=point).survivor()
    return _outcome(f"dies after {points}, seed {seed}", _live(broker, seed + len(points)))


def dies_again(first: int, seed: int = 0) -> Iterator[tuple[int, Outcome]]:
    """Die after operation `first`, and then after each operation of the second life, one run each."""
    broker = _live(Broker(PARTITIONS), seed, dies_after=first).survivor()
    # A life that is not ended makes so many operations; a death beyond them would be none.
    for second in range(1, _live(broker.survivor(), seed + 1).operations + 1):
        after = _live(broker.survivor(), seed + 1, dies_after=second).survivor()
        yield second, _outcome(f"dies after {first, second}, seed {seed}", _live(after, seed + 2))


def is_taken_over_after(point: int, seed: int = 0) -> Outcome:
    """Of two workers one is killed after a durable operation; the other takes its partitions over."""

    async def kill(victim: Life) -> None:
        victim.die()
        await asyncio.sleep(SESSION_S)
        await victim.kill()

    return _disturb("killed", kill, point, seed)


def is_frozen_after(point: int, seed: int = 0) -> Outcome:
    """Of two workers one is frozen after a durable operation, and thawed when the other has its partitions."""
    thawed_s = SESSION_S + random.Random(seed * 1_000 + point).random() * THAWED_WITHIN_S

    async def freeze(victim: Life) -> None:
        victim.freeze()
        await asyncio.sleep(SESSION_S)
        await victim.consumer.broker.group.leave(victim.consumer)
        await asyncio.sleep(thawed_s - SESSION_S)
        victim.thaw()
        await asyncio.sleep(STALE_S)
        if victim.ended != STALE:
            victim.ended = "went on as a stale owner"

    return _disturb("frozen", freeze, point, seed)


def _live(broker: Broker, seed: int, *, dies_after: int | None = None) -> Broker:
    broker.dies_after = dies_after

    async def live() -> None:
        outside = Outside(broker, seed)
        worker = Worker(broker, seed, stream_buffer=1 + seed % 8)
        await worker.start()
        happening = asyncio.ensure_future(outside.happen())
        async with asyncio.timeout(LIFETIME_S):
            while not (broker.died.is_set() or worker.is_dead or (outside.is_done and is_settled(broker))):  # noqa: ASYNC110  # in virtual time it costs nothing
                await asyncio.sleep(0.05)
            # What its recovery has to heal is written by the first checkpoint after it.
            while not (broker.died.is_set() or worker.is_dead or worker.has_healed):  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.05)
        happening.cancel()
        if worker.ended is not None and not broker.died.is_set():
            raise AssertionError(f"a worker ended itself: {worker.ended}")

    with processes():
        run_virtually(live())
    return broker


def _disturb(what: str, act: Callable[[Life], object], point: int, seed: int) -> Outcome:
    broker = Broker(PARTITIONS)

    async def live() -> str | None:
        outside = Outside(broker, seed)
        workers = [Worker(broker, seed + number, stream_buffer=1 + seed % 8) for number in range(2)]
        reached = asyncio.Event()
        broker.on_operation = lambda number: reached.set() if number == point else None
        for worker in workers:
            await worker.start()
        victim, heir = workers if (point + seed) % 2 else reversed(workers)
        happening = asyncio.ensure_future(outside.happen())
        # Not a task: the worker must not do anything more before it is disturbed.
        broker.on_operation = _at(point, lambda: disturbing.append(asyncio.ensure_future(act(victim))))  # type: ignore[arg-type]
        disturbing: list[asyncio.Future[None]] = []
        async with asyncio.timeout(LIFETIME_S):
            while not (outside.is_done and is_settled(broker) and all(done.done() for done in disturbing)):  # noqa: ASYNC110  # in virtual time it costs nothing
                await asyncio.sleep(0.05)
        happening.cancel()
        for done in disturbing:
            done.result()
        return heir.ended or (victim.ended if victim.ended != STALE else None)

    with processes():
        ended = run_virtually(live())
    # Everybody is restarted: what a stale owner wrote too late is healed by this recovery at the latest.
    after = _live(broker.survivor(), seed + 2)
    outcome = _outcome(f"{what} after {point}, seed {seed}", after)
    return outcome if ended is None else Outcome(outcome.run, f"ended itself: {ended}", outcome.alerts, 0)


def _at(point: int, act: Callable[[], object]) -> Callable[[int], None]:
    def told(number: int) -> None:
        if number == point:
            act()

    return told


def _outcome(run: str, broker: Broker) -> Outcome:
    found = findings(broker)
    wrong = None if found.is_clean else found.text()
    if broker.regressions:
        wrong = f"{wrong or ''} commits went back: {broker.regressions}"
    alerts = tuple(
        (record.partition, record.offset, record.value or b"")
        for tp, log in sorted(broker.logs.items())
        if tp.topic == TOPICS.alerts
        for record in log
    )
    return Outcome(run, wrong, alerts, repeated(broker))
