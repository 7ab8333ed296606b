"""The user's state: who this is, which workspaces are his, and what he did for the first time."""

from __future__ import annotations

import msgspec
from xxhash import xxh3_64_digest

from signals.active_days import ActiveDay, add_day
from signals.attempts import Attempt
from signals.champions import CHAMPION, REMOVED, uncrown
from signals.event import Event, EventType, Role
from signals.facts import CustomMark
from signals.fired import FiredState
from signals.timers import Timer

_ID_BYTES = 8
# A duplicate is looked for among the last 64 ids (SIGNALS A16).
_RECENT_BYTES = 64 * _ID_BYTES
_NEVER = -1
# The timer of a sign-up that is to be followed by an activation: that of the rule of this name.
STALLED = "activation_stalled"
# Looking a member up in its enum costs more than the comparison.
_TRACK, _GROUP = EventType.TRACK, EventType.GROUP
_REMOVED, _JOINED = Role.MEMBER_REMOVED, Role.MEMBER_JOINED


class Membership(msgspec.Struct, array_like=True, gc=False):
    """
    What is known of a user in one workspace.

    `is_listed` goes by the order of application (SIGNALS A6), `in_at` and `out_at` by event time (A19): the newest at
    which he was active or joined, and the newest at which he was removed. `touched` and `active_order` are places in
    the user's own order of events. `told` is the version of the profile that the workspace knows.
    """

    touched: int = 0
    active_order: int = 0
    is_listed: bool = False
    in_at: int | None = None
    out_at: int | None = None
    told: int = _NEVER
    newest_day: int | None = None
    # Bit i, little-endian: active on the day `newest_day` - i.
    days: bytes = b""
    # The domain of the enterprise list that the workspace has seen him with.
    shown: str | None = None
    # His core events here on the newest day that had one, and how many of them the workspace has been told of.
    core_day: int | None = None
    core_count: int = 0
    core_told: int = 0
    # He has been a power user here, and is watched.
    is_champion: bool = False

    @property
    def is_member(self) -> bool:
        """Whether the user was active or joined later than he was removed."""
        return self.in_at is not None and (self.out_at is None or self.in_at > self.out_at)

    def come(self, time: int) -> None:
        """Take note that the user was active or joined."""
        if self.in_at is None or time > self.in_at:
            self.in_at = time

    def leave(self, time: int) -> None:
        """Take note that the user was removed."""
        self.is_listed = False
        if self.out_at is None or time > self.out_at:
            self.out_at = time

    def add_day(self, day: int) -> ActiveDay | None:
        """Remember an active day; None if it was known, or is too old to be remembered."""
        return add_day(self, day)


# What the fields are called where they are stored: written out, the names would be an eighth of all states.
_STORED_AS = {
    "recent": "r",
    "order": "o",
    "domain": "d",
    "email": "e",
    "has_internal_address": "i",
    "shown": "s",
    "employees": "n",
    "signed_up_at": "su",
    "activated_at": "ac",
    "version": "v",
    "is_suspect": "x",
    "is_settled": "t",
    "workspaces": "w",
    "gated": "g",
    "timers": "tm",
    "newest_day": "nd",
    "days": "ds",
    "core": "c",
    "measured": "ms",
    "custom": "cu",
    "custom_days": "cd",
    "answered": "an",
    "measurable_from": "mf",
    "measurable_until": "mu",
    "invited": "iv",
}


