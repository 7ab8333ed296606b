"""
What users tell the workspaces of a pass over events, so much at a time; as bytes where they are not in one process.

Lanes that read records alike and ask the same of users are a group: what their users tell is told to each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from signals.event import Tick
from signals.facts import Fact, Outputs, Pulse
from signals.imported import ImportedWorkspace
from signals.lanes import Lane, grouped, reading_part, user_part

# So many subjects of a shard may be in use at a time, twice over; all others are kept as bytes, a third of the memory.
HOT = 20_000
LOOK_EVERY = 1_024


class Passed(msgspec.Struct, tag=0, array_like=True, gc=False):
    """
    What came of some records of the input, for the lanes of a group.

    `told` is what the user step put out beside facts, by the number of the record among those at hand. `positions` says
    where each of these stands, which is the offset of its facts; what has no offset is of the first one. `moments` are
    the newest times after each of them, Unix milliseconds.
    """

    group: int
    facts: Sequence[Fact | Pulse | Tick | ImportedWorkspace]
    told: Sequence[tuple[int, Outputs]]
    positions: Sequence[int]
    moments: Sequence[int]


class Groups:
    """
    The lanes of a pass, and who of them is told what.

    Args:
        lanes: At least one.
        hot: How many workspaces of a lane may be in use before those that are not become bytes again.
    """

    def __init__(self, lanes: Sequence[Lane], hot: int = HOT) -> None:
        # By how they read records, and of these by what they ask of users.
        self.by_reading = [grouped(alike, user_part) for alike in grouped(lanes, reading_part)]
        self._groups = [group for groups in self.by_reading for group in groups]
        self._hot = hot
        self._taken = [0] * len(self._groups)

    def take(self, passed: Passed) -> None:
        """Apply what some records of the input brought about to the lanes of a group, and show what comes of it."""
        numbers = {position: number for number, position in enumerate(passed.positions)}
        group = self._groups[passed.group]
        for lane in group:
            lane.take(passed.facts, passed.told, numbers, passed.moments)
        before = self._taken[passed.group]
        self._taken[passed.group] = taken = before + len(passed.moments)
        if before // LOOK_EVERY != taken // LOOK_EVERY:
            for lane in group:
                # Nothing here waits for a checkpoint: dirty is who was in use.
                if len(lane.shard.dirty) > self._hot:
                    lane.shard.settle()
