"""One user of a million events and one workspace of as many members: `python -m benchmarks.one_subject`."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from signals.engine import step_user, step_workspace
from signals.event import Role
from signals.facts import Note
from tests.signals.builders import ACTIVATION, HOUR, MONDAY, River, event
from tests.signals.hostile import Producer, events
from tests.signals.test_bounds import member

_EVENTS = 1_000_000
_INVENTED = 20_000
_ROWS = 5
_ROLES = ((), (), (Role.CORE,), (Role.INVITE_SENT,), (Role.SIGNED_UP,))


def _run() -> None:
    console = Console(highlight=False)
    console.print(_table("a user, events", _EVENTS, *_usual_user()))
    console.print(_table("a workspace, members", _EVENTS, *_workspace()))
    console.print(_table("a user, a new text in every field", _INVENTED, *_inventive_user()))


def _usual_user() -> tuple[Callable[[range], object], Callable[[], int]]:
    river = River()

    def feed(numbers: range) -> None:
        for n in numbers:
            made = event("ann", f"w{n % 3}", on=MONDAY + n * HOUR // 100, roles=_ROLES[n % 5], event_id=f"e{n}")
            step_user(river.users, made, n, 0, river.engine)

    return feed, lambda: len(river.users.sealed("user:ann"))


def _workspace() -> tuple[Callable[[range], object], Callable[[], int]]:
    river = River(ACTIVATION)

    def feed(numbers: range) -> None:
        for n in numbers:
            step_workspace(river.workspaces, member(n, MONDAY + n * 10_000), n, 0, river.engine)

    return feed, lambda: len(river.workspaces.sealed("acme"))


def _inventive_user() -> tuple[Callable[[range], object], Callable[[], int]]:
    river = River(ACTIVATION)
    made = events(river.engine.config, Producer(7, 256, users=1, workspaces=None).records(_INVENTED, step_ms=20_000))

    def feed(numbers: range) -> None:
        for n in numbers:
            out = step_user(river.users, next(made), n, 0, river.engine)
            assert Note.REPEATED not in out.notes

    [start] = [f"user:{key}" for key in ("u0".ljust(256, "\U0001f600"),)]
    return feed, lambda: len(river.users.sealed(start))


def _table(what: str, count: int, feed: Callable[[range], object], size: Callable[[], int]) -> Table:
    table = Table(title=what, title_justify="left")
    for column in ("after", "bytes stored", "CPU us each"):
        table.add_column(column, justify="right")
    share = count // _ROWS
    for row in range(_ROWS):
        begun = time.process_time()
        feed(range(row * share, (row + 1) * share))
        each_us = (time.process_time() - begun) / share * 1e6
        table.add_row(f"{(row + 1) * share:,}", f"{size():,}", f"{each_us:.1f}")
    return table


if __name__ == "__main__":
    _run()
