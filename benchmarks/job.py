"""The counting job that every program of the comparison does, its events, and the answer they must all come to."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Self

import msgspec
from msgspec.structs import asdict

PARTITIONS = 4
# How often each program makes its work durable, so that none writes its states more often than another.
COMMIT_S = 1.0
EVENT_BYTES = 375
_SEED = 7
_USERS = 20_000
_DAYS = 60
_START = datetime(2026, 1, 1, tzinfo=UTC)
_NAMES = ("Report Viewed", "Report Shared", "Project Created", "Data Imported", "Dashboard Opened", "Invite Sent")


class Job(msgspec.Struct, frozen=True):
    """What a counting program is told, as JSON in its first argument; it reads `topic` from its beginning."""

    kafka: str
    topic: str
    # What its own topics and its group begin with; used once.
    prefix: str
    # It ends after this many.
    events: int
    # A file that does not exist yet.
    result: str


class Count(msgspec.Struct, array_like=True):
    """What is counted for a user: events, and the newest day as `2026-01-31`."""

    events: int = 0
    newest_day: str = ""

    def add(self, day: str) -> None:
        """Count an event of a day."""
        self.events += 1
        self.newest_day = max(self.newest_day, day)


class Click(msgspec.Struct):
    """The part of an event that the job reads."""

    userId: str  # noqa: N815  # Segment's spelling
    timestamp: str

    @property
    def day(self) -> str:
        """Its calendar day."""
        return self.timestamp[:10]


class Result(msgspec.Struct):
    """What a program reports; `counts` is empty where its changelog holds the answer."""

    events: int
    seconds: float
    # CPU time of the process, all threads, in the same span; the broker's is not in it. None where nobody measured it.
    cpu_s: float | None = None
    counts: dict[str, Count] = {}


@dataclass
class Stopwatch:
    """Wall and CPU time of this process since `start`."""

    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=time.process_time)

    @classmethod
    def start(cls) -> Self:
        """Let both run."""
        return cls()

    def result(self, events: int) -> Result:
        """What has passed until now."""
        return Result(events, time.perf_counter() - self._wall, time.process_time() - self._cpu)


def read_job(argument: str) -> Job:
    """The job of a program started by `python -m benchmarks`."""
    return msgspec.json.decode(argument, type=Job)


def write_result(job: Job, result: Result) -> None:
    """Leave the result where the job asks for it; there as a whole or not at all."""
    result_path = Path(job.result)
    partial = result_path.with_suffix(".part")
    partial.write_bytes(msgspec.json.encode(asdict(result)))
    partial.replace(result_path)


def changelog_of(prefix: str) -> str:
    """Where a program keeps its counts durable; Faust's naming, so that Faust finds it."""
    return f"{prefix}-counts-changelog"


def events(count: int) -> Iterator[tuple[str, str, bytes]]:
    """
    The events of the job, the same for the same count; a shorter run gets the first ones of a longer run.

    Yields:
        User, calendar day, and the Segment track event of 375 bytes.
    """
    chance = random.Random(_SEED)
    # A few users do much and most do little, as in every product: the weights of Zipf's law with a flattened head.
    weights = list(accumulate(1 / (rank + 20) for rank in range(_USERS)))
    users = [f"u-{chance.randrange(10**9):09d}" for _ in range(_USERS)]
    steps = 1_000_000
    for number in range(count):
        user = chance.choices(users, cum_weights=weights)[0]
        at = _START + timedelta(seconds=(number % steps) * _DAYS * 86_400 / steps)
        when = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
        name = _NAMES[number % len(_NAMES)]
        head = (
            f'{{"type":"track","messageId":"m-{number:012d}","event":"{name}","userId":"{user}",'
            f'"timestamp":"{when}","receivedAt":"{when}","context":{{"groupId":"w-{user[-6:]}",'
            f'"library":{{"name":"analytics.js","version":"2.11.1"}}}},"properties":{{"path":"/reports","note":"'
        )
        yield user, when[:10], (head.ljust(EVENT_BYTES - 3, "x") + '"}}').encode()


def expected(count: int) -> dict[str, Count]:
    """The answer, counted without any broker."""
    counts: dict[str, Count] = {}
    for user, day, _event in events(count):
        counts.setdefault(user, Count()).add(day)
    return counts
