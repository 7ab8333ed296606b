"""How a worker ends when it must not go on: at once, loudly, and before anything is committed (DESIGN 4.5, 4.7)."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

import structlog

log = structlog.get_logger()

# sysexits.h EX_SOFTWARE: an orchestrator restarts it; a clean end is 0 and a usage error 2.
EXIT_FAILED = 70


def now_s() -> float:
    """Seconds on a clock that also runs while the machine or the process is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def fail_stop(event: str, **fields: object) -> NoReturn:
    """
    Say why and end the process without running anything else.

    An exception would not do: raised in a Faust agent it acknowledges the record, and a graceful stop commits it.
    """
    log.critical(event, **fields)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_FAILED)


def described(error: BaseException | None) -> dict[str, str]:
    """
    What a log may say of an error that nobody foresaw: its type, and the lines that led to it.

    Not its text, which may quote a record: that of a failed encoding holds the whole of it.
    """
    if error is None:
        return {"error": "none", "trace": ""}
    return {"error": type(error).__name__, "trace": "".join(traceback.format_tb(error.__traceback__))}


class Deadline:
    """Ends the process when a stop has not finished in time, whatever it is stuck in."""

    def __init__(self, limit_s: float, event: str) -> None:
        self._timer = threading.Timer(limit_s, fail_stop, args=(event,), kwargs={"limit_s": limit_s})
        self._timer.daemon = True
        self._is_running = False

    def start(self) -> None:
        """Let the time run; a second call changes nothing."""
        if not self._is_running:
            self._is_running = True
            self._timer.start()


def ends_in_time(limit_s: float) -> threading.Event:
    """Make an event that stops a process: once it is set, the process is gone within so many seconds."""
    stop = threading.Event()

    def wait() -> None:
        stop.wait()
        Deadline(limit_s, "stop.timeout").start()

    threading.Thread(target=wait, name="deadline", daemon=True).start()
    return stop


class Watchdog(threading.Thread):
    """
    Ends the process when `unhealthy` keeps giving a reason.

    A thread, because what it watches for includes an event loop that no longer turns.

    Args:
        unhealthy: Returns why the worker should end now, or None.
    """

    def __init__(self, unhealthy: Callable[[], str | None], every_s: float = 1.0) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._unhealthy = unhealthy
        self._every_s = every_s
        self._stopped = threading.Event()

    def run(self) -> None:
        """Ask every `every_s` seconds until stopped."""
        while not self._stopped.wait(self._every_s):
            reason = self._unhealthy()
            if reason is not None:
                fail_stop("worker.stuck", reason=reason)

    def stop(self) -> None:
        """Stop watching: the worker is ending in good order."""
        self._stopped.set()
