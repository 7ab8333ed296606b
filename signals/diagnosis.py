"""What `plg doctor` found: plain structs, which its texts and its JSON are made of."""

from __future__ import annotations

import msgspec


class Share(msgspec.Struct, frozen=True):
    """So many of so many."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """0 to 1; 0 of nothing."""
        return self.count / self.of if self.of else 0.0


class Name(msgspec.Struct, frozen=True):
    """The name of a track event: how often it came, of how many users, and what it means."""

    name: str
    count: int
    users: int
    roles: tuple[str, ...]


class Suggestion(msgspec.Struct, frozen=True):
    """A name without a role that reads like one, what it reads like, and how much (0 to 1)."""

    name: str
    count: int
    role: str
    like: str
    likeness: float


class PathFound(msgspec.Struct, frozen=True):
    """
    Where records carry something that the config's paths do not find.

    `goes_first`: what a path of the config finds there is something else, so this one has to stand before it.
    """

    field: str
    path: str
    share: Share
    goes_first: bool = False


class Delay(msgspec.Struct, frozen=True):
    """
    Event times against when the records reached the bus (Kafka's time, in a file `receivedAt`).

    `median_s` is of those that are late, in whole powers of two, as `p99_s` is. `ahead` are more than 5 minutes ahead,
    which a worker sets back.
    """

    compared: int
    ahead: int
    over_hour: int
    over_day: int
    median_s: int | None
    p99_s: int | None


class Capability(msgspec.Struct, frozen=True):
    """Whether a signal or a number of the funnel can be had from these events, and what is missing."""

    name: str
    can: bool
    missing: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """Something to do: `problem` where events are lost or wrong, `advice` where something could be had."""

    severity: str
    what: str
    then: str


class Diagnosis(msgspec.Struct, frozen=True):
    """All of it, of the records looked at; counts of users and duplicates are of the last ones where there are many."""

    v: int
    config: str
    records: int
    events: int
    bad: dict[str, int]
    formats: dict[str, int]
    calls: dict[str, int]
    first_at: str | None
    last_at: str | None
    tracks: int
    mapped: Share
    names: tuple[Name, ...]
    names_left_out: int
    suggestions: tuple[Suggestion, ...]
    candidates: tuple[Name, ...]
    yaml: tuple[str, ...]
    paths: tuple[PathFound, ...]
    with_user: Share
    with_workspace: Share
    placed_by_user: Share
    anonymous_only: Share
    with_email: Share
    properties: dict[str, dict[str, Share]]
    delay: Delay
    disordered: Share
    duplicates: Share
    without_id: Share
    keyed: Share
    keyed_by_user: Share
    users: int
    split_users: Share
    signals: tuple[Capability, ...]
    funnel: tuple[Capability, ...]
    findings: tuple[Finding, ...]
