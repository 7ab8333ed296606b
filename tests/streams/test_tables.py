"""Tables of states: what recovery brings back, what a rebalance drops, what the next checkpoint writes again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import msgspec
import pytest
from faust.types import TP, EventT

from signals.shard import Coordinate, Fence, Shard
from streams import tables
from streams.tables import _FENCE
from tests.records import Record
from tests.streams.counting import TOPICS, Count, Worker
from tests.streams.memory import Broker
from tests.streams.virtual_time import run_virtually

CHANGELOG = TOPICS.users_changelog


def sealed(count: Count) -> bytes:
    shard: Shard[Count] = Shard(msgspec.msgpack.encode, msgspec.msgpack.Decoder(Count).decode)
    shard.touch("x", count, count.at)
    return shard.sealed("x")


def stored(broker: Broker, key: bytes, count: Count, partition: int = 0) -> None:
    broker.seed(CHANGELOG, partition, sealed(count), key)


def stored_fence(broker: Broker, fence: Fence, partition: int = 0) -> None:
    broker.seed(CHANGELOG, partition, msgspec.msgpack.encode(fence), _FENCE)


def recovered(broker: Broker, then: Callable[[Worker], Awaitable[None]] | None = None) -> Worker:
    """A worker that has recovered from the broker, no checkpoint of its own yet."""

    async def run() -> Worker:
        worker = Worker(broker, seed=0)
        await worker.start()
        worker.end_checkpoints()
        async with asyncio.timeout(60.0):
            while worker.users.recovered != {0, 1}:  # noqa: ASYNC110  # in virtual time it costs nothing
                await asyncio.sleep(0.1)
        if then is not None:
            await then(worker)
        return worker

    return run_virtually(run())


def writes(worker: Worker) -> dict[int, list[tuple[bytes, bytes]]]:
    return {partition: changes for partition, _end, changes in worker.users.take_changes()}


def test_recovery_brings_states_and_fence_back_to_their_partition() -> None:
    broker = Broker()
    fence = Fence({"product:0": Coordinate(8)}, tick=5, end=9)
    stored(broker, b"bob", Count(at=8, n=3, total=7))
    stored(broker, b"ann", Count(at=2, n=1, total=1), partition=1)
    stored_fence(broker, fence)

    users = recovered(broker).users

    assert {p: list(shard) for p, shard in users.shards.items()} == {0: ["bob"], 1: ["ann"]}
    assert users.shard(0).get("bob") == Count(at=8, n=3, total=7)
    assert users.shard(0).fence == fence
    assert users.shard(1).fence == Fence()


def test_a_recovered_state_stays_bytes_until_it_is_touched() -> None:
    broker = Broker()
    stored(broker, b"bob", Count(at=8, n=3))

    shard = recovered(broker).users.shard(0)

    assert isinstance(shard.states["bob"], bytes)
    assert shard.get("bob") == Count(at=8, n=3)
    assert isinstance(shard.states["bob"], Count)


def test_recovery_of_what_is_in_order_has_nothing_to_write() -> None:
    broker = Broker()
    for at in (3, 8):
        stored(broker, b"bob", Count(at=at))
        stored_fence(broker, Fence(end=at + 1))

    assert {p: changes for p, changes in writes(recovered(broker)).items() if changes} == {}


def test_a_state_that_a_stale_owner_wrote_over_is_kept_and_written_again() -> None:
    broker = Broker()
    stored(broker, b"bob", Count(at=8, n=3))
    stored_fence(broker, Fence(end=9))
    stored(broker, b"bob", Count(at=4, n=2))

    worker = recovered(broker)

    assert worker.users.shard(0).get("bob") == Count(at=8, n=3)
    assert (b"bob", sealed(Count(at=8, n=3))) in writes(worker)[0]


def test_a_fence_that_a_stale_owner_wrote_over_is_kept_and_written_again() -> None:
    broker = Broker()
    newer = Fence({"product:0": Coordinate(8)}, end=9)
    stored_fence(broker, newer)
    stored_fence(broker, Fence({"product:0": Coordinate(4)}, end=5))

    worker = recovered(broker)

    assert worker.users.shard(0).fence == newer
    assert writes(worker)[0] == [(_FENCE, msgspec.msgpack.encode(newer))]


def test_a_death_between_fence_and_commit_leaves_no_lag_on_a_quiet_partition() -> None:
    broker = Broker()
    log = TP(TOPICS.user_events, 0)
    broker.seed(log.topic, log.partition, b'["bob",1,0,0]')
    stored(broker, b"bob", Count(at=0, n=1, total=1))
    stored_fence(broker, Fence({"product:0": Coordinate(0)}, end=1))

    async def checkpoint(worker: Worker) -> None:
        await asyncio.sleep(5.0)
        await worker.checkpoint.run()

    recovered(broker, checkpoint)

    assert broker.committed.get(log) == 1


def test_the_states_of_a_partition_that_moved_away_are_dropped() -> None:
    broker = Broker()
    stored(broker, b"bob", Count(at=8, n=3))
    stored(broker, b"ann", Count(at=2, n=1), partition=1)
    stored_fence(broker, Fence(end=3), partition=1)

    async def share(worker: Worker) -> None:
        second = Worker(broker, seed=1)
        await second.start()
        await asyncio.sleep(10.0)
        assert list(second.users.shards) == [1]
        assert second.users.shard(1).get("ann") == Count(at=2, n=1)

    worker = recovered(broker, share)

    assert list(worker.users.shards) == [0]
    assert worker.users.recovered == {0}
    assert worker.users.shard(0).get("bob") == Count(at=8, n=3)


def test_a_partition_that_comes_back_is_read_anew() -> None:
    broker = Broker()
    stored(broker, b"ann", Count(at=2, n=1), partition=1)

    async def away_and_back(worker: Worker) -> None:
        second = Worker(broker, seed=1)
        await second.start()
        await asyncio.sleep(10.0)
        # What the other owner has written meanwhile.
        stored(broker, b"ann", Count(at=6, n=4), partition=1)
        await second.kill()
        await asyncio.sleep(10.0)

    worker = recovered(broker, away_and_back)

    assert worker.users.shard(1).get("ann") == Count(at=6, n=4)


@pytest.mark.parametrize("subject", ["user:ann", "\0fence", "\0", "\0\0x", "ü\ud800"])
def test_any_subject_is_stored_under_a_key_of_its_own(subject: str) -> None:
    key = tables._to_key(subject)

    assert key != _FENCE
    assert tables._to_subject(key) == subject


def test_a_checkpoint_takes_states_and_then_the_fence_and_only_once() -> None:
    async def count(worker: Worker) -> None:
        shard = worker.users.shard(0)
        shard.touch("bob", Count(n=1), 4)
        shard.fence.end = 5

    worker = recovered(Broker(), count)

    assert [key for key, _value in writes(worker)[0]] == [b"bob", _FENCE]
    assert not writes(worker).get(0)


def test_a_changelog_that_cannot_be_read_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(BaseException):
        """Stands in for the end of the process."""

    reasons: list[str] = []

    def end(event: str, **_fields: object) -> NoReturn:
        reasons.append(event)
        raise Ended

    async def read(worker: Worker) -> None:
        record = Record(CHANGELOG, 0, 0, 0, 0, b"bob", b"no state")
        with pytest.raises(Ended):
            worker.users.apply_changelog_batch([cast(EventT[Any], SimpleNamespace(value=[record]))])

    monkeypatch.setattr(tables, "fail_stop", end)
    recovered(Broker(), read)

    assert reasons == ["changelog.unreadable"]
