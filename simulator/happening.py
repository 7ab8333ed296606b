"""Happening: one thing that happens in the world, before it is written as a Segment call and delivered."""

from __future__ import annotations

from typing import NamedTuple

from simulator.company import Person

Properties = dict[str, object]
Message = dict[str, object]


class Happening(NamedTuple):
    """
    `kind` is the Segment call; `name` the event or page name; `person` None for a back end that speaks of a workspace.

    `properties` are the traits on identify and group. Happenings are shared with nobody: a message may keep its
    properties without a copy.
    """

    time: int
    kind: str
    name: str
    person: Person | None
    workspace_id: str | None
    properties: Properties
    # True where only the browser's anonymous id is known yet.
    anonymous: bool = False


def tracked(
    time: int, name: str, person: Person | None, workspace_id: str | None, properties: Properties | None = None
) -> Happening:
    """A track call, the most common one."""
    return Happening(time, "track", name, person, workspace_id, {} if properties is None else properties)


def viewed(time: int, page: str, person: Person, workspace_id: str | None, *, anonymous: bool = False) -> Happening:
    """A page call."""
    path = f"/{page.lower()}"
    properties: Properties = {"path": path, "url": f"https://www.oursaas.example{path}", "title": page}
    return Happening(time, "page", page, person, workspace_id, properties, anonymous)
