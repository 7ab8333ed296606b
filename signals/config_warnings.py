"""Warnings about a config: values that are allowed and can do nothing, or do what nobody would expect."""

from __future__ import annotations

from collections.abc import Iterator

from signals.config import Config
from signals.custom import CustomDistinctUsers
from signals.domains import Domains
from signals.event import PASSIVE_ROLES, Role
from signals.mistakes import ConfigWarning, Key
from signals.names import normal_name
from signals.product import EventNames
from signals.selling import Alerts, QuietHours, Route
from signals.thresholds import Signals

# The signals that need a role without which they never fire.
_NEEDS = {
    "signed_up": Role.SIGNED_UP,
    "procurement": Role.PROCUREMENT_REQUESTED,
    "habit_formed": Role.SIGNED_UP,
    "activation_stalled": Role.SIGNED_UP,
    "first_invite": Role.INVITE_SENT,
    "hand_raised": Role.SALES_CONTACTED,
    "gated_feature": Role.FEATURE_GATED,
    "usage_limit": Role.USAGE_REPORTED,
}

# The signals that look at how much of the product is used.
_OVER_CORE = ("power_user", "usage_spike", "usage_drop")

# Roles that no one event can have at once, and what would follow.
_CONTRADICTIONS = (
    (Role.SIGNED_UP, Role.ACTIVATED, "everybody would have activated at the moment of signing up"),
    (Role.MEMBER_JOINED, Role.MEMBER_REMOVED, "who joins would be removed at once"),
    (Role.TRIAL_STARTED, Role.TRIAL_ENDED, "a trial would end as it begins"),
)

# What tells one event from another: where a path here is also the user's, all his events are one.
_SHARED_BY_MANY = ("user_id", "anonymous_id", "workspace_id", "event_name", "type")


def warnings(config: Config, domains: Domains) -> list[ConfigWarning]:
    """
    What is worth a second look, for `plg check`.

    Args:
        domains: Those of the config.
    """
    found = [*_about_roles(config), *_about_names(config.events), *_about_paths(config), *_about_plans(config)]
    found += [*_about_domains(config, domains), *domains.warnings(config.domains), *_about_routes(config)]
    return [*found, *_about_policy(config), *_about_custom(config), *_about_addresses(config)]


def _enabled(config: Config) -> set[str]:
    ours = {name for name in Signals.model_fields if getattr(config.signals, name).enabled}
    return ours | {name for name, stanza in config.custom.items() if stanza.enabled}


def _about_roles(config: Config) -> Iterator[ConfigWarning]:
    enabled = _enabled(config)
    if not config.events.activated:
        yield ConfigWarning(
            ("events", "activated"),
            "is empty: the signals activated and activation_stalled and the activation gate are off;"
            " name the event at which a user first gets value",
        )
        if config.policy.assume_activated_before is not None:
            yield ConfigWarning(
                ("policy", "assume_activated_before"), "nothing waits for activation while events.activated is empty"
            )
    for signal, role in _NEEDS.items():
        if signal in enabled and not config.events.of(role):
            yield ConfigWarning(("events", role.value), f"is empty: the signal {signal} never fires")
    over_core = [signal for signal in _OVER_CORE if signal in enabled]
    if over_core and not config.events.core:
        yield ConfigWarning(
            ("events", "core"),
            f"is empty: {', '.join(over_core)} never {'fires' if len(over_core) == 1 else 'fire'};"
            " name the events of the features that make up the product",
        )


def _about_names(events: EventNames) -> Iterator[ConfigWarning]:
    """Names under two roles, where that cannot be meant."""
    of = {role: {normal_name(name) for name in events.of(role)} for role in Role}
    for first, second, outcome in _CONTRADICTIONS:
        for n, name in enumerate(events.of(second)):
            if normal_name(name) in of[first]:
                yield ConfigWarning(("events", second.value, n), f"{name!r} is also under {first}: {outcome}")
    for n, name in enumerate(events.passive):
        passive = next((role for role in Role if role in PASSIVE_ROLES and normal_name(name) in of[role]), None)
        if passive is not None:
            yield ConfigWarning(("events", "passive", n), f"{name!r} is no sign of life anyway, being under {passive}")


def _about_paths(config: Config) -> Iterator[ConfigWarning]:
    identity = config.identity
    for field in type(identity).model_fields:
        paths: tuple[str, ...] = getattr(identity, field)
        for n, path in enumerate(paths):
            if path in paths[:n]:
                yield ConfigWarning(("identity", field, n), f"{path!r} is there already")
    for n, path in enumerate(identity.message_id):
        other = next((field for field in _SHARED_BY_MANY if path in getattr(identity, field)), None)
        if other is not None:
            outcome = "events that share it count as one event sent again and again"
            yield ConfigWarning(("identity", "message_id", n), f"{path!r} is also identity.{other}: {outcome}")
    for n, path in enumerate(identity.anonymous_id):
        if path in identity.user_id:
            yield ConfigWarning(("identity", "anonymous_id", n), f"{path!r} is read as identity.user_id before")
    yield from _about_missing_paths(config)


def _about_missing_paths(config: Config) -> Iterator[ConfigWarning]:
    outcomes = {"user_id": "nobody is ever known", "event_name": "every track call becomes a dead letter"}
    if "enterprise_domain" in _enabled(config):
        outcomes["email"] = "the signal enterprise_domain never fires"
    for field, outcome in outcomes.items():
        if not getattr(config.identity, field):
            yield ConfigWarning(("identity", field), f"is empty: {outcome}")


