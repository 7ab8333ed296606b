"""Explanation: why a user or a workspace did or did not become a signal or an alert; the public form of `--json`."""

from __future__ import annotations

import msgspec

from signals.rule import Evidence, Why


class SignalRead(msgspec.Struct, frozen=True):
    """What an explanation needs of a value of `plg.signals`."""

    id: str
    signal: str
    kind: str
    scope: str
    occurred_at: str
    detected_at: str
    config: str
    evidence: Evidence = {}
    user_id: str | None = None
    workspace_id: str | None = None


class VerdictRead(msgspec.Struct, frozen=True):
    """What an explanation needs of a value of `plg.verdicts`."""

    signal_id: str
    signal: str
    verdict: str
    decided_at: str
    workspace_id: str | None = None
    reason: str | None = None
    alert_id: str | None = None


class Origin(msgspec.Struct, frozen=True):
    """
    Where a state was read.

    `written_at` is when this state was stored last, `checkpoint_at` when its partition was; `behind` is how many Kafka
    records of its input log were not yet in it. Of a file all three are None.
    """

    place: str
    written_at: str | None = None
    checkpoint_at: str | None = None
    behind: int | None = None


class Told(msgspec.Struct, frozen=True):
    """
    A signal that fired, and what became of it.

    `n` counts the firings of its signal and key so far, None where the state does not say. Without `evidence` its
    record was not found: it is older than what was read.
    """

    id: str
    signal: str
    scope: str
    occurred_at: str
    user_id: str | None = None
    n: int | None = None
    evidence: Evidence | None = None
    headline: str | None = None
    why: tuple[Why, ...] = ()
    verdict: str | None = None
    reason: str | None = None
    decided_at: str | None = None
    alert_id: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """One of the last verdicts in the state whose signal is not among those told."""

    signal: str
    verdict: str
    reason: str | None
    decided_at: str


class Gap(msgspec.Struct, frozen=True):
    """What is missing until a signal fires."""

    signal: str
    missing: str


class Wait(msgspec.Struct, frozen=True):
    """Something that happens at `due` although nobody does anything, unless something else does before."""

    due: str
    what: str
    signal: str | None = None
    key: str | None = None
    since: str | None = None
    unless: str | None = None


class Gate(msgspec.Struct, frozen=True):
    """Whether sales may hear of the workspace at all."""

    open: bool
    because: str
    activated_at: str | None = None


class UsageTold(msgspec.Struct, frozen=True):
    """The newest report of one metric."""

    metric: str
    period: str
    used: float
    limit: float
    reported_at: str


class TrialTold(msgspec.Struct, frozen=True):
    """The trial in force."""

    started_at: str
    ends_at: str


class WorkspaceTold(msgspec.Struct, frozen=True):
    """
    What is known of a workspace.

    `active_users` are by window (`7d`) those of the windows that end today, `core_events` likewise.
    """

    members: int
    active_users: dict[str, int]
    gate: Gate
    name: str | None = None
    domain: str | None = None
    first_event_at: str | None = None
    newest_event_at: str | None = None
    active_at: str | None = None
    newest_active_day: str | None = None
    plan: str | None = None
    paying: bool = False
    seats: float | None = None
    seats_used: float | None = None
    employees: float | None = None
    usage: tuple[UsageTold, ...] = ()
    trial: TrialTold | None = None
    core_events: dict[str, int] = {}
    score: float | None = None
    score_parts: dict[str, float] = {}
    moved_to: str | None = None


class MembershipTold(msgspec.Struct, frozen=True):
    """What is known of a user in one workspace; `active_days` by window, of those that end today."""

    workspace_id: str
    member: bool
    active_days: dict[str, int]
    newest_active_day: str | None = None
    removed_at: str | None = None


class UserTold(msgspec.Struct, frozen=True):
    """What is known of a user."""

    internal: bool
    active_days: dict[str, int]
    domain: str | None = None
    signed_up_at: str | None = None
    activated_at: str | None = None
    employees: float | None = None
    workspaces: tuple[MembershipTold, ...] = ()
    # By core name the newest day, by feature the attempts that are remembered.
    core: dict[str, str] = {}
    refused: dict[str, int] = {}


class OpenAlert(msgspec.Struct, frozen=True):
    """An alert that nobody has closed."""

    id: str
    signal: str
    title: str
    priority: str
    route: str
    status: str
    since: str
    # When it ends as expired if nobody closes it.
    closes_at: str


class Hush(msgspec.Struct, frozen=True):
    """Why sales does not hear of something for a while: `until` None is for good, `signal` None is every signal."""

    what: str
    signal: str | None = None
    until: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """
    Everything that can be said of one subject at the moment `now`; what is in words is for people and may change.

    Either `workspace` or `user` is there, by `scope`. `untold` are the signals that have not fired and of which no
    distance can be told. `pending` are the reasons that join the next alert.
    """

    id: str
    scope: str
    now: str
    config: str
    origin: Origin
    workspace: WorkspaceTold | None = None
    user: UserTold | None = None
    suspect: bool = False
    signals: tuple[Told, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    gaps: tuple[Gap, ...] = ()
    untold: tuple[str, ...] = ()
    waits: tuple[Wait, ...] = ()
    alerts: tuple[OpenAlert, ...] = ()
    pending: tuple[Why, ...] = ()
    hushed: tuple[Hush, ...] = ()
    warnings: tuple[str, ...] = ()
    v: int = 1