class UserState(FiredState, omit_defaults=True, forbid_unknown_fields=True, rename=_STORED_AS, gc=False):
    """
    One user, one workspace of events without a user, or one anonymous visitor; the latter two use `recent` only.

    `recent` holds hashes of the last ids. `order` counts the applied events that count. `version` counts the changes
    of what workspaces are told about him. `gated` counts, by feature and day, the attempts at what his plan does not
    include. Of the e-mail address only the domain is kept, unless `alerts.show_email` says otherwise.
    """

    at: int = -1
    due: int | None = None
    recent: bytearray = msgspec.field(default_factory=bytearray)
    order: int = 0
    domain: str | None = None
    # Kept only where the config lets alerts show it.
    email: str | None = None
    has_internal_address: bool = False
    # The domain of the enterprise list that was shown last, and the workspace that saw it first.
    shown: tuple[str, str] | None = None
    employees: int | float | None = None
    signed_up_at: int | None = None
    activated_at: int | None = None
    version: int = 0
    # A record of his was set aside unapplied: what is known of him may be wrong.
    is_suspect: bool = False
    # He has had a workspace other than the personal one, which is left for good by that.
    is_settled: bool = False
    workspaces: dict[str, Membership] = msgspec.field(default_factory=dict)
    gated: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    timers: dict[str, Timer] = msgspec.field(default_factory=dict)
    # His active days wherever he was: bit i of `days`, little-endian, is the day `newest_day` - i.
    newest_day: int | None = None
    days: bytes = b""
    # Of each core name the newest day on which he used it.
    core: dict[str, int] = msgspec.field(default_factory=dict)
    # Which measures of his have been told, one bit each (signals/measures.py).
    measured: int = 0
    # For the config's own signals (signals/custom_state.py): events by signal and day; by signal and workspace the
    # newest day and the days as in a membership, changed last at the end; of each wait the newest event that ends it.
    custom: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    custom_days: dict[str, tuple[int, bytes]] = msgspec.field(default_factory=dict)
    answered: dict[str, int] = msgspec.field(default_factory=dict)
    # Before and from these times (Unix milliseconds) his activity is no measure.
    measurable_from: int = 0
    measurable_until: int = 0
    # How many invitations he has sent.
    invited: int = 0

    def admit_id(self, event_id: str) -> bool:
        """Tell whether an id is not among the user's last 64, and remember it if so."""
        digest, recent = xxh3_64_digest(event_id.encode()), self.recent
        at = recent.find(digest)
        while at >= 0:
            if at % _ID_BYTES == 0:
                return False
            at = recent.find(digest, at + 1)
        recent += digest
        if len(recent) > _RECENT_BYTES:
            del recent[:_ID_BYTES]
        return True

    def forget_workspace(self) -> None:
        """Forget one: those he was removed from leave first, then the one not touched for longest."""
        known = self.workspaces
        left = min(known, key=lambda workspace: (known[workspace].is_listed, known[workspace].touched))
        uncrown(self, left, known.pop(left))

    def drop_timers(self) -> None:
        """Wait for nothing any more, and watch him nowhere."""
        self.timers.clear()
        self.due = None
        for membership in self.workspaces.values():
            membership.is_champion = False

    def set_address(self, domain: str | None, *, is_internal: bool) -> None:
        """Keep what the last known e-mail address tells."""
        self.has_internal_address = is_internal
        if domain != self.domain:
            self.domain = domain
            self.version += 1


class CustomProgress(msgspec.Struct, gc=False):
    """What it is for the config's own signals: those to be judged, what the workspace is to be told, and its day."""

    counted: tuple[str, ...]
    told: tuple[CustomMark, ...]
    day: int


class Progress(msgspec.Struct, gc=False):
    """What one applied event changed for its user: the workspace it counts in, and what is new there."""

    roles: tuple[Role, ...]
    is_internal: bool = False
    workspace: str | None = None
    membership: Membership | None = None
    is_active: bool = False
    signed_up: bool = False
    activated: bool = False
    moved_from: str | None = None
    joined: int = 0
    # The same for being a member who has signed up.
    signed_up_joined: int = 0
    attempt: Attempt | None = None
    day: ActiveDay | None = None
    # He was not known to be active on the day, anywhere.
    is_new_day: bool = False
    # A core name is new, or new on the day.
    has_new_core: bool = False
    # What is to be added to the workspace's volume.
    core: tuple[tuple[int, int], ...] = ()
    # He was active in the workspace, or joined it, for the first time.
    has_come: bool = False
    # Set where a power user of the workspace was removed from it.
    champion: str | None = None
    # The workspace that is to be asked what sales knows of his company, because this one sees it for the first time.
    asked: str | None = None
    must_tell: bool = False
    # A workspace has been added, or the name of a company.
    has_grown: bool = False
    forgot_workspace: bool = False
    # A timer was set or taken away.
    has_timers: bool = False
    custom: CustomProgress | None = None


