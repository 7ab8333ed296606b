"""The engine: the rules in force, built from the config and indexed so that an event pays for what it can change."""

from __future__ import annotations

import uuid
from datetime import datetime, time
from functools import lru_cache
from hashlib import sha1
from itertools import product
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING

import msgspec

from signals.arming import SILENT
from signals.billing import Terms
from signals.catalogue import catalogue
from signals.champions import CHAMPION, silent_at
from signals.config import Clock
from signals.custom_state import Customs
from signals.domains import Domains
from signals.event import Role
from signals.moments import Days
from signals.names import zone_of
from signals.quiet import Quiet
from signals.room import workspace_room
from signals.rule import Rule, Scope, Trigger, UserRule, UserTimer, WorkspaceRule, WorkspaceTimer
from signals.timers import key_of, rule_of
from signals.units import milliseconds
from signals.user import STALLED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from signals.config import Config
    from signals.domains import DomainKind
    from signals.facts import Fact, Pulse
    from signals.selling import Route
    from signals.timers import Timer
    from signals.user import UserState
    from signals.workspace import Change, WorkspaceState

# The root of all ids of this project: never change it, or every signal would be new to every sink.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://plg-signals.invalid/")
_CACHED_ADDRESSES = 100_000
_NAMESPACE_BYTES = NAMESPACE.bytes
# The two highest bits of this digit of an id are 1 and 0 (RFC 9562, 4.1).
_VARIANTS = {digit: f"{int(digit, 16) & 3 | 8:x}" for digit in "0123456789abcdef"}
# In the order of the key of `Engine.for_fact`.
_CAUSES = (
    Trigger.MEMBERS,
    Trigger.ACTIVE_DAY,
    Trigger.DOMAIN,
    Trigger.PLAN,
    Trigger.SEATS,
    Trigger.USAGE,
    Trigger.VOLUME,
    Trigger.CHAMPION,
)
_Changed = tuple[bool, bool, bool, bool, bool, bool, bool, bool]


class Address(msgspec.Struct, frozen=True):
    """What the host of an e-mail address tells: its registrable domain, and whether it is one of our own."""

    domain: str | None
    is_internal: bool


