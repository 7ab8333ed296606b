"""How fast one channel may be written to: a message a second, and the rests that Slack asks for."""

from __future__ import annotations

import threading
import time
from typing import Final, Protocol

from sinks.base import Unavailable


class Time(Protocol):
    """What passes; tests put in one that passes when told to."""

    def wall(self) -> float:
        """Tell Unix seconds: Slack's history is asked for by them."""

    def monotonic(self) -> float:
        """Tell seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Let them pass."""


class RealTime:
    """The time of this machine."""

    def wall(self) -> float:
        """Tell Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Tell seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


REAL_TIME: Final = RealTime()


class Pace:
    """
    The turns of one channel, shared by the threads of all routes that lead into it.

    Args:
        interval_s: Between two messages; Slack allows about one a second and channel.
        clock: What passes.
    """

    def __init__(self, interval_s: float, clock: Time) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._next_at = clock.monotonic()
        self._rests_until = self._next_at

    def check_rest(self) -> None:
        """
        Let nothing through while the channel rests.

        Raises:
            Unavailable: It does.
        """
        left_s = self._rests_until - self._clock.monotonic()
        if left_s > 0:
            raise Unavailable("Slack: the channel rests after too many messages", left_s)

    def take_turn(self) -> None:
        """
        Wait for the next free turn, at most two intervals: polling and a clean stop come between two records.

        Raises:
            Unavailable: The turns until then are other routes'.
        """
        with self._lock:
            wait_s = max(0.0, self._next_at - self._clock.monotonic())
            if wait_s > 2 * self._interval_s:
                raise Unavailable("Slack: other routes are writing to the channel", wait_s)
            self._next_at = max(self._next_at, self._clock.monotonic()) + self._interval_s
        if wait_s > 0:
            self._clock.sleep(wait_s)

    def end_turn(self) -> None:
        """Count the interval from the end of an attempt: when Slack noted its beginning is not known."""
        with self._lock:
            self._next_at = max(self._next_at, self._clock.monotonic() + self._interval_s)

    def rest(self, seconds: float) -> None:
        """Rest, as Slack asked."""
        with self._lock:
            self._rests_until = max(self._rests_until, self._clock.monotonic() + seconds)
