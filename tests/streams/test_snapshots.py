"""Snapshots: at a moderate pace while a worker lives, and what it left unsent is sent by the next owner."""

from __future__ import annotations

import time

import faust
import msgspec
import pytest

from signals.codec import decode_workspace_state, encode_state
from signals.config import Config
from signals.engines import Engines
from signals.workspace import WorkspaceState
from streams.snapshots import UNSENT_S, Snapshots
from streams.tables import StateTable
from streams.topics import Topics

NOW_MS = 1_767_225_600_000
Stored = list[tuple[bytes, bytes, int]]


class Worker:
    """The workspaces of one partition and their snapshots; `sent` are names by workspace, in order."""

    def __init__(self) -> None:
        app = faust.App("plg", broker="plg://nowhere")
        self.table: StateTable[WorkspaceState] = StateTable(
            app, name="workspaces", partitions=1, encode=encode_state, decode=decode_workspace_state
        )
        self.table.shard(0)
        self.table.recovered.add(0)
        self.sent: list[tuple[str, str]] = []
        engines = Engines(Config())
        self.busy_s = 0.0
        self.snapshots = Snapshots(self.table, self, Topics("plg", 1), engines.of, lambda: self.busy_s)
        self.table.on_restored = self.snapshots.note_restored

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        self.sent.append(((key or b"").decode(), msgspec.json.decode(value or b"")["workspace_name"]))

    def rename(self, workspace: str, name: str, offset: int) -> None:
        state = self.table.shard(0).get(workspace) or WorkspaceState()
        state.name = name
        self.table.shard(0).touch(workspace, state, offset)

    def checkpoint(self, at_ms: int = NOW_MS) -> Stored:
        """What it writes to the changelog."""
        self.snapshots.send_due()
        return [(key, value, at_ms) for _, _, writes in self.table.take_changes() for key, value in writes]

    def recover(self, changelog: Stored) -> None:
        for key, value, at_ms in changelog:
            self.table._restore(0, key, value, at_ms)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds on the workers' clock, the last of the list."""
    times = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: times[-1])
    return times


def test_second_change_within_five_seconds_is_sent_when_they_are_over(clock: list[float]) -> None:
    worker = Worker()
    worker.rename("w", "Acme", 1)
    worker.checkpoint()
    worker.rename("w", "Acme Inc", 2)
    worker.checkpoint()
    assert worker.sent == [("w", "Acme")]

    clock.append(105.0)
    worker.checkpoint()

    assert worker.sent == [("w", "Acme"), ("w", "Acme Inc")]


@pytest.mark.parametrize(("busy_s", "sent"), [(3.0, 2), (3.1, 1)])
def test_worker_that_is_busy_sends_a_second_change_later(clock: list[float], busy_s: float, sent: int) -> None:
    worker = Worker()
    worker.rename("w", "Acme", 1)
    worker.checkpoint()
    worker.rename("w", "Acme Inc", 2)
    clock.append(105.0)
    worker.busy_s = busy_s
    worker.checkpoint()
    assert len(worker.sent) == sent

    clock.append(120.0)
    worker.checkpoint()

    assert worker.sent == [("w", "Acme"), ("w", "Acme Inc")]


def test_workspace_that_changes_no_more_is_not_sent_again(clock: list[float]) -> None:
    worker = Worker()
    worker.rename("w", "Acme", 1)
    worker.checkpoint()

    clock.append(105.0)
    worker.checkpoint()
    clock.append(110.0)
    worker.checkpoint()

    assert worker.sent == [("w", "Acme")]


def test_snapshot_that_a_killed_worker_left_unsent_is_sent_by_the_next_owner_without_a_further_change() -> None:
    killed, successor = Worker(), Worker()
    killed.rename("w", "Acme", 1)
    changelog = killed.checkpoint()
    killed.rename("w", "Acme Inc", 2)
    changelog += killed.checkpoint()
    assert killed.sent == [("w", "Acme")]

    successor.recover(changelog)
    successor.checkpoint()

    assert successor.sent == [("w", "Acme Inc")]


def test_workspace_written_long_before_the_last_write_of_its_partition_is_not_sent_again() -> None:
    killed, successor = Worker(), Worker()
    killed.rename("settled", "Globex", 1)
    changelog = killed.checkpoint(NOW_MS)
    killed.rename("recent", "Acme", 2)
    changelog += killed.checkpoint(NOW_MS + int(UNSENT_S * 1_000) + 1)

    successor.recover(changelog)
    successor.checkpoint()

    assert successor.sent == [("recent", "Acme")]


def test_nothing_is_sent_of_a_partition_that_has_not_been_read_back_to_its_end() -> None:
    killed, successor = Worker(), Worker()
    killed.rename("w", "Acme", 1)
    changelog = killed.checkpoint()
    successor.table.recovered.clear()

    successor.recover(changelog)
    successor.snapshots.send_due()
    sent_before = list(successor.sent)
    successor.table.recovered.add(0)
    successor.snapshots.send_due()

    assert (sent_before, successor.sent) == ([], [("w", "Acme")])
