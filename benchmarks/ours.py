"""
The reference job through the product: steps 2 and 3 of the river, the real ones, with one rule switched on.

Real are transport, agents, states, rules, policy, tables, outbox, snapshots and checkpoint. The topic is keyed by user
already, so step 1, ingest, is not there; the user step reads the product's records themselves. That reading
(`_KeyedRiver`) and what follows from it (`_KeyedTopics`) is all that is not the product's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from confluent_kafka import Message
from faust.types import TP

from benchmarks.job import COMMIT_S, PARTITIONS, Job, Stopwatch, read_job, write_result
from benchmarks.reference import WINDOW_DAYS, Answer
from signals.codec import decode_user_state, decode_workspace_state, encode_state, position_in_log
from signals.compiled import Engine
from signals.config import Clock, Config, OwnTopics
from signals.contract import Signal
from signals.domains import Domains
from signals.event import Source
from signals.thresholds import Signals
from streams.agents import River
from streams.app import Owner, faust_app
from streams.checkpoint import Checkpoint
from streams.keyed import Record
from streams.letters import own_time
from streams.metrics import Metrics
from streams.outbox import Outbox
from streams.settings import Settings
from streams.snapshots import Snapshots
from streams.tables import StateTable
from streams.topics import Topics
from streams.transport import Consumer
from streams.worker import spare_collections

_RULE = "multi_user"
# `at` and `due`, 8 bytes each, stand before every stored state (signals/shard.py).
_SEAL_BYTES = 16
_POLL_S = 0.005


def config_of(prefix: str) -> Config:
    """The product's defaults, with one rule, and with the clock of the events, so that old ones raise alerts too."""
    others = {name: {"enabled": False} for name in Signals.model_fields if name != _RULE}
    return Config(
        prefix=prefix,
        clock=Clock.EVENTS,
        topics=OwnTopics(partitions=PARTITIONS),
        signals=Signals.model_validate(others),
    )


def read_answer(prefix: str, read: Callable[[str], Iterable[Message]]) -> Answer:
    """What a restart would recover from the changelogs, and the signals that have been said."""
    topics, answer = Topics(prefix, PARTITIONS), Answer()
    for key, value in _states(read(topics.users_changelog)):
        user = decode_user_state(value)
        days = (membership.newest_day or 0 for membership in user.workspaces.values())
        answer.users[key.removeprefix("user:")] = (user.order, max(days, default=0))
    for key, value in _states(read(topics.workspaces_changelog)):
        workspace = decode_workspace_state(value)
        answer.active[key] = workspace.rings[WINDOW_DAYS].count(workspace.newest_day or 0)
    for message in read(topics.signals):
        signal = Signal.model_validate_json(message.value())
        if signal.signal == _RULE and signal.workspace_id is not None:
            answer.teams.add(signal.workspace_id)
    return answer


def _states(messages: Iterable[Message]) -> Iterator[tuple[str, bytes]]:
    last = {message.key(): message.value() for message in messages}
    # A fence begins with NUL; it is nobody's state.
    return ((key.decode(), value[_SEAL_BYTES:]) for key, value in last.items() if not key.startswith(b"\0"))


class _KeyedTopics(Topics):
    """The river's topics, with the product's own topic as the log of the user step."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.prefix, PARTITIONS)
        self.user_events = job.topic


class _KeyedRiver(River):
    """The river whose user step reads the product's records themselves: decoded as ingest does, each its own source."""

    watch: Stopwatch | None = None

    def _users_slice(self, bundles: Sequence[Record]) -> None:
        self.watch = self.watch or Stopwatch.start()
        decode, step = self._decoder.decode, self._user_step
        events = [
            decode(record.value, own_time(record), Source(record.topic, record.partition, record.offset))
            for record in bundles
        ]
        engine, fence = self.engine_of(""), step.table.shard(bundles[-1].partition).fence
        self.metrics.facts += self._apply(
            step, engine, bundles[-1], events, [position_in_log(record.offset) for record in bundles]
        )
        fence.end = bundles[-1].offset + 1
        self._send_off()
        self.metrics.user_records += len(events)


def _has_finished(metrics: Metrics, events: int) -> bool:
    """Whether every event has gone through step 2, and every fact that came of it through step 3."""
    return metrics.user_records >= events and metrics.workspace_records >= metrics.facts


async def _run(job: Job) -> None:
    for name in ("faust", "aiokafka", "mode"):
        logging.getLogger(name).setLevel(logging.ERROR)
    config, settings = config_of(job.prefix), Settings(kafka=job.kafka, checkpoint_s=COMMIT_S)
    topics, metrics = _KeyedTopics(job), Metrics()
    app, outbox = faust_app(config, settings), Outbox(settings.kafka_options)
    owner = Owner(app, settings)
    users, workspaces = (
        cast(
            StateTable[Any],
            app.Table(name, partitions=PARTITIONS, encode=encode_state, decode=decode, recovery_buffer_size=2),
        )
        for name, decode in (("users", decode_user_state), ("workspaces", decode_workspace_state))
    )
    engine = Engine(config, Domains(config.domains))
    river = _KeyedRiver(
        config=config,
        engine_of=lambda _: engine,
        topics=topics,
        sender=outbox,
        users=users,
        workspaces=workspaces,
        still_owner=owner.check,
        metrics=metrics,
    )
    no_positions: dict[TP, int] = {}
    checkpoint = Checkpoint(
        sender=outbox,
        tables={topics.user_events: users, topics.workspace_facts: workspaces},
        positions=lambda: no_positions,
        commit=owner.commit,
        at_barrier=Snapshots(workspaces, outbox, topics, lambda _: engine).send_due,
        still_owner=owner.check,
        metrics=metrics,
    )
    app.agent(app.topic(topics.user_events, internal=False), name="users")(river.users)
    app.agent(app.topic(topics.workspace_facts, internal=False), name="workspaces")(river.workspaces)
    outbox.start()
    app.in_worker = True
    app.finalize()
    consumer = cast(Consumer, app.consumer)
    consumer.checkpoint = checkpoint.run
    consumer.gapless = frozenset({topics.workspace_facts})
    await app.start()
    spare_collections()
    every = asyncio.get_running_loop().create_task(
        checkpoint.run_every(settings.checkpoint_s, lambda: bool(app.rebalancing or app.in_recovery))
    )
    while not _has_finished(metrics, job.events):  # noqa: ASYNC110  # the agents are the product's: they tell nobody
        await asyncio.sleep(_POLL_S)
    # Everything durable and committed, as after the plain loop's last flush. `every` is not cancelled first: a
    # checkpoint cut off after it took the changes would never write them.
    await checkpoint.run()
    assert not every.done()
    assert river.watch is not None
    write_result(job, river.watch.result(job.events))
    # What a graceful stop would take is not measured.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_run(read_job(sys.argv[1])))
