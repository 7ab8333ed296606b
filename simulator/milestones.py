"""Milestones: the dated happenings of a company's life, from its first sign-up to its cancellation."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulator.company import Company, Destiny, Person
from simulator.happening import Happening, Properties, tracked, viewed
from simulator.naming import FREE_MAIL_DOMAIN, STAFF_DOMAIN, company_domain
from simulator.rhythm import DAY, MINUTE, SECOND, chance, iso, iso_day, working_moment
from simulator.scenario import Scenario


def milestones(company: Company, scenario: Scenario, rng: random.Random) -> list[Happening]:
    """All dated happenings of the company that fall into the run, in order of time."""
    found = [
        *_founding(company, rng),
        *(h for person in company.people[1:] for h in _joining(company, person, rng)),
        *_leaving(company, rng),
        *_trial(company, rng),
        *_billing(company, rng),
        *_intent(company, scenario, rng),
        *_staff_visit(company, scenario, rng),
    ]
    if company.existing:
        # What the CRM sync tells on the first day about a customer of old.
        found.append(_grouped(company, scenario.start_ms + int(rng.uniform(1, 120) * MINUTE), company.founder))
    start, end = scenario.start_ms, scenario.end_ms
    return sorted((h for h in found if start <= h.time <= end), key=lambda h: h.time)


def _founding(company: Company, rng: random.Random) -> Iterator[Happening]:
    founder = company.founder
    if chance(rng, 0.6):
        yield viewed(founder.arrives - int(rng.uniform(1, 9) * MINUTE), "Docs", founder, None, anonymous=True)
        yield viewed(founder.arrives - int(rng.uniform(5, 50) * SECOND), "Pricing", founder, None, anonymous=True)
    yield from _signing_up(founder, company.workspace_at(founder.arrives), rng)
    if company.created is not None:
        yield tracked(company.created, "Workspace Created", founder, company.workspace_id, {"name": company.name})
        yield _grouped(company, company.created + 900, founder)
    if company.activated is not None:
        workspace = company.workspace_at(company.activated)
        yield tracked(company.activated - int(rng.uniform(40, 200) * SECOND), "Project Created", founder, workspace)
        yield tracked(company.activated, "Report Shared", founder, workspace, {"with": "link"})


def _signing_up(person: Person, workspace_id: str | None, rng: random.Random) -> Iterator[Happening]:
    yield tracked(person.arrives, "Signed Up", person, workspace_id, {"email": person.email})
    yield identified(person, person.arrives + int(rng.uniform(1, 5) * SECOND))


def identified(person: Person, time: int) -> Happening:
    """The identify call that browsers send after a login."""
    name = person.email.split("@", 1)[0]
    return Happening(time, "identify", "", person, None, {"email": person.email, "name": name})


def _grouped(company: Company, time: int, person: Person) -> Happening:
    paid = company.subscription_at(time)
    traits: Properties = {
        "name": company.name,
        "plan": paid.plan if paid else "free",
        "employees": company.employees,
        "website": company_domain(company.index) if company.domain == FREE_MAIL_DOMAIN else company.domain,
    }
    if paid:
        traits["seats"] = paid.seats
    return Happening(time, "group", "", person, company.workspace_id, traits)


def _joining(company: Company, person: Person, rng: random.Random) -> Iterator[Happening]:
    """An invite, then the acceptance; products differ in whom they name, so all three ways occur."""
    workspace = company.workspace_id
    sent = max(person.arrives - int(rng.uniform(0.02, 1.5) * DAY), (company.created or person.arrives) + MINUTE)
    if sent < person.arrives:
        yield tracked(sent, "Invite Sent", company.founder, workspace, {"invitee_email": person.email})
    if not person.elsewhere:
        yield from _signing_up(person, workspace if chance(rng, 0.5) else None, rng)
    accepted = person.arrives + int(rng.uniform(5, 50) * SECOND)
    if chance(rng, 0.5):
        yield tracked(accepted, "Invite Accepted", person, workspace)
    else:
        actor = person if chance(rng, 0.6) else company.founder
        yield tracked(accepted, "Invite Accepted", actor, workspace, {"member_id": person.id})


def _leaving(company: Company, rng: random.Random) -> Iterator[Happening]:
    for person in company.people[1:]:
        if person.leaves is not None and chance(rng, 0.7):
            member: Properties = {"member_id": person.id}
            yield tracked(person.leaves, "Account Removed User", company.founder, company.workspace_id, member)
        elif person.leaves is not None:
            yield tracked(person.leaves, "Account Removed User", person, company.workspace_id)


def _trial(company: Company, rng: random.Random) -> Iterator[Happening]:
    if company.trial is None:
        return
    starts, ends = company.trial
    write = iso_day if chance(rng, 0.2) else iso
    dates = {"trial_start_date": write(starts), "trial_end_date": write(ends), "trial_plan_name": "business"}
    starter = company.founder if chance(rng, 0.4) else None
    yield tracked(starts, "Trial Started", starter, company.workspace_id, {**dates})
    over = ends if company.converted is None else min(ends, company.converted)
    yield tracked(over + SECOND, "Trial Ended", None, company.workspace_id, {**dates})


def _billing(company: Company, rng: random.Random) -> Iterator[Happening]:
    """The billing back end knows workspaces, not users; for large customers our own staff sometimes turn the switch."""
    for paid in company.subscriptions:
        if company.cancelled is not None and paid.time >= company.cancelled:
            continue
        by = staff_member(company.index) if company.large and chance(rng, 0.5) else None
        terms: Properties = {"plan": paid.plan, "seats": paid.seats, "mrr": paid.mrr, "currency": "USD"}
        yield tracked(paid.time, "Plan Changed", by, company.workspace_id, terms)
    if company.cancelled is not None:
        end: Properties = {"plan": "free", "mrr": 0, "currency": "USD"}
        yield tracked(company.cancelled, "Subscription Cancelled", None, company.workspace_id, end)


def _intent(company: Company, scenario: Scenario, rng: random.Random) -> Iterator[Happening]:
    for time, name in company.procurement:
        yield tracked(time, name, company.founder, company.workspace_id)
    share = 0.25 if company.destiny is Destiny.EXPAND else 0.04
    first = max(company.founder.arrives + 10 * MINUTE, scenario.start_ms)
    if company.large or chance(rng, share):
        time = working_moment(rng, first + int(rng.uniform(0, 12) * DAY), company.offset)
        workspace = company.workspace_at(time)
        yield viewed(time - int(rng.uniform(10, 90) * SECOND), "Pricing", company.founder, workspace)
        yield tracked(time, "Contact Sales Clicked", company.founder, workspace)


def _staff_visit(company: Company, scenario: Scenario, rng: random.Random) -> Iterator[Happening]:
    """Support looks into a workspace: it must not count as use by the customer."""
    if company.created is None or not (company.large or chance(rng, 0.05)):
        return
    time = max(company.created, scenario.start_ms) + int(rng.uniform(0.1, 20) * DAY)
    staff = staff_member(company.index)
    yield identified(staff, time)
    for step in range(1, rng.randint(3, 7)):
        name = "Dashboard Viewed" if step % 2 else "Report Shared"
        yield tracked(time + step * 40 * SECOND, name, staff, company.workspace_id)


def staff_member(index: int) -> Person:
    """One of the vendor's own five people."""
    number = index % 5
    email = f"staff{number}@{STAFF_DOMAIN}"
    return Person(f"u_staff_{number}", f"a_staff_{number}", email, arrives=0, diligence=0.0)
