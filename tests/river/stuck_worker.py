"""A worker with something in it that never ends, for tests/river/test_endings.py: `python stuck_worker.py <what>`."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from streams import agents, ticks, worker
from streams.cli import main


def _blocks(*_: Any) -> Any:
    """A step that keeps the event loop for itself."""
    print("stuck", flush=True)
    while True:
        time.sleep(0.1)


async def _waits(*_: Any) -> None:
    """An agent that waits for what never comes."""
    print("stuck", flush=True)
    await asyncio.Event().wait()


def _sticks(what: str) -> None:
    if what == "step":
        agents.step_users = _blocks
    elif what == "agent":
        agents.River._in_one_go = _waits  # type: ignore[method-assign]
    elif what == "start":
        worker.position_sources = _blocks  # type: ignore[assignment]
    elif what == "ticker":
        ticks.TickSender.relay = _blocks  # type: ignore[method-assign]
    else:
        raise SystemExit(f"nothing is called {what}")


if __name__ == "__main__":
    _sticks(sys.argv.pop(1))
    sys.exit(main())
