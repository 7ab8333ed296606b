"""Puts together what the doctor has counted: shares, names that read like a role, what can be had, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from signals.diagnosis import Delay, Diagnosis, Finding, Name, PathFound, Share, Suggestion
from signals.doctor_names import nearest_role, yaml_line, yaml_text
from signals.doctor_needs import (
    EMAIL,
    MRR,
    PLAN,
    SEATS,
    TRIAL_END,
    USAGE,
    USERS,
    WORKSPACES,
    capabilities,
    funnel_capabilities,
)
from signals.doctor_shapes import USUAL_KEYS
from signals.event import Reason, Role
from signals.formats.meanings import READS
from signals.moments import iso
from signals.names import normal_name

if TYPE_CHECKING:
    from signals.config import Config
    from signals.doctor import Doctor

VERSION = 1
MOST_NAMES, MOST_SUGGESTIONS, MOST_CANDIDATES = 50, 30, 8
PROBLEM, ADVICE = "problem", "advice"
# From which share on something is worth a word.
_BAD, _HAVE, _WORSE = 0.01, 0.5, 0.05
# An address stands on few events, and a user not on those of back ends.
_ENOUGH = {"email": 0.005, "user_id": 0.3, "workspace_id": 0.3, "anonymous_id": 0.3}
_READ_AS_SEGMENT = frozenset({"Segment", "RudderStack", "Jitsu", "Segment without a type"})
_OF_REASON: Mapping[str, str] = {
    Reason.NOT_AN_OBJECT: "each record is one JSON object; of a file with an array of them `jq -c '.[]'` makes lines"
}
# Names of infrastructure that is no use of the product.
_NO_USE = frozenset({"pageviewed", "identify", "sessionstarted", "sessionended", "heartbeat"})


def put_together(doctor: Doctor) -> Diagnosis:
    """The diagnosis of what has been counted."""
    config = doctor.config
    suggestions = _suggestions(doctor)
    has = _needs_met(doctor)
    seen = {normal_name(name) for name in doctor.names}
    signals = capabilities(doctor.engine, has, seen)
    paths = tuple(_paths(doctor))
    # Where both are named and seen, nobody asks.
    is_asked = not doctor.of_role[Role.ACTIVATED] or not doctor.of_role[Role.CORE]
    candidates = _candidates(doctor, suggestions) if is_asked else ()
    having, events = doctor.having, doctor.events
    in_bus = sum(one.partition >= 0 for one in doctor.users.values())
    made = Diagnosis(
        v=VERSION,
        config=config.hash,
        records=doctor.records,
        events=events,
        bad=dict(doctor.bad.most_common()),
        formats=dict(doctor.formats.most_common()),
        calls=dict(doctor.calls.most_common()),
        first_at=None if doctor.first is None else iso(doctor.first),
        last_at=None if doctor.last is None else iso(doctor.last),
        tracks=doctor.tracks,
        mapped=Share(doctor.mapped, doctor.tracks),
        names=_names(doctor)[:MOST_NAMES],
        names_left_out=doctor.names_left_out,
        suggestions=suggestions,
        candidates=candidates,
        yaml=tuple(_yaml(config, suggestions, paths)),
        paths=paths,
        with_user=Share(having["user"], events),
        with_workspace=Share(having["workspace"], events),
        placed_by_user=Share(doctor.placed_by_user, events),
        anonymous_only=Share(doctor.anonymous_only, events),
        with_email=Share(having["email"], events),
        properties={
            role.value: {name: Share(doctor.properties[role][name], count) for name in READS[role]}
            for role, count in sorted(doctor.of_role.items())
            if role in READS
        },
        delay=_delay(doctor),
        disordered=Share(doctor.disordered, events),
        duplicates=Share(doctor.duplicates, events),
        without_id=Share(doctor.without_id, events),
        keyed=Share(doctor.keyed, events if in_bus else 0),
        keyed_by_user=Share(doctor.keyed_by_user, doctor.keyed),
        users=len(doctor.users),
        split_users=Share(sum(one.is_split for one in doctor.users.values()), in_bus),
        signals=signals,
        funnel=funnel_capabilities(config, has),
        findings=(),
    )
    findings = tuple(
        sorted(
            _findings(made, config, has_activated=doctor.of_role[Role.ACTIVATED] > 0),
            key=lambda one: one.severity == ADVICE,
        )
    )
    return msgspec.structs.replace(made, findings=findings)


def _names(doctor: Doctor) -> tuple[Name, ...]:
    ordered = sorted(doctor.names.items(), key=lambda one: (-one[1].count, one[0]))
    return tuple(
        Name(name, named.count, len(named.users), tuple(role.value for role in named.roles)) for name, named in ordered
    )


def _suggestions(doctor: Doctor) -> tuple[Suggestion, ...]:
    found = []
    passive = {normal_name(name) for name in doctor.config.events.passive}
    for name, named in doctor.names.items():
        if named.roles or normal_name(name) in passive:
            continue
        near = nearest_role(name)
        if near is not None:
            found.append(Suggestion(name, named.count, near.role.value, near.like, near.likeness))
    found.sort(key=lambda one: (-one.count, one.name))
    return tuple(found[:MOST_SUGGESTIONS])


def _candidates(doctor: Doctor, suggestions: Sequence[Suggestion]) -> tuple[Name, ...]:
    """The names that most people use, for `activated` and `core`, which no list of names can know."""
    taken = {one.name for one in suggestions}
    free = [
        one
        for one in _names(doctor)
        if not one.roles and one.name not in taken and normal_name(one.name) not in _NO_USE
    ]
    free.sort(key=lambda one: (-one.users, -one.count, one.name))
    return tuple(one for one in free if one.users)[:MOST_CANDIDATES]


def _yaml(config: Config, suggestions: Sequence[Suggestion], paths: Sequence[PathFound]) -> Iterator[str]:
    by_role: dict[str, list[str]] = {}
    for one in suggestions:
        by_role.setdefault(one.role, []).append(one.name)
    if by_role:
        yield "events:"
        for role in Role:
            if role.value in by_role:
                # A list takes the place of the default one, so what it has now stands in it.
                known = {normal_name(name) for name in config.events.of(role)}
                added: dict[str, str] = {}
                for name in by_role[role.value]:
                    if normal_name(name) not in known:
                        added.setdefault(normal_name(name), name)
                yield f"  {yaml_line(role, (*config.events.of(role), *added.values()))}"
    if paths:
        yield "identity:"
        for path in paths:
            fields = (path.field, "group_workspace_id") if path.field == "workspace_id" else (path.field,)
            for field in fields:
                known = getattr(config.identity, field)
                listed = (path.path, *known) if path.goes_first else (*known, path.path)
                yield f"  {field}: [{', '.join(map(yaml_text, listed))}]"


def _paths(doctor: Doctor) -> Iterator[PathFound]:
    """Where things stand that the config's paths do not find, of records that it can hardly read."""
    sampled, identity = doctor.paths.records, doctor.config.identity
    # Snowplow's `event` says what kind of event it is (struct, page_view), `event_name` which one.
    named = doctor.paths.count("event_name", "event_name")
    if doctor.formats["Snowplow"] >= _HAVE * sampled and named and identity.event_name[0] != "event_name":
        yield PathFound("event_name", "event_name", Share(named, sampled), goes_first=True)
    for field in USUAL_KEYS:
        best = doctor.paths.best(field)
        if best is None or best[0] in getattr(identity, field):
            continue
        known = max((doctor.paths.count(field, path) for path in getattr(identity, field)), default=0)
        # What few records have, or the config finds as often elsewhere, is something else of that name.
        enough = _ENOUGH.get(field, _HAVE) * sampled
        if best[1] >= enough and known < min(enough, _WORSE * sampled):
            yield PathFound(field, best[0], Share(best[1], sampled))