class Engine:
    """
    Everything the two steps ask, compiled from a config.

    Args:
        config: The thresholds, routes and lists in force.
        domains: The lists of domains with the config's additions; read anew where None.
        windows: Lengths, in days, of which workspaces keep rings besides those that rules look at: a rule that is
            switched on again finds its ring whole.
        name: The hash by which logs name the config, where that is not the one that it has today.
    """

    def __init__(  # noqa: PLR0915 - flat: one line each
        self, config: Config, domains: Domains | None = None, windows: Iterable[int] = (), name: str | None = None
    ) -> None:
        domains = Domains(config.domains) if domains is None else domains
        self.config = config
        # What signals and alerts say that they were made by.
        self.hash = config.hash if name is None else name
        self.domains = domains
        self.days = Days(config.zone)
        limits = config.limits
        self.terms = Terms(config.plans, self.days, limits.metrics_per_workspace, limits.fired_keys)
        self.customs = Customs(config.custom, limits.custom_keys)
        found = catalogue(config, domains, self.terms, self.days)
        users, workspaces = found.users, found.workspaces
        self.user_timers: dict[str, UserTimer] = {rule.name: rule for rule, is_on in found.user_timers.items() if is_on}
        self.workspace_timers: dict[str, WorkspaceTimer] = {
            rule.name: rule for rule, is_on in found.workspace_timers.items() if is_on
        }
        self._awaits_silence = SILENT in self.workspace_timers
        self.scoring = found.scoring
        # Asked last, about what has fired.
        self.derived = tuple(rule for rule, is_on in found.derived.items() if is_on)
        # All of them, switched off or not: what fired earlier can still be named.
        self.by_name: dict[str, Rule] = {rule.name: rule for rule in found.all()}
        self._user_rules = [rule for rule, is_on in users.items() if is_on]
        # The longest window in which a rule counts core names.
        self.breadth_days = max((rule.breadth_days for rule in self._user_rules), default=0)
        self._day_rules = [rule for rule in self._user_rules if rule.on_active_day]
        self._workspace_rules = [rule for rule, is_on in workspaces.items() if is_on]
        # What is switched on, in the order of the catalogue.
        self.in_force: tuple[Rule, ...] = tuple(found.in_force())
        self._custom_user_rules = {rule.name: rule for rule, is_on in found.custom_users.items() if is_on}
        self._custom_workspace_rules = {rule.name: rule for rule, is_on in found.custom_workspaces.items() if is_on}
        # By window length: the signals that look back at window ends after their last firing.
        self.watched: dict[int, tuple[str, ...]] = dict.fromkeys(windows, ())
        for rule in self._workspace_rules:
            if rule.window is not None:
                known = self.watched.get(rule.window, ())
                self.watched[rule.window] = (*known, rule.name) if rule.looks_back else known
        self.is_wall = config.clock is Clock.WALL
        self.is_gated = bool(config.events.activated)
        self.assumed_activated_before = _first_instant(config)
        self.workspaces_per_user = limits.workspaces_per_user
        self.core_names = limits.core_names
        self.origins = limits.origins
        self.workspace_room = workspace_room(limits)
        self.may_stall = STALLED in self.user_timers
        self.champion_after_ms = milliseconds(config.signals.champion_left.after)
        alerts, hours = config.alerts, config.policy.quiet_hours
        self.alert_cooldown_ms = milliseconds(alerts.cooldown)
        self.max_age_ms = {name: milliseconds(alerts.max_age_for(name)) for name in self.by_name}
        self.cap_window_ms = milliseconds(alerts.cap_window)
        self.shows_email = alerts.show_email
        self.free_to_paid = frozenset(config.policy.free_to_paid)
        self.quiet = Quiet(hours, config.zone if hours.time_zone is None else zone_of(hours.time_zone))
        self.internal_users = frozenset(config.internal.user_ids)
        # Mostly nobody is internal by his id, and nobody's address is told on.
        self.has_exceptions = self.shows_email or bool(self.internal_users)
        self._internal_domains = frozenset(config.internal.domains)
        self._routes = {signal: route for route in reversed(config.routes) for signal in route.signals}
        # Memos of pure look-ups, bounded: the first by the config's names, the second by a cap.
        self._asked_of_users: dict[tuple[tuple[Role, ...], bool], tuple[UserRule, ...]] = {}
        self._asked_of_pulses = {key: self._for_days(*key) for key in product((False, True), repeat=2)}
        self._asked_of_workspaces: dict[tuple[_Changed, tuple[Role, ...]], tuple[WorkspaceRule, ...]] = {}
        self._addresses: dict[str, Address] = {}
        self._kinds: dict[str, DomainKind] = {}

    def for_event(self, roles: tuple[Role, ...], *, is_new: bool) -> tuple[UserRule, ...]:
        """The user rules that an event with these roles, and a day or core name that is new, can change, in order."""
        key = (roles, is_new)
        rules = self._asked_of_users.get(key)
        if rules is None:
            rules = tuple(
                rule for rule in self._user_rules if (is_new and rule.on_active_day) or not rule.roles.isdisjoint(roles)
            )
            self._asked_of_users[key] = rules
        return rules

    def may_matter(self, user: UserState, day: int) -> bool:
        """Whether a new active day of a user could make a rule fire."""
        for rule in self._day_rules:  # noqa: SIM110  # `any` over a generator takes twice as long
            if rule.may_fire(user, day):
                return True
        return False

    def awaits_silence_on(self, plan: str | None) -> bool:
        """Whether anybody waits for the silence of workspaces that are on a plan."""
        return self._awaits_silence and plan is not None and not self.terms.is_free(plan)

    def for_fact(self, fact: Fact, change: Change) -> tuple[WorkspaceRule, ...]:
        """The workspace rules that a fact and what it changed concern, in the order of the catalogue."""
        changed = (
            fact.joined != 0,
            fact.day is not None,
            fact.domain is not None,
            change.plan is not None,
            change.seats is not None,
            change.usage is not None,
            fact.core != (),
            fact.champion is not None,
        )
        key = (changed, fact.roles)
        rules = self._asked_of_workspaces.get(key)
        if rules is None:
            causes = zip(_CAUSES, changed, strict=True)
            triggers = {trigger for trigger, is_there in causes if is_there} | set(fact.roles)
            rules = tuple(rule for rule in self._workspace_rules if not rule.triggers.isdisjoint(triggers))
            self._asked_of_workspaces[key] = rules
        return rules

    def for_pulse(self, pulse: Pulse) -> tuple[WorkspaceRule, ...]:
        """The same for a pulse."""
        return self._asked_of_pulses[pulse.day is not None, pulse.core != ()]

    def _for_days(self, is_day: bool, is_core: bool) -> tuple[WorkspaceRule, ...]:  # noqa: FBT001 - the key of a map
        triggers = {Trigger.ACTIVE_DAY} if is_day else set()
        triggers |= {Trigger.VOLUME} if is_core else set()
        return tuple(rule for rule in self._workspace_rules if not rule.triggers.isdisjoint(triggers))

    def custom_of_user(self, names: Collection[str]) -> tuple[UserRule, ...]:
        """The rules over users of these of the config's own signals, in the order of the catalogue."""
        return tuple(rule for name, rule in self._custom_user_rules.items() if name in names)

    def custom_of_workspace(self, names: Collection[str]) -> tuple[WorkspaceRule, ...]:
        """The same over workspaces."""
        return tuple(rule for name, rule in self._custom_workspace_rules.items() if name in names)

    def user_due(self, user: UserState, key: str, timer: Timer) -> int | None:
        """When a user's timer is due; None if nobody waits for it any more."""
        name = rule_of(key)
        if name == CHAMPION:
            return silent_at(user, key_of(key), timer, self.champion_after_ms)
        rule = self.user_timers.get(name)
        return None if rule is None else rule.due(user, key_of(key), timer)

    def workspace_due(self, workspace: WorkspaceState, key: str, timer: Timer) -> int | None:
        """When a workspace's timer is due; None if nobody waits for it any more."""
        rule = self.workspace_timers.get(rule_of(key))
        return None if rule is None else rule.due(workspace, key_of(key), timer)

    def route_of(self, signal: str) -> Route | None:
        """The route that makes alerts of a signal, None if nobody is to hear of it."""
        return self._routes.get(signal)

    def address(self, email: str) -> Address:
        """What an e-mail address tells, by its host."""
        host = email.rpartition("@")[2]
        address = self._addresses.get(host)
        if address is None:
            if len(self._addresses) >= _CACHED_ADDRESSES:
                self._addresses.clear()
            address = self._addresses[host] = Address(self.domains.of_email(email), self._is_internal(email))
        return address

    def kind_of(self, domain: str) -> DomainKind:
        """What a registrable domain says about who writes from it."""
        kind = self._kinds.get(domain)
        if kind is None:
            if len(self._kinds) >= _CACHED_ADDRESSES:
                self._kinds.clear()
            kind = self._kinds[domain] = self.domains.kind(domain)
        return kind

    def _is_internal(self, email: str) -> bool:
        # A domain is internal if it equals or lies under one of the list (SIGNALS A20).
        rest = self.domains.host_of(email) or ""
        while rest:
            if rest in self._internal_domains:
                return True
            rest = rest.partition(".")[2]
        return False


def identifier(*parts: str | int) -> str:
    """The id of whatever the parts name: the same after any crash, replay or rebalance (SIGNALS 4)."""
    return _identifier("[" + ",".join([str(part) if type(part) is int else quote(part) for part in parts]) + "]")  # type: ignore[arg-type]  # mypy does not narrow by `type` here


def signal_identifier(prefix: str, scope: Scope, subject: str, name: str, key: str, n: int) -> str:
    """The `identifier` of these parts: the id of a signal, of which few parts are new."""
    return _identifier(f"[{_quoted(prefix)},{_quoted(scope)},{quote(subject)},{_quoted(name)},{quote(key)},{n}]")


_quoted = lru_cache(maxsize=1_024)(quote)


def _identifier(name: str) -> str:
    # As uuid.uuid5 makes it, whose way takes three times as long.
    digits = sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _first_instant(config: Config) -> int | None:
    day = config.policy.assume_activated_before
    if day is None:
        return None
    return int(datetime.combine(day, time(), config.zone).timestamp() * 1_000)
