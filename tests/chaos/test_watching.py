"""Recoveries are measured to the last partition with news, and a supervisor keeps what its processes said and did."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.river.fleet import Fleet
from tests.river.harness import River
from tests.river.offsets import Offsets, Place, Recovery

Read = Mapping[Place, tuple[int, int]] | None


def places(*read: tuple[int, int]) -> Read:
    """What is committed and where the log ends, for partitions 0 and on."""
    return {("events", number): each for number, each in enumerate(read)}


def watched(*reads: Read) -> Recovery:
    """A recovery that reads these one after the other, the first before the fault."""
    script = iter(reads)
    return Recovery(cast(Offsets, SimpleNamespace(read=lambda: next(script))))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: times[-1])
    return times


def test_group_has_recovered_when_every_partition_with_news_has_committed_anew(clock: list[float]) -> None:
    recovery = watched(
        places((5, 9), (7, 7), (3, 3)),
        places((5, 9), (7, 8), (3, 3)),
        places((6, 9), (7, 8), (3, 3)),
        places((6, 12), (8, 8), (3, 3)),
    )
    recovery.hit(100.0)
    clock.append(104.0)
    first = recovery.look(), recovery.waiting
    clock.append(106.0)

    assert first == (False, [("events", 1)])
    assert (recovery.look(), recovery.took_s, recovery.lag) == (True, 6.0, 5)


def test_what_was_committed_before_the_blow_is_no_recovery_and_nothing_new_is_none(clock: list[float]) -> None:
    recovery = watched(places((5, 9)), places((6, 6)), places((6, 6)))

    recovery.hit(clock[-1])

    assert (recovery.look(), recovery.took_s) == (False, None)


def test_brokers_that_do_not_answer_leave_the_mark_of_before(clock: list[float]) -> None:
    recovery = watched(places((5, 9)), None, None, places((6, 9)))

    recovery.hit(clock[-1])

    assert [recovery.look(), recovery.look()] == [False, True]


class Child:
    """A process of a fake river."""

    def __init__(self, arguments: tuple[str, ...], complaints: list[str], log: str) -> None:
        self.arguments, self.complaints, self.log = arguments, complaints, log
        self.log_path = SimpleNamespace(name="0-worker.log")
        self.popen: Any = SimpleNamespace(poll=lambda: None, kill=lambda: None, returncode=None)

    def kill(self) -> None:
        """It is gone already."""


class Nursery:
    """A river that starts nothing."""

    def __init__(self, *complaints: str, log: str = "") -> None:
        self.processes: list[Child] = []
        self._complaints, self._log = list(complaints), log

    def start(self, *arguments: str) -> Child:
        self.processes.append(Child(arguments, self._complaints, self._log))
        return self.processes[-1]


def fleet(*complaints: str, log: str = "", ended_with: int | None = None) -> tuple[Fleet, Nursery]:
    """One worker, which has ended if `ended_with` is a number."""
    nursery = Nursery(*complaints, log=log)
    made = Fleet(cast(River, nursery))
    made.start("worker-0")
    nursery.processes[0].popen.poll = lambda: ended_with
    nursery.processes[0].popen.returncode = ended_with
    return made, nursery


def test_process_that_ended_by_itself_is_started_again_and_one_that_lives_is_not() -> None:
    ended, of_ended = fleet(ended_with=70)
    living, of_living = fleet()

    ended.tend()
    living.tend()

    assert (ended.endings, len(of_ended.processes)) == ([("worker-0", 70)], 2)
    assert (living.endings, len(of_living.processes)) == ([], 1)


def test_process_that_had_ended_when_it_was_to_be_killed_is_an_ending() -> None:
    ended, _ = fleet(ended_with=70)
    living, _ = fleet()

    alive = ended.is_alive("worker-0"), living.is_alive("worker-0")
    ended.kill("worker-0")
    living.kill("worker-0")

    assert alive == (False, True)
    assert (ended.endings, living.endings) == ([("worker-0", 70)], [])


def test_complaint_counts_unless_the_faults_explain_its_event() -> None:
    stale, traceback = '{"event": "owner.stale", "level": "critical"}', "Traceback (most recent call last):"
    made, _ = fleet(stale, traceback)

    assert made.complaints() == [stale, traceback]
    assert made.complaints(["owner.stale"]) == [traceback]


@pytest.mark.parametrize(
    ("code", "explained", "expected"),
    [
        (70, (), []),
        (1, (), ["worker-0 ended with 1"]),
        (2, (), ["worker-0 ended with 2"]),
        (2, ("exit 2",), []),
        (-9, ("exit 2",), ["worker-0 ended with -9"]),
    ],
)
def test_end_counts_unless_its_own_log_line_or_the_faults_explain_it(
    code: int, explained: tuple[str, ...], expected: list[str]
) -> None:
    made, _ = fleet(ended_with=code)
    made.tend()

    assert made.complaints(explained) == expected


def test_secret_in_a_log_is_named_with_the_log() -> None:
    made, _ = fleet(log="sent to canary.person@hidden.example")

    assert made.leaks(["canary.person@hidden.example", "token"]) == ["0-worker.log: canary.person@hidden.example"]