def _delay(doctor: Doctor) -> Delay:
    return Delay(
        doctor.compared,
        doctor.ahead,
        doctor.over_hour,
        doctor.over_day,
        _quantile(doctor.delays, 0.5),
        _quantile(doctor.delays, 0.99),
    )


def _quantile(buckets: Sequence[int], share: float) -> int | None:
    total, passed = sum(buckets), 0
    for power, count in enumerate(buckets):
        passed += count
        if total and passed >= share * total:
            return 0 if power == 0 else 1 << power
    return None


def _needs_met(doctor: Doctor) -> set[str]:
    has = {role.value for role, count in doctor.of_role.items() if count}
    having, properties = doctor.having, doctor.properties

    def carries(role: Role, *names: str) -> bool:
        return role in properties and all(properties[role][name] for name in names)

    met = {
        USERS: having["user"] > 0,
        WORKSPACES: having["workspace"] > 0,
        EMAIL: having["email"] > 0,
        PLAN: carries(Role.PLAN_CHANGED, "plan") or doctor.group_traits["plan"] > 0,
        SEATS: carries(Role.PLAN_CHANGED, "seats") or doctor.group_traits["seats"] > 0,
        USAGE: carries(Role.USAGE_REPORTED, "used", "limit"),
        TRIAL_END: carries(Role.TRIAL_STARTED, "trial_end_date"),
        MRR: carries(Role.PLAN_CHANGED, "mrr"),
    }
    return has | {need for need, is_met in met.items() if is_met}


