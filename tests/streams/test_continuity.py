"""A log that was recreated under its states is refused; one that retention has shortened is said loudly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from signals.shard import Coordinate, Fence
from streams import continuity as continuity_module
from streams.continuity import Continuity

EVENTS, COMMANDS, USERS, FACTS = "events", "plg.commands", "plg.user-events", "plg.workspace-facts"


class Table:
    """A table whose partition 0 has just come."""

    def __init__(self, **fence: Any) -> None:
        self._fences = {0: Fence(**fence)}

    def unverified(self) -> dict[int, Fence]:
        return self._fences

    def mark_verified(self) -> None:
        self._fences = {}


class Ended(Exception):
    """Stands in for the end of the process."""


def verify(
    monkeypatch: pytest.MonkeyPatch,
    *,
    users: Table | None = None,
    facts: Table | None = None,
    ends: Mapping[TP, int] | None = None,
    begins: Mapping[TP, int] | None = None,
    committed: Mapping[TP, int | None] | None = None,
) -> list[tuple[str, dict[str, object]]]:
    """What the verification ends the process with, or says; the logs end at 10 unless said otherwise."""
    tables = {USERS: users or Table(), FACTS: facts or Table()}
    known = {TP(topic, 0): 10 for topic in (EVENTS, COMMANDS, USERS, FACTS)} | dict(ends or {})

    async def ends_of(_tps: list[TP]) -> Mapping[TP, int | None]:
        return known

    async def begins_of(_tps: list[TP]) -> Mapping[TP, int | None]:
        return begins or {}

    def end(event: str, **fields: object) -> NoReturn:
        said.append((event, fields))
        raise Ended

    said: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(continuity_module, "fail_stop", end)
    made = Continuity(tables, [EVENTS, COMMANDS], COMMANDS, ends_of, begins_of)
    with capture_logs() as logs:
        try:
            asyncio.run(made.verify(committed or {}))
        except Ended:
            return said
    return [(line["event"], line) for line in logs]


@pytest.mark.parametrize(
    ("name", "states", "applied"),
    [
        ("log.recreated", {"users": {"end": 11}}, 11),
        ("log.recreated", {"facts": {"end": 11}}, 11),
        ("source.recreated", {"users": {"origins": {f"{EVENTS}:0": Coordinate(10)}}}, 11),
        ("source.recreated", {"facts": {"origins": {"c0": Coordinate(10)}}}, 11),
        # A partition that is there no more.
        ("source.recreated", {"users": {"origins": {f"{EVENTS}:7": Coordinate(0)}}}, 1),
    ],
    ids=["users-log", "facts-log", "source", "commands", "partition-gone"],
)
def test_states_beyond_the_end_of_their_log_are_refused_with_the_command_that_repairs_it(
    monkeypatch: pytest.MonkeyPatch, name: str, states: dict[str, dict[str, Any]], applied: int
) -> None:
    tables = {table: Table(**fence) for table, fence in states.items()}

    [(event, fields)] = verify(monkeypatch, **tables)

    assert (event, fields["applied"], fields["repair"]) == (name, applied, "plg topics reset")


def test_states_that_reach_the_end_of_their_logs_and_no_further_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Table(end=10, origins={f"{EVENTS}:0": Coordinate(9), "gone:0": Coordinate(99)})
    facts = Table(end=10, origins={"u0": Coordinate(9), "w0": Coordinate(9), "c0": Coordinate(9)})

    assert verify(monkeypatch, users=users, facts=facts, committed={TP(EVENTS, 0): 10, TP(USERS, 0): 10}) == []


def test_an_offset_committed_beyond_the_end_of_a_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    [(event, fields)] = verify(monkeypatch, committed={TP(EVENTS, 0): 11})

    assert (event, fields["applied"], fields["log_end"]) == ("source.recreated", 11, 10)


def test_an_offset_committed_beyond_the_states_means_that_the_changelog_has_lost_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [(event, fields)] = verify(monkeypatch, users=Table(end=4), committed={TP(USERS, 0): 5})

    assert (event, fields["committed"]) == ("changelog.recreated", 5)


def test_unread_records_that_retention_has_deleted_are_counted_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    place = TP(EVENTS, 0)

    [(event, fields)] = verify(monkeypatch, committed={place: 4}, begins={place: 7})
    nothing = verify(monkeypatch, committed={place: 4}, begins={place: 4})

    assert (event, fields["records"], fields["log_level"]) == ("source.expired", 3, "error")
    assert nothing == []
