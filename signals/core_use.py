"""
Core use: what a user does at the core of the product, by event name for breadth, by day and workspace for volume.

A workspace is told the running total of a user's day when it reaches 1, 5, 10, 20, 40 and so on, and the rest of that
day with his first core event of a later one: few facts, and the same ones on every replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signals.user import Membership

_FIRST_STEP = 5
# Days, and how many core events are to be added to each.
Added = tuple[tuple[int, int], ...]


# A workspace is told when a day's running total reaches one of these: 1, 5, 10, 20, 40, 80 ... Nobody does more.
STEPS = frozenset({1, *(_FIRST_STEP << n for n in range(40))})


def count_core(membership: Membership, day: int) -> Added:
    """
    Count a core event of a user in a workspace.

    Returns:
        What the workspace is told by it, mostly nothing. A late event of an earlier day is told at once.
    """
    newest = membership.core_day
    if newest == day:
        membership.core_count += 1
        if membership.core_count not in STEPS:
            return ()
        added = membership.core_count - membership.core_told
        membership.core_told = membership.core_count
        return ((day, added),)
    if newest is not None and day < newest:
        return ((day, 1),)
    rest = membership.core_count - membership.core_told
    membership.core_day, membership.core_count, membership.core_told = day, 1, 1
    return ((day, 1),) if newest is None or not rest else ((newest, rest), (day, 1))


def use_name(core: dict[str, int], name: str, day: int, names: int) -> tuple[bool, bool]:
    """
    Remember on which day a core name was used last.

    Args:
        core: By name, the newest day.
        name: As the config writes it.
        day: When it was used.
        names: How many are remembered; the one used longest ago leaves first, this one if it is that.

    Returns:
        Whether the name is new or its day is, and whether one was forgotten.
    """
    known = core.get(name)
    if known is not None:
        if day <= known:
            return False, False
        core[name] = day
        return True, False
    has_forgotten = len(core) >= names
    if has_forgotten:
        oldest = min(core, key=core.__getitem__)
        if day < core[oldest]:
            return False, True
        del core[oldest]
    core[name] = day
    return True, has_forgotten


def names_in(core: dict[str, int], first: int, last: int) -> int:
    """Count the names whose newest day lies from `first` to `last`, both included."""
    return len([day for day in core.values() if first <= day <= last])
