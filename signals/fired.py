"""What has fired for a subject: the memory behind "once", "at most one per" and the number in a signal's id."""

from __future__ import annotations

import msgspec


class Fired(msgspec.Struct, array_like=True, gc=False):
    """
    The firings of one signal for one key.

    `n` counts them, `time` is the event time of the last in Unix milliseconds. For window signals `end` is the window
    end of the last, and `low` the lowest count among later ends that the ring has forgotten since. For `seat_limit`
    `low` is the lowest share of the seats in use since the last. `n` is 0 for what an import has spent (`spend`).
    `threshold` is what the last was held against, for signals that are armed again by falling below it: a higher one in
    the config arms none.
    """

    n: int
    time: int
    end: int | None = None
    low: int | float | None = None
    threshold: int | float | None = None

    def below(self, threshold: float) -> float:
        """Where it is armed again: below the threshold of today, and below the one that it fired at."""
        return threshold if self.threshold is None else min(threshold, self.threshold)


# Of what would have fired before an import: it is not said, and not said again. Such a moment was long ago.
UNSAID, LONG_AGO = 0, 0


class FiredState(msgspec.Struct, gc=False):
    """The part of a state that remembers firings, by signal and key."""

    fired: dict[str, Fired] = {}

    def last_fired(self, signal: str, key: str = "") -> Fired | None:
        """The last firing of a signal for a key."""
        return self.fired.get(f"{signal}|{key}" if key else signal)

    def has_fired(self, signal: str, key: str = "") -> bool:
        """Whether a signal has ever fired for a key."""
        return self.last_fired(signal, key) is not None

    def may_have_forgotten(self, signal: str, keep: int) -> bool:
        """Whether so many keys of a signal are remembered that others may have made room (`forget_firings`)."""
        return sum(key.startswith(f"{signal}|") for key in self.fired) >= keep

    def is_cooling_down(self, signal: str, time: int, cooldown_ms: int, key: str = "") -> bool:
        """Whether `time` is less than a cooldown after the last firing for a key, or before it (SIGNALS A8)."""
        last = self.last_fired(signal, key)
        return last is not None and time < last.time + cooldown_ms

    def spend(self, signal: str, key: str = "", end: int | None = None, low: float | None = None) -> None:
        """Let a signal count as fired, unsaid, unless it has fired; `end` and `low` as in `Fired`."""
        self.fired.setdefault(f"{signal}|{key}" if key else signal, Fired(UNSAID, LONG_AGO, end, low))

    def forget_firings(self, signal: str, keep: int) -> bool:
        """
        Keep those keys of a signal that fired last in event time; a forgotten one counts from 1 again.

        Returns:
            Whether one was forgotten.
        """
        keys = [key for key in self.fired if key.startswith(f"{signal}|")]
        if len(keys) <= keep:
            return False
        for key in sorted(keys, key=lambda one: self.fired[one].time)[: len(keys) - keep]:
            del self.fired[key]
        return True

    def record(self, signal: str, key: str, time: int, end: int | None, threshold: float | None = None) -> int:
        """Take note of a firing, and return its number."""
        last = self.last_fired(signal, key)
        n = last.n + 1 if last else 1
        self.fired[f"{signal}|{key}" if key else signal] = Fired(n, time, end, threshold=threshold)
        return n
