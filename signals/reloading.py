"""What of a config may change while states stand, and what may not: the one needs a rebuild, some a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from signals.config import Config
from signals.mistakes import dotted
from signals.volume import WEEK


class Effort(StrEnum):
    """What it takes for a changed key to count."""

    NONE = "none"
    RESTART = "restart"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Difference:
    """One key whose values differ, and what the new one takes."""

    key: str
    before: object
    after: object
    effort: Effort


# By the beginning of a key, dotted. What states, logs or ids were made by, and no rule can ask for anew.
_REBUILD = ("prefix", "clock", "time_zone", "identity.", "topics.partitions")
# Of these only what was read before would need the rebuild: a restart goes on with them, so that what a wrong path has
# made a dead letter can be put right and redriven.
GOES_ON_WITH = ("identity.",)
# What a process sets up once.
_RESTART = ("source.", "topics.replication")


def differences(before: Config, after: Config) -> list[Difference]:
    """Every key whose values differ, in the order of the config; a list counts as one value."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return [Difference(key, was, is_now, effort(key)) for key, was, is_now in _differing((), old, new)]


def windows_of(config: Config) -> frozenset[int]:
    """The lengths, in days, of the rings that the config's rules look at, those switched off included."""
    # `usage_spike` looks at a week's people as soon as there are core events.
    return frozenset({WEEK, config.signals.multi_user.window, config.signals.seat_growth.window})


def new_windows(after: Config, kept: Iterable[int]) -> list[Difference]:
    """The windows of rules that are on and whose rings the workspaces have not kept: their counts would be wrong."""
    missing = windows_of(after) - frozenset(kept)
    rules = (("multi_user", after.signals.multi_user), ("seat_growth", after.signals.seat_growth))
    return [
        Difference(f"signals.{name}.window", sorted(kept), rule.window, Effort.REBUILD)
        for name, rule in rules
        if rule.enabled and rule.window in missing
    ]


def efforts(before: Config, after: Config, kept: Iterable[int]) -> list[Difference]:
    """
    What differs between the config in force and another, with what each key takes.

    Args:
        kept: The lengths of the rings that the workspaces keep.
    """
    unkept = {one.key: one for one in new_windows(after, kept)}
    found = [unkept.pop(one.key, one) for one in differences(before, after)]
    # A rule that is switched on, with a window that it had while it was off.
    return [*found, *unkept.values()]


def effort(key: str) -> Effort:
    """What it takes for a changed key to count, but for a window that workspaces have not kept."""
    if key.startswith(_REBUILD):
        return Effort.REBUILD
    return Effort.RESTART if key.startswith(_RESTART) else Effort.NONE


def _differing(path: tuple[str | int, ...], old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401  # JSON
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _differing((*path, name), old.get(name), new.get(name))
    elif old != new:
        yield dotted(path), old, new
