"""What each signal and each number of the funnel needs of the events, and which of it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from signals.diagnosis import Capability
from signals.event import Role
from signals.names import normal_name
from signals.rule import Rule, Trigger, UserRule, WorkspaceRule

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from signals.compiled import Engine
    from signals.config import Config

# Needs: a role by its name, or one of these.
USERS, WORKSPACES, EMAIL, PLAN, SEATS, USAGE, TRIAL_END, MRR = (
    "users",
    "workspaces",
    "email",
    "plan",
    "seats",
    "usage",
    "trial_end_date",
    "mrr",
)
_SAID = {
    USERS: "events of known users (identity.user_id)",
    WORKSPACES: "a workspace on events (identity.workspace_id)",
    EMAIL: "an e-mail address (identity.email)",
    PLAN: "a plan (property `plan` of plan_changed, or trait `plan` of group calls)",
    SEATS: "seats (property `seats` of plan_changed, or trait `seats` of group calls)",
    USAGE: "the numbers `used` and `limit` of usage_reported",
    TRIAL_END: "the property `trial_end_date` of trial_started",
    MRR: "a number `mrr` of plan_changed",
}
_OFF = "`enabled: true` in the config"
_CORE = Role.CORE.value
_OF_TRIGGER: Mapping[Trigger, tuple[str, ...]] = {
    Trigger.MEMBERS: (USERS, WORKSPACES),
    Trigger.ACTIVE_DAY: (USERS, WORKSPACES),
    Trigger.DOMAIN: (EMAIL,),
    Trigger.PLAN: (PLAN,),
    Trigger.SEATS: (SEATS,),
    Trigger.USAGE: (USAGE,),
    Trigger.VOLUME: (_CORE, WORKSPACES),
    Trigger.CHAMPION: (_CORE, USERS, PLAN),
}
# What a rule needs that its causes do not tell: what it is armed by, or looks at besides.
_BESIDES: Mapping[str, tuple[str, ...]] = {
    "habit_formed": (USERS,),
    "power_user": (_CORE, USERS),
    "activation_stalled": (Role.SIGNED_UP.value, Role.ACTIVATED.value),
    "usage_drop": (_CORE, PLAN),
    "went_silent": (PLAN, USERS, WORKSPACES),
    "trial_ending": (Role.TRIAL_STARTED.value, TRIAL_END, WORKSPACES),
    "limit_hit_no_upgrade": (USAGE, WORKSPACES),
    "pql": (WORKSPACES,),
    "expansion_ready": (PLAN, WORKSPACES),
}
_SIGNED_UP, _ACTIVATED, _INVITED = Role.SIGNED_UP.value, Role.ACTIVATED.value, Role.INVITE_SENT.value
FUNNEL: Mapping[str, tuple[str, ...]] = {
    "signups": (_SIGNED_UP,),
    "user_stages": (_SIGNED_UP, _ACTIVATED),
    "workspace_stages": (WORKSPACES, _ACTIVATED, PLAN),
    "activation": (_SIGNED_UP, _ACTIVATED),
    "time_to_value": (_SIGNED_UP, _ACTIVATED),
    "retention.d2": (_SIGNED_UP, USERS),
    "retention.w1": (_SIGNED_UP, USERS),
    "retention.d7_of_activated": (_ACTIVATED, USERS),
    "free_to_paid": (PLAN, WORKSPACES),
    "virality.i30": (_SIGNED_UP, _INVITED),
    "virality.k30": (_SIGNED_UP, _INVITED, WORKSPACES),
    "revenue": (MRR,),
    "alerts.overlay": (_ACTIVATED, WORKSPACES),
}


def capabilities(engine: Engine, has: Collection[str], seen: Collection[str]) -> tuple[Capability, ...]:
    """
    Every signal, in the order of the catalogue.

    Args:
        engine: The rules.
        has: The needs that the events meet.
        seen: The names of the events, in the form in which they are compared.
    """
    in_force = {rule.name for rule in engine.in_force}
    found = []
    for name, rule in engine.by_name.items():
        if name in engine.config.custom:
            missing = [*_of_custom(name, engine.config, seen)]
        elif name not in in_force and not _is_off_without_core(name, engine.config):
            missing = [_OFF]
        else:
            missing = [*_missing(needs_of(rule), has, engine.config)]
        found.append(Capability(name, not missing, tuple(missing)))
    return tuple(found)


def funnel_capabilities(config: Config, has: Collection[str]) -> tuple[Capability, ...]:
    """The numbers of the funnel, as docs/funnel.md names them."""
    found = []
    for name, needs in FUNNEL.items():
        missing = tuple(_missing(needs, has, config))
        found.append(Capability(name, not missing, missing))
    return tuple(found)


def needs_of(rule: Rule) -> tuple[str, ...]:
    """What a rule of ours needs, by what can change its outcome."""
    needs: list[str] = []
    if isinstance(rule, UserRule):
        needs += sorted(role.value for role in rule.roles)
    elif isinstance(rule, WorkspaceRule):
        for trigger in sorted(rule.triggers):
            needs += _OF_TRIGGER[trigger] if isinstance(trigger, Trigger) else (trigger.value,)
    needs += _BESIDES.get(rule.name, ())
    return tuple(dict.fromkeys(needs))


def _missing(needs: Collection[str], has: Collection[str], config: Config) -> Iterator[str]:
    for need in needs:
        if need in has:
            continue
        if need in _SAID:
            yield _SAID[need]
        else:
            names = config.events.of(Role(need))
            yield f"an event of role {need} ({', '.join(names[:3])})" if names else f"a name in events.{need}"


def _is_off_without_core(name: str, config: Config) -> bool:
    # Not by itself: without names of core events the rules over volume are not built, and without those of activation
    # nobody stalls.
    own = getattr(config.signals, name, None)
    return own is not None and own.enabled


def _of_custom(name: str, config: Config, seen: Collection[str]) -> Iterator[str]:
    stanza = config.custom[name]
    if not stanza.enabled:
        yield _OFF
        return
    for names in stanza.marks(name).values():
        if not any(normal_name(one) in seen for one in names):
            yield f"an event named {' or '.join(names[:3])}"
