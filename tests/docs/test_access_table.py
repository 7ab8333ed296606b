"""docs/operations.md says what each process may do in Kafka; the code asks for exactly that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from streams.permissions import funnel_needs, worker_needs
from streams.topics import Topics

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


class Grant(NamedTuple):
    """A right as the page lists it; a name that ends with `*` is a prefix."""

    process: str
    kind: str
    name: str
    right: str


def documented_grants() -> list[Grant]:
    """The table, a line for each right."""
    page = OPERATIONS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (topic|group) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    return [
        Grant(process, kind, name, right)
        for process, kind, names, rights in rows
        for name in re.findall(r"`([^`]+)`", names)
        # A key of the config explains the name before it.
        if name != "source.topics"
        for right in rights.split(", ")
    ]


def test_the_page_lists_what_a_worker_asks_for_and_nothing_else() -> None:
    listed = [(grant.kind, grant.name, grant.right) for grant in documented_grants() if grant.process == "worker"]

    needed = [(need.kind, need.name, need.right.value) for need in worker_needs(Topics("plg", 32), ["events"])]

    assert sorted(listed) == sorted(needed)
    assert len(set(listed)) == len(listed)


def test_the_page_lists_what_the_funnel_asks_for_and_nothing_else() -> None:
    listed = [(grant.kind, grant.name, grant.right) for grant in documented_grants() if grant.process == "funnel"]

    needed = [(need.kind, need.name, need.right.value) for need in funnel_needs(Topics("plg", 32))]

    assert sorted(listed) == sorted(needed)


def test_only_the_worker_writes_what_it_derives_and_the_funnel_its_rows() -> None:
    written = {(grant.process, grant.name) for grant in documented_grants() if grant.right == "Write"}

    assert {name for process, name in written if process != "worker"} == {"plg.dead-letters", "plg.funnel"}
