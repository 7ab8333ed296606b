"""Labels: the truth about every company of a run, to hold signals and scores against."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from simulator.company import Company, Destiny
from simulator.destiny import companies
from simulator.naming import ENTERPRISE_DOMAINS
from simulator.rhythm import iso
from simulator.scenario import Scenario


class Label(msgspec.Struct, frozen=True):
    """
    What becomes of one company within the run.

    Times are RFC 3339; None is never within the run (for `existing` ones also: before it). `workspace_id` is None for
    a founder who never makes a workspace. `destiny` holds even where the run ends before it is fulfilled. `users` come
    within the run or before; `enterprise` means that one of them has the mail address of a large enterprise.
    """

    workspace_id: str | None
    founder: str
    domain: str
    destiny: Destiny
    existing: bool
    large: bool
    enterprise: bool
    users: int
    signed_up_at: str | None
    created_at: str | None
    activated_at: str | None
    trial_at: str | None
    procurement_at: str | None
    converted_at: str | None
    expanded_at: str | None
    fades_at: str | None
    cancelled_at: str | None


def truth(scenario: Scenario) -> Iterator[Label]:
    """One label a company, in the order of their numbers, without playing the scenario."""
    for company, _ in companies(scenario):
        yield _label(company, scenario)


def _label(company: Company, scenario: Scenario) -> Label:
    start, end = scenario.start_ms, scenario.end_ms

    def told(time: int | None) -> str | None:
        return iso(time) if time is not None and start <= time <= end else None

    here = [person for person in company.people if person.arrives <= end]
    grown = company.subscriptions[1].time if len(company.subscriptions) > 1 else None
    return Label(
        workspace_id=company.workspace_id if company.created is not None and company.created <= end else None,
        founder=company.founder.id,
        domain=company.domain,
        destiny=company.destiny,
        existing=company.existing,
        large=company.large,
        enterprise=any(person.email.endswith(f"@{domain}") for person in here for domain in ENTERPRISE_DOMAINS),
        users=len(here),
        signed_up_at=told(company.founder.arrives),
        created_at=told(company.created),
        activated_at=told(company.activated),
        trial_at=told(company.trial[0] if company.trial else None),
        procurement_at=told(company.procurement[0][0] if company.procurement else None),
        converted_at=told(company.converted),
        expanded_at=told(grown if company.destiny is Destiny.EXPAND else None),
        fades_at=told(company.fades),
        cancelled_at=told(company.cancelled),
    )
