"""What a worker holds and how it comes back: a recovery of many users, its memory, and a start on nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from benchmarks.machine import ProgramFailed
from benchmarks.population import Population, Sealed, copied
from benchmarks.stage import Sent, Stage, Worker, wait_for
from signals.moments import iso
from simulator.scenario import DEFAULT_END

# A question every so often costs the worker a thousandth of its core.
_ASK_S = 0.25
_USER = b"user:"
# As if written over the last hour: of what was written just before a crash, snapshots would be sent again.
_WRITTEN_OVER_MS = 3_600_000
# A backlog that makes buffers as large as they get, and few users with many events each, so that none of it is theirs.
_WORK, _FEW = 30_000, 100
# The day after the simulated ones.
_TOUCHED_AT = int(DEFAULT_END.timestamp() * 1_000) + 9 * 3_600_000


class Recovered(msgspec.Struct):
    """
    A recovery: from the start of the process, and from its partitions' assignment, until it takes records.

    `resident` is its memory then, `peak` the most it had on the way, `touched` after an event of every user.
    """

    people: int
    states: int
    stored: int
    from_start_s: float
    seconds: float
    cpu_s: float
    resident: int
    peak: int
    touched: int | None = None


class Started(msgspec.Struct):
    """
    A start on empty topics: until the first event was passed on, until it was ready, and its memory then.

    `worked` is its memory after a backlog of a few users: buffers are full size, and there is nobody to remember.
    """

    first_event_s: float
    ready_s: float
    resident: int
    worked: int | None = None


@dataclass
class Recovery:
    """
    Measures one worker against changelogs that were written directly.

    Args:
        stage: With topics that nobody has used.
        people: So many users, rounded up to whole copies of the population.
    """

    stage: Stage
    population: Population
    people: int

    def run(self, *, touch: bool = False) -> Recovered:
        """Write the changelogs, let a worker recover, and if asked let every user do something afterwards."""
        copies = self.population.copies_for(self.people)
        written = _Written()
        self.stage.send(written.counted(self._changelogs(copies)))
        with self.stage.workers(1) as made:
            [worker] = made
            assigned, cpu_before = wait_for(made, lambda: _has_joined(worker), _ASK_S), worker.cpu_s
            ready_at, cpu_s = wait_for(made, worker.is_ready, _ASK_S), worker.cpu_s
            recovered = Recovered(
                people=copies * self.population.people,
                states=written.records,
                stored=written.bytes,
                from_start_s=ready_at - worker.started_at,
                seconds=ready_at - assigned,
                cpu_s=cpu_s - cpu_before,
                resident=worker.resident,
                peak=worker.peak,
            )
            if touch:
                self.stage.send(self._one_event_each(copies))
                self.stage.wait_until_settled(made)
                recovered.touched = worker.resident
        return recovered

    def _changelogs(self, copies: int) -> Iterator[Sent]:
        topics = self.stage.topics
        step_ms = _WRITTEN_OVER_MS / copies / (len(self.population.users) + len(self.population.workspaces))
        number, begun = 0, time.time_ns() // 1_000_000 - _WRITTEN_OVER_MS
        tables = (
            (topics.users_changelog, self.population.users),
            (topics.workspaces_changelog, self.population.workspaces),
        )
        for copy in range(copies):
            for topic, states in tables:
                for subject, value in copied(states, copy):
                    number += 1
                    yield topic, topics.of(subject.decode()), subject, value, int(begun + number * step_ms)

    def _one_event_each(self, copies: int) -> Iterator[Sent]:
        people = [state for state in self.population.users if state.subject.startswith(_USER)]
        for copy in range(copies):
            for subject, _value in copied((Sealed(state.subject, b"") for state in people), copy):
                user = subject.removeprefix(_USER).decode()
                yield _event(self.stage, user, f"touch-{user}")


class _Written:
    """Counts what goes by."""

    def __init__(self) -> None:
        self.records = 0
        self.bytes = 0

    def counted(self, records: Iterator[Sent]) -> Iterator[Sent]:
        for record in records:
            self.records += 1
            self.bytes += len(record[2]) + len(record[3])
            yield record


def start(stage: Stage, *, work: bool = False) -> Started:
    """Start one worker on empty topics, with one event that waits for it; if asked, let it work afterwards."""
    stage.send([_event(stage, "u1", "first")])
    with stage.workers(1) as made:
        [worker] = made
        passed_on = wait_for(made, lambda: bool(stage.ends(stage.topics.user_events)), 0.02)
        ready = wait_for(made, worker.is_ready, 0.02)
        started = Started(passed_on - worker.started_at, ready - worker.started_at, worker.resident)
        if work:
            stage.send(_event(stage, f"u{number % _FEW}", f"work-{number}") for number in range(_WORK))
            stage.wait_until_settled(made)
            started.worked = worker.resident
        return started


def _event(stage: Stage, user: str, message: str) -> Sent:
    at = iso(_TOUCHED_AT)
    event = {"type": "track", "event": "Dashboard Viewed", "messageId": message, "userId": user}
    line = msgspec.json.encode({**event, "timestamp": at, "receivedAt": at})
    return stage.source, stage.topics.of(user), user.encode(), line, _TOUCHED_AT


def help_s() -> float:
    """How long `plg --help` takes."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "streams.cli", "--help"], capture_output=True, check=False)
    if done.returncode:
        raise ProgramFailed(f"plg --help ended with code {done.returncode}")
    return time.monotonic() - started


def _has_joined(worker: Worker) -> bool:
    return bool(worker.readiness().get("joined"))
