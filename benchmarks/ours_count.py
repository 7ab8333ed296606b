"""The counting job through our runtime: real transport, state table, outbox and checkpoint around one small agent."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import cast

import faust
import msgspec
from faust.types import TP

from benchmarks.job import COMMIT_S, PARTITIONS, Click, Count, Job, Stopwatch, read_job, write_result
from signals.config import Config, OwnTopics
from signals.sources import SourceTopics
from streams.agents import SLICE
from streams.app import Owner, faust_app  # the app must have the river's own settings
from streams.checkpoint import Checkpoint
from streams.keyed import Record
from streams.outbox import Outbox
from streams.settings import Settings
from streams.tables import StateTable
from streams.transport import Consumer


class CountState(msgspec.Struct, array_like=True):
    """A user's count as a state: `at` and `due` as every state has them (signals/shard.py)."""

    at: int = -1
    due: int | None = None
    count: Count = msgspec.field(default_factory=Count)


def _encode(state: CountState) -> bytes:
    return msgspec.msgpack.encode(state.count)


def _decode(stored: bytes) -> CountState:
    return CountState(count=msgspec.msgpack.decode(stored, type=Count))


class _Counter:
    """The agent and what it needs: the counterpart of `streams.agents.River`."""

    def __init__(self, job: Job, counts: StateTable[CountState], outbox: Outbox, owner: Owner) -> None:
        self._job = job
        self._counts = counts
        self._outbox = outbox
        self._owner = owner
        self._decode = msgspec.json.Decoder(Click).decode
        self.done = 0
        self.watch: Stopwatch | None = None
        self.finished = asyncio.Event()

    async def count(self, stream: faust.StreamT[list[Record]]) -> None:
        """Count, slice by slice, as the river's agents do."""
        async for event in stream.events():
            self.watch = self.watch or Stopwatch.start()
            records = event.value
            for start in range(0, len(records), SLICE):
                self._owner.check()
                self._count_slice(records[start : start + SLICE])
                await self._outbox.room()
            if self.done >= self._job.events:
                self.finished.set()

    def _count_slice(self, records: Sequence[Record]) -> None:
        shard, decode = self._counts.shard(records[0].partition), self._decode
        for record in records:
            click = decode(record.value or b"")
            state = shard.get(click.userId)
            if state is None:
                state = CountState()
            elif record.offset <= state.at:
                continue
            state.count.add(click.day)
            shard.touch(click.userId, state, record.offset)
        shard.fence.end = records[-1].offset + 1
        self.done += len(records)


async def _run(job: Job) -> None:
    for name in ("faust", "aiokafka", "mode"):
        logging.getLogger(name).setLevel(logging.ERROR)
    config = Config(
        prefix=job.prefix, source=SourceTopics(topics=(job.topic,)), topics=OwnTopics(partitions=PARTITIONS)
    )
    settings = Settings(kafka=job.kafka, checkpoint_s=COMMIT_S)
    outbox = Outbox(settings.kafka_options)
    app = faust_app(config, settings)
    counts = cast(
        StateTable[CountState],
        app.Table("counts", partitions=PARTITIONS, encode=_encode, decode=_decode, recovery_buffer_size=2),
    )
    owner = Owner(app, settings)
    counter = _Counter(job, counts, outbox, owner)
    no_positions: dict[TP, int] = {}
    checkpoint = Checkpoint(
        sender=outbox,
        tables={job.topic: counts},
        positions=lambda: no_positions,
        commit=owner.commit,
        still_owner=owner.check,
    )
    app.agent(app.topic(job.topic, internal=False), name="count")(counter.count)
    outbox.start()
    app.in_worker = True
    app.finalize()
    cast(Consumer, app.consumer).checkpoint = checkpoint.run
    await app.start()
    every = asyncio.get_running_loop().create_task(
        checkpoint.run_every(settings.checkpoint_s, lambda: bool(app.rebalancing or app.in_recovery))
    )
    await counter.finished.wait()
    # Everything durable and committed, as after the plain loop's last flush. `every` is not cancelled first: a
    # checkpoint cut off after it took the changes would never write them.
    await checkpoint.run()
    assert not every.done()
    assert counter.watch is not None
    write_result(job, counter.watch.result(counter.done))
    # What a graceful stop would take is not measured.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_run(read_job(sys.argv[1])))
