"""Intent: somebody from a large company is in the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.rule import Evidence, Finding, Kind, RuleParams, Trigger, Why, WorkspaceRule

if TYPE_CHECKING:
    from signals.domains import Domains
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState


class EnterpriseDomainParams(RuleParams):
    """Nothing to tune here: the list of domains is in `domains:`."""


class EnterpriseDomain(WorkspaceRule):
    """Fires for the first user of a workspace from each domain of the enterprise list, also before activation."""

    name = "enterprise_domain"
    kind = Kind.INTENT
    triggers = frozenset({Trigger.DOMAIN})
    before_activation = True
    play = "Find out who they are and what they try to do. Reach out in person, by name of the company."

    def __init__(self, params: EnterpriseDomainParams, domains: Domains) -> None:
        self.params = params
        self._domains = domains

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:  # noqa: ARG002
        """Fire if nobody from the user's domain was seen in the workspace before."""
        if fact.domain is None or workspace.has_fired(self.name, fact.domain):
            return None
        company = self._domains.enterprise(fact.domain)
        evidence: Evidence = {
            "domain": fact.domain,
            "company": company.name if company else None,
            "enterprise_rank": company.enterprise_rank if company else None,
        }
        return Finding(evidence, key=fact.domain)

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the company where the list has one."""
        return f"somebody from {evidence['company'] or evidence['domain']} signed in"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the domain and its rank; a list has no threshold."""
        reasons = [Why("enterprise_domain", evidence["domain"])]
        if evidence["enterprise_rank"] is not None:
            reasons.append(Why("enterprise_rank", evidence["enterprise_rank"]))
        return reasons