def _about_plans(config: Config) -> Iterator[ConfigWarning]:
    plans = config.plans
    free = {normal_name(name): name for name in plans.free}
    for n, name in enumerate(plans.order):
        if normal_name(name) in free:
            yield ConfigWarning(("plans", "order", n), f"{name!r} is in plans.free: who is on it does not pay")
    paid = [name for name in plans.order if normal_name(name) not in free]
    signals = [name for name in ("plan_upgraded", "plan_downgraded") if name in _enabled(config)]
    # An upgrade needs a smaller and a larger plan.
    if signals and len(paid) < 2:  # noqa: PLR2004
        state = "names one paid plan" if paid else "names no paid plan" if plans.order else "is empty"
        never = " and ".join(signals) + (" never fire" if len(signals) > 1 else " never fires")
        yield ConfigWarning(("plans", "order"), f"{state}: {never}; name the paid plans from small to large")


def _about_domains(config: Config, domains: Domains) -> Iterator[ConfigWarning]:
    for n, domain in enumerate(config.internal.domains):
        key: Key = ("internal", "domains", n)
        registrable = domains.registrable(domain)
        if registrable is None:
            yield ConfigWarning(
                key, f"{domain} is no domain of one company: whoever is below it would be your own people"
            )
        elif domains.is_for_anybody(registrable):
            yield ConfigWarning(key, f"anybody can have an address at {domain}: all of them would be your own people")
    for n, domain in enumerate(config.domains.competitors):
        registrable = domains.registrable(domain)
        if registrable != domain:
            advice = f"; use {registrable}" if registrable else ""
            problem = f"{domain} never matches, addresses are compared by registrable domain{advice}"
            yield ConfigWarning(("domains", "competitors", n), problem)
        elif domains.is_for_anybody(domain):
            yield ConfigWarning(
                ("domains", "competitors", n), f"{domain} never matches, anybody can have an address there"
            )


def _about_routes(config: Config) -> Iterator[ConfigWarning]:
    enabled = _enabled(config)
    taken: dict[str, str] = {}
    for n, route in enumerate(config.routes):
        for m, signal in enumerate(route.signals):
            if signal not in enabled:
                yield ConfigWarning(("routes", n, "signals", m), f"the signal {signal} is switched off")
            elif signal in taken:
                problem = f"{signal} goes to the route {taken[signal]}, which lists it first"
                yield ConfigWarning(("routes", n, "signals", m), problem)
            taken.setdefault(signal, route.name)
        yield from _about_sinks(n, route)
        for key, named in (("priority", route.priority), ("play", route.play)):
            for signal in named:
                if signal not in route.signals:
                    problem = f"{signal} is not among the signals of the route {route.name}"
                    yield ConfigWarning(("routes", n, key, signal), problem)


def _about_sinks(n: int, route: Route) -> Iterator[ConfigWarning]:
    if not route.sinks:
        yield ConfigWarning(("routes", n, "sinks"), "is empty: its alerts go nowhere but to their topic")
    if "slack" in route.sinks and route.channel is None:
        problem = "slack is among the sinks, but there is no channel (only webhooks need none)"
        yield ConfigWarning(("routes", n, "sinks"), problem)
    if "slack" not in route.sinks and route.channel is not None:
        yield ConfigWarning(("routes", n, "channel"), "there is a channel, but slack is not among the sinks")


def _about_policy(config: Config) -> Iterator[ConfigWarning]:
    routed = {signal for route in config.routes for signal in route.signals}
    for signal in config.alerts.max_age_of:
        # The defaults are there whoever listens.
        if signal not in routed and signal not in Alerts().max_age_of:
            yield ConfigWarning(("alerts", "max_age_of", signal), "no route lists the signal")
    hours = config.policy.quiet_hours
    if hours.time_zone is not None and hours == QuietHours(time_zone=hours.time_zone):
        problem = "there is neither a night nor a day off that it could be for"
        yield ConfigWarning(("policy", "quiet_hours", "time_zone"), problem)


def _about_custom(config: Config) -> Iterator[ConfigWarning]:
    routed = {signal for route in config.routes for signal in route.signals}
    longest, by_users = config.limits.max_text_chars, 0
    for signal, stanza in config.custom.items():
        if not stanza.enabled:
            continue
        if signal not in routed:
            problem = f"no route lists it: its signals go to {config.prefix}.signals, and nobody hears of them"
            yield ConfigWarning(("custom", signal), problem)
        by_users += isinstance(stanza, CustomDistinctUsers)
        lists = {key: getattr(stanza, key, ()) for key in ("events", "after", "without")}
        for key, names in lists.items():
            for n, name in enumerate(names):
                if len(name) > longest:
                    problem = (
                        f"{name!r} never matches: of a longer name limits.max_text_chars leaves {longest} characters"
                    )
                    yield ConfigWarning(("custom", signal, key, n), problem)
    if by_users > config.limits.custom_keys:
        problem = (
            f"is less than the {by_users} signals of your own that count users: of a user some are always forgotten"
        )
        yield ConfigWarning(("limits", "custom_keys"), problem)


def _about_addresses(config: Config) -> Iterator[ConfigWarning]:
    for key, host in config.slack.elsewhere.items():
        yield ConfigWarning(("slack", key), f"the secret and every alert go to {host}, which is not Slack")
