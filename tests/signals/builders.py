"""Builders: events with all that a test is not about filled in, and a river of both steps to feed them to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from itertools import count

from signals.config import Config
from signals.domains import Domains
from signals.engine import (
    Engine,
    Outputs,
    decode_fact_records,
    decode_user_state,
    decode_workspace_state,
    encode_fact,
    encode_state,
    step_user,
    step_workspace,
)
from signals.event import PASSIVE_ROLES, Event, EventType, Role, Scalar, Source, Tick
from signals.facts import Alert, Command, Fact, Firing, Note, Verdict
from signals.moments import iso
from signals.shard import Shard
from signals.units import DAY_MS
from signals.user import UserState
from signals.workspace import WorkspaceState

HOUR = 3_600_000
# A Monday: 2026-03-02T00:00:00Z.
MONDAY = 1_772_409_600_000
FIRST_DAY = MONDAY // DAY_MS

_ids = count(1)

ACTIVATION: dict[str, object] = {"events": {"activated": ["Report Shared"]}}


@cache
def _shipped_domains() -> Domains:
    return Domains(Config().domains)


def engine(settings: dict[str, object] | None = None) -> Engine:
    """An engine with the defaults, but for `settings`."""
    config = Config.model_validate({"clock": "events"} | (settings or {}))
    return Engine(config, _shipped_domains() if config.domains == Config().domains else Domains(config.domains))


def day(number: int, hour: float = 12.0) -> int:
    """Noon of a day in Unix milliseconds: day 1 is the Monday."""
    return MONDAY + (number - 1) * DAY_MS + int(hour * HOUR)


def event(  # noqa: PLR0913 - a builder has a word for every field a test may be about
    user: str | None = "ann",
    workspace: str | None = None,
    *,
    on: int = MONDAY,
    roles: Iterable[Role] = (),
    name: str = "Dashboard Viewed",
    kind: EventType = EventType.TRACK,
    event_id: str | None = None,
    email: str | None = None,
    traits: dict[str, Scalar] | None = None,
    passive: bool = False,
    anonymous: str | None = None,
) -> Event:
    """A canonical event; without roles, an ordinary active one."""
    number = next(_ids)
    roles = tuple(roles)
    return Event(
        event_id or f"e{number}",
        kind,
        on,
        Source("events", 0, number),
        name,
        roles,
        passive or not PASSIVE_ROLES.isdisjoint(roles),
        user,
        anonymous,
        workspace,
        email,
        traits=traits or {},
        matched=name if roles else None,
    )


def track(user: str, name: str, on: int, group: str = "acme", **properties: Scalar) -> bytes:
    """A line of an event file: a user does something in a workspace; once for each user, name, time and workspace."""
    record = {
        "type": "track",
        "event": name,
        "userId": user,
        "messageId": f"{user}-{name}-{on}-{group}",
        "context": {"groupId": group},
        "properties": properties,
        "timestamp": iso(on),
    }
    return json.dumps(record).encode()


class River:
    """Both steps over one partition each, facts through their bytes; collects what comes out."""

    def __init__(self, settings: dict[str, object] | None = None) -> None:
        self.engine = engine(settings)
        self.users: Shard[UserState] = Shard(encode_state, decode_user_state)
        self.workspaces: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
        self.facts: list[Fact] = []
        self.signals: list[Firing] = []
        self.verdicts: list[Verdict] = []
        self.alerts: list[Alert] = []
        self.notes: list[Note] = []
        self._offsets = (count(), count())

    def feed(self, *records: Event | Tick) -> list[Firing]:
        """Apply records, and return the signals they raised."""
        before = len(self.signals)
        for record in records:
            out = step_user(self.users, record, next(self._offsets[0]), 0, self.engine)
            self._collect(out)
            self.facts += out.facts
            # What the timers of users tell comes before the tick that made them due.
            for item in [*out.facts, record] if isinstance(record, Tick) else out.facts:
                self.feed_fact(item)
        return self.signals[before:]

    def feed_fact(self, record: Fact | Tick | Command) -> None:
        """Apply a record of the log of facts."""
        [item] = decode_fact_records(encode_fact(record))
        out = step_workspace(self.workspaces, item, next(self._offsets[1]), 0, self.engine)
        self._collect(out)
        self.facts += out.facts
        for answer in out.facts:
            self.feed_fact(answer)

    def user(self, user: str) -> UserState:
        state = self.users.get(f"user:{user}")
        assert state is not None
        return state

    def workspace(self, workspace: str) -> WorkspaceState:
        state = self.workspaces.get(workspace)
        assert state is not None
        return state

    def _collect(self, out: Outputs) -> None:
        assert out.errors == []
        self.signals += out.signals
        self.verdicts += out.verdicts
        self.alerts += out.alerts
        self.notes += out.notes


def names(firings: Iterable[Firing]) -> list[str]:
    """The signals' names, in order."""
    return [firing.signal for firing in firings]


def team(workspace: str, people: int, on: int, prefix: str = "u") -> list[Event]:
    """One active event each of several people."""
    return [event(f"{prefix}{number}", workspace, on=on) for number in range(people)]
