"""
A second implementation of the signals, by brute force: it keeps everything and asks everything anew.

It shares no code with the engine but the event itself and the domain lists, and knows nothing of policy, facts, fences
or bounded state. Slow and meant to be.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from signals.domains import Domains
from signals.event import PASSIVE_ROLES, Event, EventType, Role
from signals.units import DAY_MS
from tests.signals.billing_reference import BillingNumbers, BillingReference
from tests.signals.timer_reference import TimerNumbers, TimerReference
from tests.signals.user_reference import UserNumbers, UserReference

Fired = tuple[str, str, str, int]


@dataclass
class Numbers:
    """The parameters that the tests vary."""

    window: int = 7
    active_users: int = 5
    rearm_at: int = 3
    cooldown_days: int = 30
    procurement_cooldown_days: int = 7
    internal_domains: tuple[str, ...] = ()
    internal_users: tuple[str, ...] = ()
    billing: BillingNumbers = field(default_factory=BillingNumbers)
    users: UserNumbers = field(default_factory=UserNumbers)
    timers: TimerNumbers = field(default_factory=TimerNumbers)


@dataclass
class Person:
    """All that a user ever did."""

    address: str | None = None
    has_signed_up: bool = False
    has_activated: bool = False
    # (workspace, "in" | "out" | "active") in the order of application.
    log: list[tuple[str, str]] = field(default_factory=list)

    def listed(self) -> list[str]:
        """The real workspaces he has, by the order of application."""
        last = {workspace: what for workspace, what in self.log if what in {"in", "out"}}
        return [workspace for workspace, what in last.items() if what == "in"]

    def last_active_in(self, workspaces: list[str]) -> str | None:
        """The workspace of his newest activity among those given."""
        active = [workspace for workspace, what in self.log if what == "active" and workspace in workspaces]
        return active[-1] if active else None


class Reference:
    """Feed it events in order; `fired` is everything that fired."""

    def __init__(self, numbers: Numbers, domains: Domains) -> None:
        self.numbers = numbers
        self.domains = domains
        self.fired: list[Fired] = []
        self.ids: dict[str, list[str]] = defaultdict(list)
        self.people: dict[str, Person] = defaultdict(Person)
        # (workspace, user) -> times of being active or joined, times of being removed, active days.
        self.came: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.left: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.days: dict[tuple[str, str], set[int]] = defaultdict(set)
        self.counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.ends_fired: dict[str, list[int]] = defaultdict(list)
        self.requests: dict[tuple[str, str], int] = {}
        self.billing = BillingReference(numbers.billing, self.fired)
        self.users = UserReference(numbers.users, self.fired)
        self.timers = TimerReference(numbers.timers, self.fired)

    def feed(self, event: Event) -> None:
        """Apply one event."""
        key = event.subject
        if event.id in self.ids[key][-64:]:
            return
        self.ids[key].append(event.id)
        if event.user_id is None:
            if event.workspace_id is not None:
                self.timers.move(event.workspace_id, event.time)
                self._procure(event, event.workspace_id, event.roles)
                self._bill(event, event.workspace_id, event.roles, is_active=False)
            return
        person = self.people[event.user_id]
        self.users.event_comes(event.user_id, event.time)
        if event.email is not None:
            person.address = event.email
        internal = self._is_internal(event.user_id, person.address)
        roles = tuple(role for role in event.roles if role in PASSIVE_ROLES) if internal else event.roles
        if internal:
            self.users.is_internal(event.user_id)
        if internal and not roles:
            return
        self._user_signals(event, person, roles)
        if not internal:
            self.billing.user_event(event, roles)
            self.users.user_event(event, roles)
        workspace = self._workspace_of(event, person, roles, internal=internal)
        if workspace is not None:
            self._in_workspace(event, person, roles, workspace, internal=internal)

    def _is_internal(self, user: str, address: str | None) -> bool:
        host = (address or "").rpartition("@")[2].lower()
        ours = any(host == domain or host.endswith("." + domain) for domain in self.numbers.internal_domains)
        return ours or user in self.numbers.internal_users

    def _user_signals(self, event: Event, person: Person, roles: tuple[Role, ...]) -> None:
        user = event.user_id or ""
        if Role.SIGNED_UP in roles and not person.has_signed_up:
            person.has_signed_up = True
            self.fired.append(("signed_up", user, event.id, event.time))
        if Role.ACTIVATED in roles and not person.has_activated:
            person.has_activated = True
            self.fired.append(("activated", user, event.id, event.time))

    def _workspace_of(self, event: Event, person: Person, roles: tuple[Role, ...], *, internal: bool) -> str | None:
        if event.workspace_id is not None:
            return event.workspace_id
        listed = person.listed()
        if len(listed) == 1:
            return listed[0]
        if listed:
            return person.last_active_in(listed) if Role.PROCUREMENT_REQUESTED in roles else None
        was_settled = any(what == "in" for _, what in person.log)
        if was_settled or internal:
            return None
        return f"user:{event.user_id}"

    def _in_workspace(
        self, event: Event, person: Person, roles: tuple[Role, ...], workspace: str, *, internal: bool
    ) -> None:
        user = event.user_id or ""
        pair = (workspace, user)
        self.timers.move(workspace, event.time)
        is_active = event.type is EventType.TRACK and not event.passive and not internal
        if Role.MEMBER_REMOVED in roles:
            person.log.append((workspace, "out"))
            self.left[pair].append(event.time)
        elif event.workspace_id is not None:
            person.log.append((workspace, "in"))
        if is_active:
            person.log.append((workspace, "active"))
        if is_active or (Role.MEMBER_JOINED in roles and not internal):
            self.came[pair].append(event.time)
        self._second_user(event, workspace)
        if is_active:
            self._multi_user(event, workspace, user)
        if person.address is not None and not internal:
            self._enterprise(event, workspace, person.address)
        self._procure(event, workspace, roles)
        self._bill(event, workspace, roles, is_active=is_active)

    def _members(self, workspace: str) -> list[str]:
        return [
            pair[1]
            for pair, times in self.came.items()
            if pair[0] == workspace and times and max(times) > max(self.left[pair], default=-1)
        ]

    def _bill(self, event: Event, workspace: str, roles: tuple[Role, ...], *, is_active: bool) -> None:
        before = len(self.fired)
        members = self._members(workspace)
        signed_up = sum(self.people[user].has_signed_up for user in members)
        self.billing.workspace_event(event, workspace, roles, len(members), signed_up)
        raised = {signal for signal, *_ in self.fired[before:]}
        pays = self.billing.pays(workspace)
        self.timers.applied(event, workspace, roles, raised, is_active=is_active, is_paying=pays)

    def _second_user(self, event: Event, workspace: str) -> None:
        if len(self._members(workspace)) >= 2:
            self._once(("second_user", workspace, event.id, event.time))

    def _multi_user(self, event: Event, workspace: str, user: str) -> None:
        number = event.time // DAY_MS
        known = self.days[workspace, user]
        newest = max((max(days) for pair, days in self.days.items() if pair[0] == workspace and days), default=number)
        self.timers.active_day(event, workspace, known, newest)
        if number in known or newest - number >= 90:
            known.add(number)
            return
        length, counts = self.numbers.window, self.counts[workspace]
        ends = [
            end for end in range(number, number + length) if not any(end - length < other <= end for other in known)
        ]
        known.add(number)
        for end in ends:
            counts[end] += 1
        for end in ends:
            if counts[end] >= self.numbers.active_users and self._may_fire_again(workspace, end):
                self.ends_fired[workspace].append(end)
                self.fired.append(("multi_user", workspace, event.id, event.time))
                return

    def _may_fire_again(self, workspace: str, end: int) -> bool:
        if not self.ends_fired[workspace]:
            return True
        last = self.ends_fired[workspace][-1]
        between = [self.counts[workspace].get(other, 0) for other in range(last + 1, end)]
        quiet = any(users <= self.numbers.rearm_at for users in between)
        return end > last and end - last >= self.numbers.cooldown_days and quiet

    def _enterprise(self, event: Event, workspace: str, address: str) -> None:
        domain = self.domains.of_email(address)
        if domain is None or self.domains.kind(domain) != "enterprise":
            return
        if (workspace, domain) not in self.requests:
            self.requests[workspace, domain] = event.time
            self.fired.append(("enterprise_domain", workspace, event.id, event.time))

    def _procure(self, event: Event, workspace: str, roles: tuple[Role, ...]) -> None:
        if Role.PROCUREMENT_REQUESTED not in roles:
            return
        key = (workspace, f"procurement {event.matched}")
        last = self.requests.get(key)
        if last is None or event.time - last >= self.numbers.procurement_cooldown_days * DAY_MS:
            self.requests[key] = event.time
            self.fired.append(("procurement", workspace, event.id, event.time))

    def _once(self, fired: Fired) -> None:
        if not any(other[:2] == fired[:2] for other in self.fired):
            self.fired.append(fired)
