"""An event loop whose clock jumps to the next thing due: the seconds that Faust waits cost nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# How often a life is cancelled: Faust's supervisors start anew what was cancelled, until they are cancelled themselves.
_CANCELLATIONS = 50
# Turns of the loop between two of them, so that what was started anew has begun and can be cancelled in good order.
_TURNS_BETWEEN = 4


class _JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: the time asked for passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for something that nobody will do")
        self.now_s += max(timeout, 0.0)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time, for code that uses no threads."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._clock.now_s


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time; whatever it leaves behind is cancelled, as a killed process leaves nothing."""
    loop = VirtualTimeLoop()
    # A life that was killed mid-work has no say in how its tasks end.
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(_unwind())
        asyncio.set_event_loop(None)
        loop.close()


async def _unwind() -> None:
    for _ in range(_CANCELLATIONS):
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if not left:
            return
        for task in left:
            task.cancel()
        for _turn in range(_TURNS_BETWEEN):
            await asyncio.sleep(0)
    raise RuntimeError(f"tasks that do not end when cancelled: {asyncio.all_tasks()}")
