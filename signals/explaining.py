"""
Explains a state: what is known, what fired and why, what became of it, what is missing, and what is due when.

Pure, as the steps are: a state, the engine, a moment and what the topics say give an explanation. It works for every
rule: a rule says for itself what is missing (`gap`) and what must not happen while its timer runs (`unless`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from signals.alerting import OPEN_MS, still_joins
from signals.compiled import signal_identifier
from signals.expecting import hushed, user_waits, workspace_waits
from signals.explanation import (
    Explanation,
    Gap,
    OpenAlert,
    Origin,
    SignalRead,
    Told,
    Verdict,
    VerdictRead,
)
from signals.facts import WAITING, Decision
from signals.fired import UNSAID
from signals.known import tell_user, tell_workspace
from signals.moments import iso
from signals.rule import DerivedRule, Kind, Scope, UserRule, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.fired import FiredState
    from signals.rule import Rule
    from signals.user import UserState
    from signals.workspace import PolicyState, WorkspaceState

# A gap, or why none can be told.
_Gap = Callable[[], str | None]


class Read(msgspec.Struct, frozen=True):
    """
    What was read beside the state, and where it was.

    `signals` are those of the subject, of a workspace also those of its users, in any order, copies among them;
    `verdicts` are about them. `muted` maps the signals muted everywhere to the time that ends. `newest_config` is the
    hash in the newest signal of anybody.
    """

    origin: Origin
    signals: tuple[SignalRead, ...] = ()
    verdicts: tuple[VerdictRead, ...] = ()
    muted: Mapping[str, int] = {}
    newest_config: str | None = None
    warnings: tuple[str, ...] = ()


def explain_workspace(
    workspace_id: str, workspace: WorkspaceState, engine: Engine, now: int, read: Read
) -> Explanation:
    """
    Explain a workspace.

    Args:
        workspace_id: Its id.
        workspace: Its state; it is not changed.
        engine: The rules in force.
        now: The moment, Unix milliseconds.
        read: What the topics say.
    """
    day, policy = engine.days.day_of(now), workspace.policy
    signals = _signals(workspace_id, Scope.WORKSPACE, workspace, engine, read, _waiting(policy))

    def distance(rule: Rule) -> _Gap | None:
        if isinstance(rule, WorkspaceRule | DerivedRule):
            return lambda: rule.gap(workspace, now, day)
        return None

    gaps, untold = _gaps(engine, Scope.WORKSPACE, workspace, distance)
    told = {(one.signal, one.verdict, one.decided_at) for one in signals}
    return Explanation(
        workspace_id,
        Scope.WORKSPACE.value,
        iso(now),
        engine.config.hash,
        read.origin,
        workspace=tell_workspace(workspace, engine, now),
        suspect=workspace.is_suspect,
        signals=signals,
        verdicts=tuple(
            Verdict(one.signal, one.decision.value, one.reason, iso(one.time))
            for one in policy.recent
            if one.decision not in WAITING and (one.signal, one.decision.value, iso(one.time)) not in told
        ),
        gaps=gaps,
        untold=untold,
        waits=tuple(workspace_waits(workspace, engine)),
        alerts=tuple(
            OpenAlert(
                one.id,
                one.signal,
                one.title,
                one.priority,
                one.route,
                one.status.value,
                iso(one.sent_at),
                iso(one.sent_at + OPEN_MS),
            )
            for one in policy.open
        ),
        pending=tuple(why for one in policy.pending if still_joins(one, now) for why in one.why),
        hushed=tuple(hushed(workspace, engine, read.muted, now)),
        warnings=_warnings(read, engine, is_suspect=workspace.is_suspect),
    )


def explain_user(user_id: str, user: UserState, engine: Engine, now: int, read: Read) -> Explanation:
    """Explain a user, as `explain_workspace` does; his signals are judged in workspaces."""
    day = engine.days.day_of(now)

    def distance(rule: Rule) -> _Gap | None:
        return (lambda: rule.gap(user, now, day)) if isinstance(rule, UserRule) else None

    gaps, untold = _gaps(engine, Scope.USER, user, distance)
    return Explanation(
        user_id,
        Scope.USER.value,
        iso(now),
        engine.config.hash,
        read.origin,
        user=tell_user(user_id, user, engine, now),
        suspect=user.is_suspect,
        signals=_signals(user_id, Scope.USER, user, engine, read, {}),
        gaps=gaps,
        untold=untold,
        waits=tuple(user_waits(user, engine)),
        warnings=_warnings(read, engine, is_suspect=user.is_suspect),
    )


def _signals(
    subject: str, scope: Scope, state: FiredState, engine: Engine, read: Read, waiting: Mapping[str, Decision]
) -> tuple[Told, ...]:
    """Every signal read, and those that the state remembers besides; the oldest first."""
    # Of two copies the first wins.
    verdicts = dict[str, VerdictRead]()
    for verdict in read.verdicts:
        verdicts.setdefault(verdict.signal_id, verdict)
    found = dict[str, SignalRead]()
    for signal in read.signals:
        if signal.kind != Kind.MEASURE.value:
            found.setdefault(signal.id, signal)
    told, numbers = list[Told](), {}
    for name_and_key, fired in state.fired.items():
        if fired.n == UNSAID:
            continue
        name, _, key = name_and_key.partition("|")
        numbers[signal_identifier(engine.config.prefix, scope, subject, name, key, fired.n)] = name, fired
    for one in found.values():
        headline, why = _words(engine.by_name.get(one.signal), one)
        number = numbers.pop(one.id, None)
        told.append(
            Told(
                one.id,
                one.signal,
                one.scope,
                one.occurred_at,
                one.user_id,
                number[1].n if number is not None else None,
                one.evidence,
                headline,
                why,
            )
        )
    for signal_id, (name, fired) in numbers.items():
        rule = engine.by_name.get(name)
        if rule is None or rule.kind is not Kind.MEASURE:
            told.append(Told(signal_id, name, scope.value, iso(fired.time), n=fired.n))
    places = {name: place for place, name in enumerate(engine.by_name)}
    # Of one moment in the order in which they are raised: by scope, then as the catalogue has them.
    told.sort(key=lambda one: (one.occurred_at, one.scope, places.get(one.signal, len(places))))
    return tuple(_with_verdict(one, verdicts.get(one.id), waiting.get(one.id)) for one in told)


def _with_verdict(told: Told, verdict: VerdictRead | None, waiting: Decision | None) -> Told:
    if verdict is not None:
        return msgspec.structs.replace(
            told,
            verdict=verdict.verdict,
            reason=verdict.reason,
            decided_at=verdict.decided_at,
            alert_id=verdict.alert_id,
        )
    return told if waiting is None else msgspec.structs.replace(told, verdict=waiting.value)


def _waiting(policy: PolicyState) -> dict[str, Decision]:
    """The signals without a final verdict yet, by id."""
    return {firing.id: Decision.WAITING_FOR_ACTIVATION for firing in policy.held} | {
        firing.id: Decision.QUIET_HOURS for firing in policy.quiet
    }


def _words(rule: Rule | None, signal: SignalRead) -> tuple[str | None, tuple[Why, ...]]:
    if rule is None:
        return None, ()
    try:
        return rule.headline(signal.evidence), tuple(rule.why(signal.evidence))
    except Exception:  # noqa: BLE001 - evidence that another version wrote: it is shown as it is
        return None, ()


def _gaps(
    engine: Engine, scope: Scope, state: FiredState, distance: Callable[[Rule], _Gap | None]
) -> tuple[tuple[Gap, ...], tuple[str, ...]]:
    """How far each rule is from firing, and which of those that have not fired say nothing."""
    gaps, untold = list[Gap](), list[str]()
    fired = {key.partition("|")[0] for key in state.fired}
    for rule in _of_scope(engine.in_force, scope):
        ask = distance(rule)
        try:
            missing = None if ask is None else ask()
        except Exception as error:  # noqa: BLE001 - a broken rule loses its own line and nothing else
            missing = f"cannot be told ({type(error).__name__})"
        if missing is not None:
            gaps.append(Gap(rule.name, missing))
        elif rule.name not in fired and ask is not None:
            untold.append(rule.name)
    return tuple(gaps), tuple(untold)


def _of_scope(rules: Iterable[Rule], scope: Scope) -> Iterator[Rule]:
    return (rule for rule in rules if rule.scope is scope and rule.kind is not Kind.MEASURE)


def _warnings(read: Read, engine: Engine, *, is_suspect: bool) -> tuple[str, ...]:
    found = list(read.warnings)
    if is_suspect:
        found.append("suspect: a record was set aside unapplied, so what stands here may be wrong (docs/guarantees.md)")
    if read.newest_config is not None and read.newest_config != engine.config.hash:
        found.append(
            f"the newest signal was found with config {read.newest_config}, this is {engine.config.hash}: "
            "what is missing and what is due goes by this one"
        )
    return tuple(found)
