"""Sends events when they are due, whatever becomes of the earlier ones, so that no wait hides in the sender."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.machine import Cores, ProgramFailed, run_to_end
from signals.moments import iso

# A prime: in step with nothing, so that the measured events meet checkpoints and ticks at every moment of theirs.
MEASURED_PER_S = 53
# Work of the simulator for a day would be too few people: a week of more of them, told as if all of it were now.
_SIMULATED = ("--days", "7", "--events", "60000")
_SIMULATOR_LIMIT_S = 120.0
_FLUSH_S = 60.0
# How long it sleeps at least: about the time of what is sent at once.
_NAP_S = 0.001
_BACKLOG_POLL = 500
_LINE = re.compile(
    rb'\{"type":"(?P<type>\w+)","messageId":"[^"]*",(?P<rest>.*),"originalTimestamp":"[^"]*","sentAt":.*'
)
_KEY = re.compile(rb'"(?:userId|anonymousId)":"([^"]*)"')


@dataclass(frozen=True)
class Schedule:
    """
    When the events of a step are due, in seconds since its beginning.

    Args:
        rate: Events a second, the measured ones among them.
        warm_up_s: What is due before does not count.
        seconds: How long it counts.
        measured_rate: Measured events a second, evenly spread.
    """

    rate: float
    warm_up_s: float
    seconds: float
    measured_rate: float = MEASURED_PER_S

    @property
    def length_s(self) -> float:
        """From the first event to the end of the step."""
        return self.warm_up_s + self.seconds

    def due(self, passed_s: float) -> tuple[int, int]:
        """How many ordinary and how many measured events should have been sent by then."""
        passed_s = min(passed_s, self.length_s)
        return int(passed_s * max(0.0, self.rate - self.measured_rate)), int(passed_s * self.measured_rate)

    def due_at(self, number: int) -> float:
        """When the measured event of this number is due."""
        return (number + 1) / self.measured_rate

    def counts(self, number: int) -> bool:
        """Whether the measured event of this number comes after the warm-up."""
        return self.due_at(number) > self.warm_up_s


@dataclass
class Sending:
    """What was sent in a step: for each measured event that counts, when it was due, and how late it was sent."""

    due_ms: dict[str, float] = field(default_factory=dict)
    behind_ms: list[float] = field(default_factory=list)
    events: int = 0


class OpenLoop:
    """
    The product: sends its own ordinary events again and again as of now, and the measured ones among them.

    Args:
        kafka: Bootstrap servers.
        lines: Simulated events, JSON lines of the simulator.
    """

    def __init__(self, kafka: str, lines: Sequence[bytes]) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "log_level": 0, "acks": "all"})
        self._ordinary = cycle([_keyed(line) for line in lines])
        self._sent = 0

    def backlog(self, topic: str, count: int) -> None:
        """Send so many ordinary events at once."""
        now = _now()
        for number in range(count):
            self._send_ordinary(topic, now)
            if number % _BACKLOG_POLL == 0:
                self._producer.poll(0)
        self._flush()

    def send(self, topic: str, schedule: Schedule, step: int) -> Sending:
        """
        Send the events of a step, each as soon as it is due; returns when the broker has all of them.

        Args:
            step: Makes the names of the measured events its own: each one a new user of a new workspace.
        """
        done = Sending()
        # The pace is kept by the clock that nobody sets, the times are told on the one that others read too.
        begun, begun_ms = time.monotonic(), time.time_ns() / 1e6
        ordinary = measured = 0
        while ordinary + measured < sum(schedule.due(schedule.length_s)):
            ordinary_due, measured_due = schedule.due(time.monotonic() - begun)
            now = _now()
            for _ in range(ordinary_due - ordinary):
                self._send_ordinary(topic, now)
            for number in range(measured, measured_due):
                mark, due_at = f"lat-{step}-{number}", schedule.due_at(number)
                self._produce(topic, mark.encode(), _measured(mark, now))
                if schedule.counts(number):
                    done.due_ms[mark] = begun_ms + due_at * 1e3
                    done.behind_ms.append((time.monotonic() - begun - due_at) * 1e3)
            ordinary, measured = ordinary_due, measured_due
            self._producer.poll(0)
            time.sleep(_NAP_S)
        self._flush()
        done.events = ordinary + measured
        return done

    def _send_ordinary(self, topic: str, now: bytes) -> None:
        key, kind, rest = next(self._ordinary)
        self._sent += 1
        message_id = b'{"type":"%b","messageId":"now-%d",' % (kind, self._sent)
        self._produce(topic, key, b"".join((message_id, rest, now)))

    def _produce(self, topic: str, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key)
            except BufferError:
                self._producer.poll(0.01)
            else:
                return

    def _flush(self) -> None:
        if self._producer.flush(_FLUSH_S):
            raise ProgramFailed(f"the broker did not take all events within {_FLUSH_S:g} s")


def simulated_lines(folder: Path) -> list[bytes]:
    """The ordinary events: what a few thousand users of the simulated product do in a week."""
    path = folder / "week.jsonl"
    run_to_end(
        ["-m", "simulator", *_SIMULATED, "--out", str(path)],
        Cores(None, None),
        folder / "simulator.log",
        _SIMULATOR_LIMIT_S,
    )
    return path.read_bytes().splitlines()


def _keyed(line: bytes) -> tuple[bytes, bytes, bytes]:
    """The key of a simulated event, its type, and what is neither its id nor its times."""
    found, key = _LINE.fullmatch(line), _KEY.search(line)
    if found is None:
        raise ProgramFailed(f"the simulator writes its events in another order: {line[:80]!r}")
    return (key[1] if key else b""), found["type"], found["rest"]


def _now() -> bytes:
    """The end of an event that happens now, its times as the simulator writes them."""
    now = iso(time.time_ns() // 1_000_000).encode()
    return b',"originalTimestamp":"%b","sentAt":"%b","receivedAt":"%b","timestamp":"%b"}' % (now, now, now, now)


def _measured(mark: str, now: bytes) -> bytes:
    """A request of a new user in a new workspace: an alert of its own, which waits for nothing."""
    name = mark.encode()
    return b"".join(
        (
            b'{"type":"track","messageId":"%b","userId":"%b","event":"MSA Requested",' % (name, name),
            b'"properties":{},"context":{"library":{"name":"analytics.js","version":"2.11.1"},"groupId":"%b"}' % name,
            now,
        )
    )


def naps(limit_s: float) -> Iterator[None]:
    """Turn by turn of a wait, until it has been too long."""
    give_up_at = time.monotonic() + limit_s
    while time.monotonic() < give_up_at:
        yield
        time.sleep(0.1)
