"""An outage of a sink: since when, and when to try again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 15.0


class Outage:
    """
    Tries again when the other end said, else after 0.5 s, then after twice as long each time, at most 15 s.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._wait = FIRST_WAIT_S
        self._next = 0.0

    def __bool__(self) -> bool:
        """Tell whether it lasts."""
        return self._since is not None

    def extend(self, retry_after_s: float | None = None) -> None:
        """
        Note a failed attempt; the first one begins the outage.

        Args:
            retry_after_s: When the other end will be ready, if it said so; the growing waits then stay as they are.
        """
        now = self._clock()
        if self._since is None:
            self._since, self._wait = now, FIRST_WAIT_S / 2
        if retry_after_s is None:
            self._wait = min(self._wait * 2, LONGEST_WAIT_S)
        self._next = now + (self._wait if retry_after_s is None else retry_after_s)

    def remaining(self) -> float:
        """Count the seconds until the next attempt."""
        return max(0.0, self._next - self._clock()) if self else 0.0

    def age(self) -> float:
        """Count the seconds it has lasted so far; 0 without one. From any thread."""
        since = self._since
        return 0.0 if since is None else self._clock() - since

    def end(self) -> float:
        """
        Forget it.

        Returns:
            How many seconds it lasted.
        """
        seconds = self.age()
        self._since = None
        return seconds