def apply_event(user: UserState, event: Event, progress: Progress, cap: int) -> None:
    """
    Fold an event that counts into its user: milestones, workspace, membership. Active days are the caller's.

    Args:
        user: The state, with the address of the event taken already.
        event: An event with a user id that is no duplicate.
        progress: Receives what changed. Its `roles` are those that count: of an internal user the passive ones.
        cap: How many workspaces a user may have.
    """
    user.order += 1
    is_internal = progress.is_internal
    if event.type is _TRACK:
        progress.is_active = not (event.passive or is_internal)
        if progress.roles:
            _reach_milestones(user, event.time, progress)
    elif event.type is _GROUP:
        employees = event.traits.get("employees")
        if isinstance(employees, int | float) and not isinstance(employees, bool):
            user.employees = employees
    is_leaving = _REMOVED in progress.roles
    workspace = _place(user, event, progress.roles, may_be_personal=not is_internal)
    if workspace is None:
        return
    membership = _enter(user, workspace, event, progress, is_leaving=is_leaving, cap=cap)
    progress.workspace, progress.membership = workspace, membership
    was_member, belonged = membership.is_member, membership.in_at is not None
    was_counted = was_member and user.signed_up_at is not None and not progress.signed_up
    if is_leaving:
        membership.leave(event.time)
        if membership.is_champion and not membership.is_member:
            uncrown(user, workspace, membership)
            progress.champion = REMOVED
    if progress.is_active:
        membership.active_order = user.order
    if progress.is_active or (not is_internal and _JOINED in progress.roles):
        membership.come(event.time)
    progress.has_come = not belonged and membership.in_at is not None
    progress.joined = membership.is_member - was_member
    progress.signed_up_joined = (membership.is_member and user.signed_up_at is not None) - was_counted
    progress.must_tell |= progress.joined != 0 or progress.has_come or membership.told != user.version


def keep_timers(user: UserState, event: Event, progress: Progress, *, may_stall: bool) -> None:
    """
    Set, end and move a user's timers, by what an event has changed.

    Args:
        user: The state, with the event applied.
        event: What happened.
        progress: What it changed.
        may_stall: Whether a sign-up without activation is to be noticed.
    """
    if user.activated_at is not None:
        user.timers.pop(STALLED, None)
    elif progress.signed_up and may_stall:
        user.timers[STALLED] = Timer(event.time, event.id, event.source, workspace=progress.workspace)
        progress.has_grown = True
    if progress.moved_from is not None and progress.workspace is not None and progress.membership is not None:
        stalled = user.timers.get(STALLED)
        if stalled is not None and stalled.workspace == progress.moved_from:
            user.timers[STALLED] = msgspec.structs.replace(stalled, workspace=progress.workspace)
        watch = user.timers.pop(f"{CHAMPION}|{progress.moved_from}", None)
        if watch is not None:
            user.timers[f"{CHAMPION}|{progress.workspace}"] = watch
            progress.membership.is_champion = True


def _reach_milestones(user: UserState, time: int, progress: Progress) -> None:
    # "First" goes by the order in which events are applied, not by event time (SIGNALS A8).
    if user.signed_up_at is None and Role.SIGNED_UP in progress.roles:
        user.signed_up_at = time
        user.version += 1
        progress.signed_up = True
    if user.activated_at is None and Role.ACTIVATED in progress.roles:
        user.activated_at = time
        user.version += 1
        progress.activated = True


def _place(user: UserState, event: Event, roles: tuple[Role, ...], *, may_be_personal: bool) -> str | None:
    """Find the workspace that an event counts in (SIGNALS 2 and A6)."""
    if event.workspace_id is not None:
        return event.workspace_id
    listed = [workspace for workspace, membership in user.workspaces.items() if membership.is_listed]
    if len(listed) == 1:
        return listed[0]
    if listed:
        if Role.PROCUREMENT_REQUESTED not in roles:
            return None
        newest = max(listed, key=lambda workspace: user.workspaces[workspace].active_order)
        return newest if user.workspaces[newest].active_order else None
    return None if user.is_settled or not may_be_personal else f"user:{event.user_id}"


def _enter(
    user: UserState, workspace: str, event: Event, progress: Progress, *, is_leaving: bool, cap: int
) -> Membership:
    is_named = event.workspace_id is not None and not is_leaving
    if is_named and not user.is_settled:
        user.is_settled = True
        personal = f"user:{event.user_id}"
        if personal != workspace and user.workspaces.pop(personal, None) is not None:
            progress.moved_from = personal
    membership = user.workspaces.get(workspace)
    if membership is None:
        if len(user.workspaces) >= cap:
            user.forget_workspace()
            progress.forgot_workspace = True
        membership = user.workspaces[workspace] = Membership()
        progress.has_grown = True
    if is_named and not membership.is_listed:
        membership.is_listed = True
        progress.must_tell = True
    membership.touched = user.order
    return membership
