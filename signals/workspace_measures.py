"""What the funnel needs to know of a workspace besides its signals: that it came into being, and what it pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.compiled import Engine, signal_identifier
from signals.facts import Fact, Firing, Outputs
from signals.rule import Evidence, Kind, Scope

if TYPE_CHECKING:
    from signals.workspace import Change

WORKSPACE_CREATED = "workspace_created"
REVENUE = "revenue"


def measure_workspace(fact: Fact, change: Change, engine: Engine, out: Outputs) -> None:
    """Put out the measures of a fact that has been applied: its first `workspace_created`, and each change of MRR."""
    if change.is_created:
        out.measures.append(_measure(WORKSPACE_CREATED, 1, fact, {}, engine))
    step = change.revenue
    if step is not None:
        evidence: Evidence = {
            "mrr": step.after,
            "previous_mrr": step.before,
            "currency": step.currency,
            "change": step.n,
        }
        out.measures.append(_measure(REVENUE, step.n, fact, evidence, engine))


def _measure(name: str, n: int, fact: Fact, evidence: Evidence, engine: Engine) -> Firing:
    return Firing(
        signal_identifier(engine.config.prefix, Scope.WORKSPACE, fact.workspace_id, name, "", n),
        name,
        Kind.MEASURE,
        Scope.WORKSPACE,
        n,
        fact.time,
        fact.event_id,
        fact.cause,
        user_id=fact.user_id,
        workspace_id=fact.workspace_id,
        evidence=evidence,
    )
