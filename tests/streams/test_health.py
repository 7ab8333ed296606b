"""The watchdog's questions: a worker that moves nothing while there is work is ended, one that recovers is not."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException

from signals.shard import Fence
from streams.metrics import Metrics
from streams.settings import Settings
from streams.worker import _Health, _tick

LIMIT_S = Settings().progress_timeout_s


class Worker:
    """The parts that the watchdog looks at, and a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.has_lag = False
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.parts: Any = SimpleNamespace(
            metrics=Metrics(),
            users=SimpleNamespace(restored=0),
            workspaces=SimpleNamespace(restored=0),
            outbox=SimpleNamespace(oldest_unacked_s=lambda: 0.0),
            consumer=SimpleNamespace(has_lag=lambda: self.has_lag),
            idle=False,
        )
        # A loop that turns whenever it is asked to.
        loop: Any = SimpleNamespace(call_soon_threadsafe=lambda turn: turn())
        self.health = _Health(self.parts, Settings(), loop)

    def after(self, seconds: float) -> str | None:
        self.now += seconds
        self.health.complaint()
        return self.health.complaint()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(monkeypatch)


def test_lag_that_nothing_moves_is_complained_about_only_past_the_limit(worker: Worker) -> None:
    worker.has_lag = True

    assert worker.after(LIMIT_S) is None
    assert worker.after(1.0) == "there is lag or a recovery, and nothing moves"


def test_a_long_recovery_that_moves_is_no_reason_to_end(worker: Worker) -> None:
    worker.parts.idle = True

    for _ in range(5):
        worker.parts.users.restored += 1_000
        assert worker.after(LIMIT_S - 1.0) is None


def test_a_recovery_that_stands_still_is_complained_about(worker: Worker) -> None:
    worker.parts.idle = True

    assert worker.after(LIMIT_S + 1.0) == "there is lag or a recovery, and nothing moves"


def test_a_worker_with_nothing_to_do_is_left_alone(worker: Worker) -> None:
    assert [worker.after(LIMIT_S) for _ in range(3)] == [None, None, None]


def test_a_send_unacknowledged_for_too_long_is_complained_about(worker: Worker) -> None:
    worker.parts.outbox.oldest_unacked_s = lambda: Settings().send_timeout_s + 0.1

    assert worker.after(1.0) == "a send is not acknowledged"


def test_a_broker_that_is_away_for_a_while_does_not_end_the_ticks() -> None:
    class Ticks:
        def __init__(self) -> None:
            self.steps = 0
            self.third = asyncio.Event()
            self.loop = asyncio.get_running_loop()

        def is_news(self, _config: str) -> bool:
            return False

        def step(self, _now_ms: int, _config: str, *, is_first: bool) -> None:
            assert is_first
            self.steps += 1
            if self.steps == 1:
                raise KafkaException("no answer")
            if self.steps == 3:
                self.loop.call_soon_threadsafe(self.third.set)

    async def run() -> bool:
        parts: Any = SimpleNamespace(
            idle=False, users=SimpleNamespace(recovered={0}, shard=lambda _: SimpleNamespace(fence=Fence()))
        )
        ticks: Any = Ticks()
        configs: Any = SimpleNamespace(newest="0123456789ab")
        ticking = asyncio.create_task(_tick(parts, ticks, Settings(tick_s=0.001), configs))
        third = asyncio.create_task(ticks.third.wait())
        await asyncio.wait({ticking, third}, return_when=asyncio.FIRST_COMPLETED)
        ticking.cancel()
        third.cancel()
        return bool(ticks.third.is_set())

    assert asyncio.run(run())
