"""
The river of production over a broker in memory: real agents, steps, tables, checkpoint and transport subclass.

Two companies' stories, in which time itself makes much happen, flow through it while it lives, with bad records among
them, an order of a person, and ticks as their producer would send them; the oracle says what must have come of it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from faust.types import TP

from signals.codec import encode_record
from signals.config import Config
from signals.engines import Engines
from signals.event import Tick
from signals.moments import parse_time
from signals.units import DAY_MS
from streams.app import assemble
from streams.settings import Settings
from streams.ticks import Watermark
from streams.topics import Topics, partition_of
from tests.findings import Findings
from tests.folding import timeless
from tests.oracle import Oracle
from tests.records import Record
from tests.streams.counting import make_app
from tests.streams.life import Life
from tests.streams.memory import Broker, MemoryConsumer
from tests.streams.memory_outbox import MemoryOutbox

PARTITIONS = 2
SOURCE = "product"
CONFIG = Config.model_validate(
    {
        "prefix": "real",
        "clock": "events",
        "source": {"topics": [SOURCE]},
        "topics": {"partitions": PARTITIONS},
        "events": {"activated": ["Report Shared"], "core": ["Dashboard Viewed"]},
        # So that a short story has champions.
        "signals": {"power_user": {"active_days": 3, "core_names": 1}},
    }
)
# What an edit makes of it: who qualifies already, timers that end earlier, an alert that goes elsewhere.
EDITED = Config.model_validate(
    {
        **CONFIG.model_dump(mode="json"),
        "signals": {
            "power_user": {"active_days": 2, "core_names": 1},
            "multi_user": {"active_users": 2, "rearm_at": 1},
            "activation_stalled": {"after": "6h"},
            "went_silent": {"after": "10d"},
            "trial_ending": {"enabled": False},
            "champion_left": {"after": "3d"},
        },
        "routes": [{"name": "edited", "sinks": ["redis"]}],
    }
)
ENGINES = Engines(CONFIG, find={EDITED.hash: EDITED, CONFIG.hash: CONFIG}.get)
TOPICS = Topics(CONFIG.prefix, PARTITIONS)
INPUTS = (*TOPICS.ingested([SOURCE]), TOPICS.user_events, TOPICS.workspace_facts)
_JOURNEYS = Path(__file__).parent.parent / "signals" / "golden" / "journeys"
# So that timers of users (a sign-up that stalls, a champion who stays away) and of workspaces (silence) fire both by
# ticks and by events that come after their due times.
_TIMERS = (
    ("2026-03-02T08:00:00Z", "ivy", "acme", "Signed Up", {}),
    ("2026-03-02T15:00:00Z", "ann", "acme", "Subscription Started", {"plan": "team"}),
    ("2026-03-04T09:00:00Z", "cid", "acme", "Dashboard Viewed", {}),
    ("2026-03-25T10:00:00Z", "kim", "wm-analytics", "Dashboard Viewed", {}),
)
# The longest pause between two records of the product, in (virtual) seconds.
PAUSE_S = 0.2
# How often the ticker looks, in (virtual) seconds.
LOOK_S = 0.1


class Worker(Life):
    """One worker process, put together as in production."""

    def __init__(self, broker: Broker, seed: int, *, stream_buffer: int = 8) -> None:
        rng = random.Random(seed)
        app = make_app(broker, rng, MemoryConsumer, CONFIG.prefix, stream_buffer_maxsize=stream_buffer)
        outbox = MemoryOutbox(broker, rng)
        super().__init__(app, outbox)
        self._settings = Settings(session_timeout_s=2.0)
        self.parts = assemble(CONFIG, self._settings, [SOURCE], app, outbox, ENGINES.of)
        self.checkpoint = self.parts.checkpoint
        # How many checkpoints had been made when its states were seen to be back.
        self._recovered_at: int | None = None

    def prepare(self) -> None:
        """As in production."""
        self.parts.prepare(self._settings)

    @property
    def has_healed(self) -> bool:
        """Whether its states are back and two checkpoints made: the first may have begun before that."""
        if self.is_idle() or not self.parts.users.recovered:
            return False
        if self._recovered_at is None:
            self._recovered_at = self.parts.metrics.checkpoints
        return self.parts.metrics.checkpoints >= self._recovered_at + 2


@dataclass(frozen=True)
class Step:
    """One thing that happens outside: a record of the product or an order, or time that has passed for everybody."""

    topic: str = SOURCE
    partition: int = 0
    value: bytes = b""
    tick: int | None = None
    # The hash that a tick names.
    config: str = ""


@cache
def story() -> tuple[Step, ...]:
    """What happens outside, in its order; the same every time."""
    lines = [
        json.loads(line)
        for name in ("large-company", "monday-and-tuesday")
        for line in (_JOURNEYS / f"{name}.jsonl").read_bytes().splitlines()
    ]
    lines += [
        {
            "type": "track",
            "messageId": f"timer-{number}",
            "event": name,
            "userId": user,
            "context": {"groupId": workspace},
            "properties": properties,
            "timestamp": at,
        }
        for number, (at, user, workspace, name, properties) in enumerate(_TIMERS)
    ]
    lines.sort(key=lambda event: str(event["timestamp"]))
    steps = [_record(event) for event in lines]
    half, newest = _time(lines[len(lines) // 2]), _time(lines[-1])
    quarter, last = len(steps) // 4, 3 * len(steps) // 4
    mute = b'{"v":1,"command":"mute","signal":"seat_limit","issued_at":"2026-03-03T00:00:00Z"}'
    return (
        *steps[:quarter],
        # A config that need not wait for its tick: the time is that of the last one, and here there was none.
        Step(tick=0, config=EDITED.hash),
        *steps[quarter : len(steps) // 2],
        Step(value=b"hello"),
        # To be heard of in every partition.
        Step(TOPICS.commands, 0, mute),
        Step(tick=half, config=CONFIG.hash),
        *steps[len(steps) // 2 : last],
        Step(tick=_time(lines[last - 1]), config=EDITED.hash),
        *steps[last:],
        Step(partition=1, value=b'{"type":"track"}'),
        # Whatever waits for an activation has waited long enough.
        Step(tick=newest + 40 * DAY_MS),
    )


def _record(event: dict[str, object]) -> Step:
    return Step(SOURCE, partition_of(str(event.get("userId", "")), PARTITIONS), json.dumps(event).encode())


def _time(event: dict[str, object]) -> int:
    time = parse_time(event["timestamp"], CONFIG.zone)
    assert time is not None
    return time


class Outside:
    """
    The product, the people and the ticker: they outlive every worker, and go on where the logs say that they are.

    A tick enters a log as streams/ticks.py lets it, and the next record comes after it.
    """

    def __init__(self, broker: Broker, seed: int) -> None:
        self._broker = broker
        self._rng = random.Random(seed)
        self.is_done = False

    async def happen(self) -> None:
        """Let the story happen."""
        for step in self._left():
            if step.tick is None:
                await asyncio.sleep(self._rng.random() * PAUSE_S)
                self._broker.seed(step.topic, step.partition, step.value)
            else:
                await self._pass_time(step.tick, step.config)
        self.is_done = True

    def _left(self) -> Iterator[Step]:
        happened = sum(self._broker.end(TP(topic, p)) for topic in (SOURCE, TOPICS.commands) for p in range(PARTITIONS))
        for step in story():
            if step.tick is not None:
                yield step
                continue
            if happened == 0:
                yield step
            happened = max(0, happened - 1)

    async def _pass_time(self, time: int, config: str) -> None:
        tick = encode_record(Tick(time, config))
        watermark = Watermark()
        watermark.note(time, self._ends(*TOPICS.ingested([SOURCE])))
        if not self._has(TOPICS.user_events, tick):
            while watermark.for_users(self._committed()) is None:  # noqa: ASYNC110  # in virtual time it costs nothing
                await asyncio.sleep(LOOK_S)
            self._append(TOPICS.user_events, tick)
        watermark.sent_to_users(time, self._ends(TOPICS.user_events))
        if not self._has(TOPICS.workspace_facts, tick):
            while watermark.for_workspaces(self._committed()) is None:  # noqa: ASYNC110  # in virtual time it costs nothing
                await asyncio.sleep(LOOK_S)
            self._append(TOPICS.workspace_facts, tick)

    def _append(self, topic: str, tick: bytes) -> None:
        for partition in range(PARTITIONS):
            self._broker.seed(topic, partition, tick)

    def _has(self, topic: str, tick: bytes) -> bool:
        return tick in self._broker.values(topic)

    def _ends(self, *topics: str) -> dict[tuple[str, int], int]:
        return {(tp.topic, tp.partition): len(log) for tp, log in self._broker.logs.items() if tp.topic in topics}

    def _committed(self) -> dict[tuple[str, int], int]:
        return {(tp.topic, tp.partition): offset for tp, offset in self._broker.committed.items()}


def is_settled(broker: Broker) -> bool:
    """Whether every record of every input log is committed."""
    return all(broker.committed.get(tp, 0) == len(log) for tp, log in broker.logs.items() if tp.topic in INPUTS and log)


def findings(broker: Broker) -> Findings:
    """What the oracle finds in the logs."""

    def read(topic: str) -> list[Record]:
        return [record for tp, log in sorted(broker.logs.items()) if tp.topic == topic for record in log]

    found = Findings()
    oracle = Oracle(CONFIG, read, [SOURCE], ENGINES)
    oracle.judge(found)
    oracle.judge_commits({(tp.topic, tp.partition): offset for tp, offset in broker.committed.items()}, found)
    return found


def repeated(broker: Broker) -> int:
    """How many signals, verdicts and alerts stand more than once on their topics, which is no fault."""
    return sum(
        sum(count - 1 for count in Counter(map(_identity, broker.values(topic))).values())
        for topic in (TOPICS.signals, TOPICS.verdicts, TOPICS.alerts)
    )


def _identity(value: bytes | None) -> bytes:
    return timeless(value or b"")
