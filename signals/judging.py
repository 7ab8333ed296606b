"""Asks the rules: what they find becomes a firing with its number and id; what one of them breaks is its own loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.compiled import Engine, signal_identifier
from signals.facts import Decision, Fact, Firing, Outputs, Pulse, RuleFailure, Verdict
from signals.rule import Scope
from signals.timers import key_of, rule_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.case import Case
    from signals.event import Event, Source
    from signals.rule import Finding, Rule, WorkspaceRule
    from signals.score import Company
    from signals.timers import Timer
    from signals.user import Progress, UserState
    from signals.workspace import Change, WorkspaceState


def judge_user(user: UserState, event: Event, progress: Progress, engine: Engine, out: Outputs) -> None:
    """Ask the rules that the event can change; their signals go to `out`, to be judged where the event counts."""
    asked = engine.for_event(progress.roles, is_new=progress.is_new_day or progress.has_new_core)
    if progress.custom is not None:
        asked += engine.custom_of_user(progress.custom.counted)
    for rule in asked:
        try:
            finding = rule.judge(user, event, progress)
        except Exception as error:  # noqa: BLE001 - a broken rule loses its own firing and nothing else
            out.errors.append(_failure(rule, event.subject, error))
            continue
        if finding is None:
            continue
        n = user.record(rule.name, finding.key, event.time, finding.end, finding.threshold)
        firing = Firing(
            _signal_id(rule, event.user_id or "", finding, n, engine),
            rule.name,
            finding.kind or rule.kind,
            Scope.USER,
            n,
            event.time,
            event.id,
            event.source,
            finding.key,
            event.user_id,
            progress.workspace,
            finding.evidence,
            user.email,
        )
        out.signals.append(firing)
        if progress.workspace is None:
            out.verdicts.append(_unrouted(firing))


def judge_workspace(
    workspace: WorkspaceState,
    fact: Fact | Pulse,
    asked: tuple[WorkspaceRule, ...],
    change: Change,
    engine: Engine,
    out: Outputs,
) -> None:
    """Ask the given rules about a fact that has been applied; their signals go to `out`."""
    for rule in asked:
        try:
            # Of what a pulse has not, the rules that are asked of one look at nothing.
            finding = rule.judge(workspace, fact, change)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - a broken rule loses its own firing and nothing else
            out.errors.append(_failure(rule, fact.workspace_id, error))
            continue
        if finding is not None:
            whole = fact if isinstance(fact, Fact) else fact.as_fact()
            of = whole.event_id, whole.cause, whole.user_id, whole.email
            out.signals.append(_of_workspace(rule, fact.workspace_id, workspace, finding, fact.time, engine, *of))


def fire_user_timer(
    subject: str, user: UserState, key: str, timer: Timer, due: int, engine: Engine, out: Outputs
) -> Firing | None:
    """Ask the rule of a timer that is due; its signal goes to `out` and is returned."""
    rule = engine.user_timers.get(rule_of(key))
    if rule is None:
        return None
    try:
        finding = rule.judge_due(user, key_of(key), timer)
    except Exception as error:  # noqa: BLE001 - a broken rule loses its own firing and nothing else
        out.errors.append(_failure(rule, subject, error))
        return None
    if finding is None:
        return None
    n = user.record(rule.name, finding.key, due, finding.end, finding.threshold)
    firing = Firing(
        _signal_id(rule, subject, finding, n, engine),
        rule.name,
        finding.kind or rule.kind,
        Scope.USER,
        n,
        due,
        timer.event_id,
        timer.source,
        finding.key,
        subject,
        timer.workspace,
        finding.evidence,
        user.email,
    )
    out.signals.append(firing)
    if firing.workspace_id is None:
        out.verdicts.append(_unrouted(firing))
    return firing


def fire_workspace_timer(case: Case, key: str, timer: Timer, due: int) -> Firing | None:
    """Ask the rule of a timer that is due; its signal goes to the outputs of the case and is returned."""
    rule = case.engine.workspace_timers.get(rule_of(key))
    if rule is None:
        return None
    try:
        event = rule.event_of(case.workspace, timer)
        finding = rule.judge_due(case.workspace, key_of(key), timer)
    except Exception as error:  # noqa: BLE001 - a broken rule loses its own firing and nothing else
        case.out.errors.append(_failure(rule, case.workspace_id, error))
        return None
    if finding is None:
        return None
    of = event.event_id, event.source
    firing = _of_workspace(rule, case.workspace_id, case.workspace, finding, due, case.engine, *of)
    case.out.signals.append(firing)
    return firing


def fire_derived(
    case: Case,
    firings: Sequence[Firing],
    time: int,
    event_id: str,
    cause: Source,
    user_id: str | None,
    company_before: Company | None = None,
) -> list[Firing]:
    """
    Let what has just fired move the score, and ask the rules over signals about it.

    Args:
        case: The workspace.
        firings: What fired at this moment, of user scope first; maybe none.
        time: Of the moment, Unix milliseconds.
        event_id: Of the event that made it, which a signal will name, with its `cause` and `user_id`.
        company_before: What was known of the workspace's company, where that is another now.

    Returns:
        What they found, which is among the outputs of the case already.
    """
    has_moved = case.engine.scoring.take(case.workspace, firings, time, company_before)
    found: list[Firing] = []
    for rule in case.engine.derived:
        if rule.on_score and not has_moved:
            continue
        try:
            finding = rule.judge_derived(case.workspace, firings, time)
        except Exception as error:  # noqa: BLE001 - a broken rule loses its own firing and nothing else
            case.out.errors.append(_failure(rule, case.workspace_id, error))
            continue
        if finding is not None:
            of = event_id, cause, user_id
            found.append(_of_workspace(rule, case.workspace_id, case.workspace, finding, time, case.engine, *of))
    case.out.signals.extend(found)
    return found


def _of_workspace(  # noqa: PLR0913, PLR0917 - a firing has so many parts
    rule: Rule,
    workspace_id: str,
    workspace: WorkspaceState,
    finding: Finding,
    time: int,
    engine: Engine,
    event_id: str,
    cause: Source,
    user_id: str | None = None,
    email: str | None = None,
) -> Firing:
    """Record a finding, which names the event with `event_id`, its `cause` and whose it was."""
    key = finding.key
    n = workspace.record(rule.name, key, time, finding.end, finding.threshold)
    return Firing(
        _signal_id(rule, workspace_id, finding, n, engine),
        rule.name,
        finding.kind or rule.kind,
        Scope.WORKSPACE,
        n,
        time,
        event_id,
        cause,
        key,
        user_id,
        workspace_id,
        finding.evidence,
        email,
    )


def _unrouted(firing: Firing) -> Verdict:
    return Verdict(firing.id, firing.signal, Decision.UNROUTED, firing.time, reason="it belongs to no workspace")


def _signal_id(rule: Rule, subject: str, finding: Finding, n: int, engine: Engine) -> str:
    # Never an offset, a batch or a config version: the same events give the same ids after any crash or replay.
    return signal_identifier(engine.config.prefix, rule.scope, subject, rule.name, finding.key, n)


def _failure(rule: Rule, subject: str, error: Exception) -> RuleFailure:
    # The type alone: the text of an exception may quote the record.
    return RuleFailure(rule.name, subject, type(error).__name__)
