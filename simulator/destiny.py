"""Destiny: draws the company with a given number, its people, dates and subscriptions, from the scenario's seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from simulator.company import Company, Destiny, Person, Subscription
from simulator.naming import colleague_domain, company_domain, company_name, founder_domain
from simulator.rhythm import DAY, HOUR, MINUTE, SECOND, chance, seeded, working_moment
from simulator.scenario import Scenario

_PRICES = {"team": 12, "business": 25}
_NEW = {Destiny.STALL: 35, Destiny.ACTIVATE: 30, Destiny.EXPAND: 22, Destiny.CHURN: 13}
_EXISTING = {Destiny.ACTIVATE: 45, Destiny.EXPAND: 30, Destiny.CHURN: 25}
_PROCUREMENT = ("Security Review Requested", "MSA Requested", "Invoice Billing Requested")
# America, Europe, India, East Asia: so that some part of the world is always awake.
_OFFSETS = tuple(hours * HOUR for hours in (-8, -6, -5, -5, 0, 0, 1, 1, 2, 5, 8, 9))
# Mean days between two colleagues coming; a company that will expand grows to five within about three weeks.
_DAYS_PER_ARRIVAL = {Destiny.STALL: 6.0, Destiny.ACTIVATE: 7.0, Destiny.EXPAND: 3.0, Destiny.CHURN: 5.0}


def companies(scenario: Scenario) -> Iterator[tuple[Company, random.Random]]:
    """Every company of the run, each with what is left of its own chance, to live by."""
    users = 0
    before: Company | None = None
    for index in range(scenario.workspaces):
        rng = seeded(scenario.seed, "company", index)
        company = _draw(rng, scenario, index, users)
        users += len(company.people)
        if before is not None and chance(rng, 0.06):
            _invite_guest(rng, company, before)
        yield company, rng
        before = company


def _draw(rng: random.Random, scenario: Scenario, index: int, users: int) -> Company:
    large = index < scenario.large
    existing = index % 2 == 1 if large else chance(rng, scenario.existing)
    shares = _EXISTING if existing else _NEW
    destiny = Destiny.EXPAND if large else rng.choices(list(shares), list(shares.values()))[0]
    offset = rng.choice(_OFFSETS)
    # Large ones begin early: a run should show them grow.
    span = scenario.days * DAY * (0.2 if large else 1)
    age = rng.uniform(60, 400) * DAY
    starts = scenario.start_ms + int(-age if existing else rng.random() * span)
    starts = working_moment(rng, starts, offset)
    domain = founder_domain(rng, index, large=large)
    company = Company(
        index=index,
        workspace_id=f"ws_{index:05d}",
        name=company_name(company_domain(index)),
        domain=domain,
        employees=_employees(rng, large=large),
        offset=offset,
        destiny=destiny,
        existing=existing,
        large=large,
        created=_creation(rng, destiny, starts, offset),
        activated=_activation(rng, destiny, starts, offset),
        people=[],
    )
    company.people = _people(rng, scenario, company, starts, users)
    _settle_interest(rng, scenario, company)
    _settle_money(rng, scenario, company)
    return company


def _employees(rng: random.Random, *, large: bool) -> int:
    return rng.randint(1_000, 90_000) if large else int(rng.lognormvariate(3.7, 1.1)) + 2


def _creation(rng: random.Random, destiny: Destiny, starts: int, offset: int) -> int | None:
    """Most make their workspace within minutes, some work alone for days first, some of the stalled never do."""
    if destiny is Destiny.STALL and chance(rng, 0.4):
        return None
    if chance(rng, 0.35):
        return working_moment(rng, starts + int(rng.uniform(0.3, 4) * DAY), offset)
    return starts + int(rng.uniform(20 * SECOND, 6 * MINUTE))


def _activation(rng: random.Random, destiny: Destiny, starts: int, offset: int) -> int | None:
    if destiny is Destiny.STALL:
        return None
    if chance(rng, 0.55):
        return starts + int(rng.uniform(4, 25) * MINUTE)
    return working_moment(rng, starts + int(rng.uniform(0.05, 4) * DAY), offset)


def _people(rng: random.Random, scenario: Scenario, company: Company, starts: int, users: int) -> list[Person]:
    fewest, most = scenario.large_users if company.large else scenario.users
    count = rng.randint(fewest, most)
    pace = _DAYS_PER_ARRIVAL[company.destiny]
    if company.large:
        # All of them come within the run, whatever its length.
        pace = 0.6 * scenario.days / count
    people = [_person(rng, company.domain, users, starts)]
    # Nobody can be invited before there is a workspace.
    arrives = starts if company.created is None else company.created
    for number in range(1, count if company.created is not None else 1):
        arrives += int((0.02 + rng.expovariate(1 / pace)) * DAY)
        domain = colleague_domain(rng, company.domain)
        people.append(_person(rng, domain, users + number, working_moment(rng, arrives, company.offset)))
    return people


def _person(rng: random.Random, domain: str, number: int, arrives: int) -> Person:
    leaves = arrives + int(rng.uniform(8, 40) * DAY) if chance(rng, 0.04) else None
    return Person(
        id=f"u_{number:06d}",
        anonymous_id=f"a_{number:06d}",
        email=f"user{number}@{domain}",
        arrives=arrives,
        diligence=rng.betavariate(2.0, 2.4),
        leaves=leaves,
        clock_skew=int(rng.uniform(-120, 120) * SECOND) if chance(rng, 0.05) else 0,
    )


def _invite_guest(rng: random.Random, company: Company, other: Company) -> None:
    """Someone of the neighbour works here too, an adviser say: one user in two workspaces."""
    host, guest = company.created, rng.choice(other.people)
    if host is None or other.created is None or guest.leaves is not None:
        return
    arrives = max(host, guest.arrives, other.created) + int(rng.uniform(0.5, 6) * DAY)
    arrives = working_moment(rng, arrives, company.offset)
    company.people.append(replace(guest, arrives=arrives, elsewhere=True, diligence=0.4))


def _settle_interest(rng: random.Random, scenario: Scenario, company: Company) -> None:
    """When interest goes: within days for the stalled, some weeks into the subscription for those who churn."""
    if company.destiny is Destiny.STALL:
        company.fades = company.founder.arrives + int(rng.uniform(0.2, 4) * DAY)
    elif company.destiny is Destiny.CHURN and company.existing:
        company.fades = scenario.start_ms + int(rng.uniform(0.1, 0.6) * scenario.days * DAY)


def _settle_money(rng: random.Random, scenario: Scenario, company: Company) -> None:
    activated = company.activated
    if activated is None or company.created is None:
        return
    ready = max(activated, company.created)
    pays = company.destiny in {Destiny.EXPAND, Destiny.CHURN} or (company.existing and chance(rng, 0.5))
    if company.existing:
        converted = ready + int(rng.uniform(5, 40) * DAY)
    elif chance(rng, 0.75 if pays else 0.3):
        starts = working_moment(rng, ready + int(rng.uniform(0.5, 6) * DAY), company.offset)
        company.trial = (starts, starts + 14 * DAY)
        converted = starts + int(rng.uniform(8, 15.5) * DAY)
    else:
        converted = ready + int(rng.uniform(3, 15) * DAY)
    if pays:
        _subscribe(rng, scenario, company, working_moment(rng, converted, company.offset))
    _ask_procurement(rng, scenario, company)


def _subscribe(rng: random.Random, scenario: Scenario, company: Company, converted: int) -> None:
    plan = "business" if company.large and chance(rng, 0.5) else "team"
    _pay(company, converted, plan, max(2, company.members_at(max(converted, scenario.start_ms)) + rng.randint(0, 3)))
    if company.destiny is Destiny.EXPAND:
        time = max(converted, scenario.start_ms) + int(rng.uniform(5, 25) * DAY)
        time = working_moment(rng, time, company.offset)
        plan = "business" if chance(rng, 0.4) else plan
        _pay(company, time, plan, company.subscriptions[-1].seats + rng.randint(2, 5) * (8 if company.large else 1))
    if company.destiny is Destiny.CHURN:
        company.fades = company.fades or converted + int(rng.uniform(7, 20) * DAY)
        if chance(rng, 0.25):
            _pay(company, working_moment(rng, company.fades + 2 * DAY, company.offset), "team", 2)
        # The rest just go silent, and pay until someone notices.
        if chance(rng, 0.7):
            company.cancelled = working_moment(rng, company.fades + int(rng.uniform(5, 20) * DAY), company.offset)


def _pay(company: Company, time: int, plan: str, seats: int) -> None:
    company.subscriptions.append(Subscription(time, plan, seats, seats * _PRICES[plan]))


def _ask_procurement(rng: random.Random, scenario: Scenario, company: Company) -> None:
    """Large buyers send their paperwork around the decision; a few of the others do."""
    decision = company.subscriptions[-1].time if company.subscriptions else company.activated
    if decision is None or not (company.large or chance(rng, 0.03 + 0.02 * (company.destiny is Destiny.EXPAND))):
        return
    time = max(decision - 4 * DAY, company.created or decision, scenario.start_ms)
    for name in _PROCUREMENT:
        if company.large or chance(rng, 0.5):
            time = working_moment(rng, time + int(rng.uniform(0.1, 3) * DAY), company.offset)
            company.procurement.append((time, name))