def _findings(made: Diagnosis, config: Config, *, has_activated: bool) -> Iterator[Finding]:
    if not made.records:
        yield Finding(PROBLEM, "no record came", "is it the right topic or file? Look longer with --for 10m")
        return
    bad = sum(made.bad.values())
    if bad >= _BAD * made.records:
        most = next(iter(made.bad))
        yield Finding(
            PROBLEM,
            f"{percent(bad, made.records)} of the records can be no events, most of them {most}",
            _OF_REASON.get(most, "docs/contract.md says what each reason means"),
        )
    strange = [name for name in made.formats if name not in _READ_AS_SEGMENT and not name.startswith("no ")]
    if strange and sum(made.formats[name] for name in strange) >= _HAVE * sum(made.formats.values()):
        yield _about_format(strange[0], made)
    if not made.events:
        return
    yield from _about_identity(made)
    yield from _about_order(made)
    yield from _about_names(made, config, has_activated=has_activated)


def _about_format(name: str, made: Diagnosis) -> Finding:
    only = "properties are read from `properties`, traits from `traits` only"
    if made.events >= _HAVE * made.records:
        return Finding(ADVICE, f"the records look like {name} and are read by the paths of `identity`", only)
    then = f"paste `identity` as below and look again; {only}" if made.paths else "docs/contract.md says what is read"
    return Finding(PROBLEM, f"the records look like {name}, not like Segment's JSON", then)


def _about_identity(made: Diagnosis) -> Iterator[Finding]:
    if made.with_user.share < _HAVE:
        yield Finding(
            PROBLEM,
            f"only {percent_of(made.with_user)} of the events name a user",
            "see identity.user_id: no user, no signal",
        )
    placed = made.with_workspace.count + made.placed_by_user.count
    if placed < _HAVE * made.events:
        yield Finding(
            PROBLEM,
            f"only {percent(placed, made.events)} of the events can be placed in a workspace",
            "see identity.workspace_id; without one everybody is alone in a workspace of his own",
        )
    if not made.with_email.count:
        yield Finding(ADVICE, "no event carries an e-mail address", "no company is known: see identity.email")


def _about_order(made: Diagnosis) -> Iterator[Finding]:
    delay = made.delay
    if delay.ahead >= _BAD * max(1, delay.compared):
        share = percent(delay.ahead, delay.compared)
        yield Finding(
            PROBLEM, f"{share} of the events are more than 5 min ahead of the bus", "their clocks are set back"
        )
    if delay.over_hour >= _WORSE * max(1, delay.compared):
        share = percent(delay.over_hour, delay.compared)
        yield Finding(
            ADVICE, f"{share} of the events are over an hour late", "their signals are stale: see alerts.max_age"
        )
    if made.without_id.share >= _BAD:
        yield Finding(
            ADVICE, f"{percent_of(made.without_id)} of the events have no id of their own", "see identity.message_id"
        )
    if made.duplicates.share >= 2 * _WORSE:
        yield Finding(
            ADVICE, f"{percent_of(made.duplicates)} of the events came twice", "they are dropped; look at the producer"
        )
    if made.split_users.share >= _BAD:
        yield Finding(
            ADVICE,
            f"{percent_of(made.split_users)} of the users are in several partitions",
            "key the records by user, or his events may be read out of order",
        )


def _about_names(made: Diagnosis, config: Config, *, has_activated: bool) -> Iterator[Finding]:
    if made.suggestions:
        count = len(made.suggestions)
        yield Finding(
            PROBLEM,
            f"{count} name{'s' if count > 1 else ''} without a role read like one",
            "paste what is right of the lines below",
        )
    if not config.events.activated:
        yield Finding(PROBLEM, "events.activated names no event", "name the value moment: without it there is no gate")
    elif not has_activated:
        yield Finding(
            ADVICE, "no event of role activated was seen", f"is it still called {config.events.activated[0]}?"
        )
    if not config.events.core:
        yield Finding(
            ADVICE, "events.core names no event", "name the core features: without them no volume, no power user"
        )
    missing = [one.name for one in made.signals if not one.can]
    if missing:
        yield Finding(
            ADVICE,
            f"{len(missing)} of {len(made.signals)} signals cannot come from these events",
            "see what each lacks",
        )


def percent_of(share: Share) -> str:
    """A share, for people."""
    return percent(share.count, share.of)


def percent(count: int, of: int) -> str:
    """So many of so many, for people."""
    share = 100 * count / of if of else 0.0
    return f"{share:.0f} %" if share >= 10 or share == 0 else f"{share:.1f} %"  # noqa: PLR2004  # two digits are enough
