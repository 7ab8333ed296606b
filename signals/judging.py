"""Asks the rules: what they find becomes a firing with its number and id; what one of them breaks is its own loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.compiled import Engine, identifier
from signals.facts import Decision, Fact, Firing, Outputs, RuleFailure, Verdict
from signals.rule import Scope

if TYPE_CHECKING:
    from signals.event import Event
    from signals.rule import Finding, Rule, WorkspaceRule
    from signals.user import Progress, UserState
    from signals.workspace import Change, WorkspaceState


def judge_user(user: UserState, event: Event, progress: Progress, engine: Engine, out: Outputs) -> None:
    """Ask the rules that the event can change; their signals go to `out`, to be judged where the event counts."""
    for rule in engine.for_event(progress.roles):
        try:
            finding = rule.judge(user, event, progress)
        except Exception as error:  # noqa: BLE001 - a broken rule loses its own firing and nothing else
            out.errors.append(_failure(rule, event.subject, error))
            continue
        if finding is None:
            continue
        n = user.record(rule.name, finding.key, event.time, finding.end)
        firing = Firing(
            _signal_id(rule, event.user_id or "", finding, n, engine),
            rule.name,
            rule.kind,
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
            out.verdicts.append(
                Verdict(firing.id, firing.signal, Decision.UNROUTED, firing.time, reason="it belongs to no workspace")
            )


def judge_workspace(
    workspace: WorkspaceState,
    fact: Fact,
    asked: tuple[WorkspaceRule, ...],
    change: Change,
    engine: Engine,
    out: Outputs,
) -> None:
    """Ask the given rules about a fact that has been applied; their signals go to `out`."""
    for rule in asked:
        try:
            finding = rule.judge(workspace, fact, change)
        except Exception as error:  # noqa: BLE001 - a broken rule loses its own firing and nothing else
            out.errors.append(_failure(rule, fact.workspace_id, error))
            continue
        if finding is None:
            continue
        n = workspace.record(rule.name, finding.key, fact.time, finding.end)
        out.signals.append(
            Firing(
                _signal_id(rule, fact.workspace_id, finding, n, engine),
                rule.name,
                rule.kind,
                Scope.WORKSPACE,
                n,
                fact.time,
                fact.event_id,
                fact.cause,
                finding.key,
                fact.user_id,
                fact.workspace_id,
                finding.evidence,
                fact.email,
            )
        )


def _signal_id(rule: Rule, subject: str, finding: Finding, n: int, engine: Engine) -> str:
    # Never an offset, a batch or a config version: the same events give the same ids after any crash or replay.
    return identifier(engine.config.prefix, rule.scope.value, subject, rule.name, finding.key, n)


def _failure(rule: Rule, subject: str, error: Exception) -> RuleFailure:
    # The type alone: the text of an exception may quote the record.
    return RuleFailure(rule.name, subject, type(error).__name__)
