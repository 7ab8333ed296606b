"""The life of one worker process over a broker in memory: started, stopped, killed, frozen, thawed, ended by itself."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from unittest import mock

import faust

from streams.checkpoint import Checkpoint
from tests.streams.memory import LIFE
from tests.streams.memory_outbox import MemoryOutbox

# Short beside the latencies of the broker, so that records keep arriving between the steps of a checkpoint.
CHECKPOINT_S = 0.03


class ProcessEnded(BaseException):
    """Stands in for the end of the process, which no `except Exception` may survive."""


class Life:
    """
    One worker process; make it inside the running loop.

    Args:
        app: Faust's app over the broker in memory.
        outbox: The real outbox over it.
    """

    checkpoint: Checkpoint

    def __init__(self, app: faust.App, outbox: MemoryOutbox) -> None:
        self.app = app
        self.outbox = outbox
        # Why it has ended itself, if it has.
        self.ended: str | None = None
        self._checkpoints: asyncio.Task[None] | None = None

    @property
    def consumer(self) -> Any:
        """The app's consumer."""
        return self.app.consumer

    @property
    def is_dead(self) -> bool:
        """Whether it has been killed or has ended itself."""
        return bool(self.consumer.killed.is_set())

    def is_idle(self) -> bool:
        """As in streams/app.py."""
        return bool(self.app.rebalancing or self.app.in_recovery)

    async def start(self) -> None:
        """As in streams/worker.py, in a task of its own: those it starts know whose they are."""
        await asyncio.ensure_future(self._start())

    async def _start(self) -> None:
        LIFE.set(self)
        self.outbox.start()
        self.prepare()
        self.consumer.life = self
        await self.app.start()
        self._checkpoints = asyncio.ensure_future(self.checkpoint.run_every(CHECKPOINT_S, self.is_idle))

    def prepare(self) -> None:
        """Make Faust's consumer and tell it what it needs of the other parts."""
        raise NotImplementedError

    async def stop(self) -> None:
        """As in streams/worker.py."""
        self.end_checkpoints()
        await self.app.stop()

    def die(self) -> None:
        """End as kill -9 does."""
        self.end_checkpoints()
        self.consumer.killed.set()
        self.outbox.producer.is_killed = True

    async def kill(self) -> None:
        """End as kill -9 does; the group notices and gives the partitions away."""
        self.die()
        await self.consumer.broker.group.leave(self.consumer)

    def freeze(self) -> None:
        """Stop as SIGSTOP does."""
        self.consumer.freeze()
        self.outbox.running.clear()

    def thaw(self) -> None:
        """Go on as SIGCONT does."""
        self.consumer.thaw()
        self.outbox.running.set()

    def end_checkpoints(self) -> None:
        """Make no more checkpoints of its own accord."""
        if self._checkpoints is not None:
            self._checkpoints.cancel()


@contextmanager
def processes() -> Iterator[None]:
    """Let `fail_stop` end the life that calls it, instead of this process."""

    def end(code: int) -> NoReturn:
        life = LIFE.get()
        if not isinstance(life, Life):
            really_exit(code)
        # The caller is `fail_stop`: what it says is why.
        caller = sys._getframe(1).f_locals  # the only witness
        life.ended = str(caller.get("event"))
        life.die()
        raise ProcessEnded(life.ended)

    really_exit = os._exit
    with mock.patch("os._exit", end):
        yield
