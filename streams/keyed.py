"""A keyed step as the agents use it: the pure functions, the table they fold into, and records they cannot apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from signals.engine import Engine, Stepped
from signals.event import Event, Tick
from signals.facts import Command, Fact, Pulse
from signals.imported import ImportedMember, ImportedWorkspace
from signals.shard import Shard
from signals.user import UserState
from signals.workspace import WorkspaceState
from streams.tables import StateTable

S = TypeVar("S", UserState, WorkspaceState)
R = TypeVar("R", Event | ImportedMember, Fact | Pulse | Command | ImportedWorkspace)

# A record on which the step has failed this often is set aside (DESIGN 4.5); a restart heals a passing fault.
MAX_FAILURES = 2


class Record(Protocol):
    """A consumed Kafka record; `timestamp` in Unix milliseconds, -1 where the broker has none."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class StepFailed(Exception):
    """A step raised an exception on the record at `position` of a bundle; `__cause__` is what it raised."""

    def __init__(self, table: StateTable[Any], record: Record, position: int) -> None:
        super().__init__(position)
        self.table = table
        self.record = record
        self.position = position


@dataclass(frozen=True)
class KeyedStep(Generic[S, R]):
    """A pure step with its table: how its records are read, applied, and passed over when they cannot be."""

    table: StateTable[S]
    decode: Callable[[bytes], Sequence[R | Tick]]
    apply: Callable[[Shard[S], Sequence[R | Tick], Sequence[int], int, Engine], Stepped[R | Tick]]
    set_aside: Callable[[Shard[S], R, int], None]

    def poisoned(self, partition: int) -> int | None:
        """The position of the record of a partition that is to be set aside, if any."""
        failure = self.table.failure(partition)
        return failure.position if failure is not None and failure.count >= MAX_FAILURES else None
