"""What every program of the comparison is told and what it reports; the job itself is benchmarks/reference.py."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from benchmarks.reference import Answer

PARTITIONS = 4
# How often each program makes its work durable, so that none writes its states more often than another.
COMMIT_S = 1.0


class Job(msgspec.Struct, frozen=True):
    """What a program is told, as JSON in its first argument; it reads `topic` from its beginning."""

    kafka: str
    topic: str
    # What its own topics and its group begin with; used once.
    prefix: str
    # It ends after this many.
    events: int
    # A file that does not exist yet; beside it there is room for what the program keeps on disk.
    result: str

    @property
    def activity(self) -> str:
        """Where the plain loop sends each event, keyed by workspace."""
        return f"{self.prefix}-activity"

    @property
    def signals(self) -> str:
        """Where a program says which workspaces are teams, keyed by workspace."""
        return f"{self.prefix}-signals"

    @property
    def users_changelog(self) -> str:
        """Where the plain loop keeps its users durable."""
        return f"{self.prefix}-users-changelog"

    @property
    def workspaces_changelog(self) -> str:
        """Where the plain loop keeps its workspaces durable."""
        return f"{self.prefix}-workspaces-changelog"


class Result(msgspec.Struct):
    """What a program reports; `answer` is None where its topics hold the answer."""

    events: int
    seconds: float
    # CPU time of the process, all threads and children, in the same span; the broker's is not in it. None where nobody
    # measured it.
    cpu_s: float | None = None
    answer: Answer | None = None


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@dataclass
class Stopwatch:
    """Wall and CPU time of this process since `start`."""

    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=_cpu_s)

    @classmethod
    def start(cls) -> Self:
        """Let both run."""
        return cls()

    def result(self, events: int) -> Result:
        """What has passed until now."""
        return Result(events, time.perf_counter() - self._wall, _cpu_s() - self._cpu)


def read_job(argument: str) -> Job:
    """The job of a program started by `python -m benchmarks`."""
    return msgspec.json.decode(argument, type=Job)


def write_result(job: Job, result: Result) -> None:
    """Leave the result where the job asks for it; there as a whole or not at all."""
    result_path = Path(job.result)
    partial = result_path.with_suffix(".part")
    partial.write_bytes(msgspec.json.encode(result))
    partial.replace(result_path)
