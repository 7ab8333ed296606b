"""Daily life: what the people of a company do on each day, its usage counter and the visitors of the website."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulator.company import Company, Person
from simulator.happening import Happening, tracked, viewed
from simulator.milestones import identified, milestones
from simulator.rhythm import DAY, HOUR, MINUTE, SECOND, busyness, chance, iso_day
from simulator.scenario import Scenario

# What people do in a session, and how often. Comment Added is there to be an event that no role maps.
_ACTIONS = ("Dashboard Viewed", "Comment Added", "Data Imported", "Project Created", "Report Shared", "Docs", "Pricing")
_WEIGHTS = (42, 14, 13, 11, 13, 5, 2)
_PAGES = frozenset({"Docs", "Pricing"})
_GATED = ("sso", "audit_log", "pdf_export")
_FREE_REPORTS = 25
_REPORTS_PER_SEAT = {"team": 30, "business": 100}
_MAX_ACTIONS = 14
_FADING_DAYS = 14


def live(company: Company, scenario: Scenario, rng: random.Random) -> Iterator[Happening]:
    """The happenings of one company in order of time; it holds those of one day at once."""
    dated = milestones(company, scenario, rng)
    dated.reverse()
    meter = Meter(company, rng)
    seen: set[str] = set()
    start, end, offset = scenario.start_ms, scenario.end_ms, company.offset
    for day in range((start + offset) // DAY, (end + offset) // DAY + 1):
        morning = day * DAY - offset
        today = [h for h in _sessions(company, rng, morning, seen) if start <= h.time <= end]
        while dated and dated[-1].time < morning + DAY:
            today.append(dated.pop())
        today.sort(key=lambda h: h.time)
        today = meter.read(today)
        report = meter.report(morning + DAY - int(rng.uniform(1, 40) * MINUTE))
        if report is not None and today and today[-1].time <= report.time <= end:
            today.append(report)
        yield from today


def _sessions(company: Company, rng: random.Random, morning: int, seen: set[str]) -> Iterator[Happening]:
    busy = busyness(morning + company.offset) * _interest(company, morning)
    night = morning + DAY
    for person in company.people:
        arrives = person.arrives
        if arrives >= night or (person.leaves is not None and person.leaves < night):
            continue
        if arrives >= morning:
            yield from _session(company, person, rng, arrives + MINUTE, night)
        elif rng.random() < person.diligence * busy:
            begins = morning + int(rng.triangular(7, 21, 10.5) * HOUR)
            # Someone of a customer of old is unknown to the bus until the first login of the run.
            if (company.existing and person.id not in seen) or chance(rng, 0.05):
                seen.add(person.id)
                yield identified(person, begins)
            yield from _session(company, person, rng, begins, night)


def _interest(company: Company, morning: int) -> float:
    """1 while a company lives, a half when it begins to fade, half as much every two days after, 0 in the end."""
    if company.fades is None or morning < company.fades:
        return 1.0
    days = (morning - company.fades) / DAY
    return 0.0 if days > _FADING_DAYS else 0.5 ** (1 + days / 2)


def _session(company: Company, person: Person, rng: random.Random, begins: int, night: int) -> Iterator[Happening]:
    time = begins
    for name in rng.choices(_ACTIONS, _WEIGHTS, k=min(_MAX_ACTIONS, 3 + int(rng.expovariate(0.25)))):
        time += int((0.5 + rng.expovariate(1 / 80)) * SECOND)
        if time >= night:
            return
        workspace = company.workspace_at(time)
        if person.elsewhere and chance(rng, 0.3):
            workspace = None
        if name in _PAGES:
            yield viewed(time, name, person, workspace)
        elif name != "Report Shared":
            yield tracked(time, name, person, workspace)
        elif company.activated is not None and time > company.activated:
            yield tracked(time, name, person, workspace, {"with": "team"})


class Meter:
    """Counts the shared reports of a month against the plan's limit: at the limit people meet the paywall instead."""

    def __init__(self, company: Company, rng: random.Random) -> None:
        self._company = company
        self._rng = rng
        self._used = rng.randint(0, _FREE_REPORTS // 2) if company.existing else 0
        self._month = ""
        self._reported = self._used

    def read(self, today: list[Happening]) -> list[Happening]:
        """Count a day's reports; those above the limit come back as `Feature Gated`."""
        return [self._gate(h) if h.name == "Report Shared" and h.workspace_id else h for h in today]

    def _gate(self, shared: Happening) -> Happening:
        self._turn_month(shared.time)
        over = self._used >= self._limit(shared.time)
        # The first report is free of any limit: it is the value moment the company's label speaks of.
        if over and shared.time != self._company.activated:
            return shared._replace(name="Feature Gated", properties={"feature": "reports"})
        free = self._company.subscription_at(shared.time) is None
        if free and shared.time != self._company.activated and chance(self._rng, 0.06):
            return shared._replace(name="Feature Gated", properties={"feature": self._rng.choice(_GATED)})
        self._used += 1
        return shared

    def report(self, time: int) -> Happening | None:
        """The back end's report at the end of a day; None when nothing has changed since the last."""
        self._turn_month(time)
        if self._used == self._reported or self._company.workspace_at(time) is None:
            return None
        self._reported = self._used
        usage = {"metric": "reports", "used": self._used, "limit": self._limit(time), "period": "month"}
        return tracked(time, "Usage Reported", None, self._company.workspace_id, {**usage})

    def _turn_month(self, time: int) -> None:
        month = iso_day(time)[:7]
        if month != self._month:
            if self._month:
                self._used = self._reported = 0
            self._month = month

    def _limit(self, time: int) -> int:
        paid = self._company.subscription_at(time)
        return paid.seats * _REPORTS_PER_SEAT[paid.plan] if paid else _FREE_REPORTS


def visitors(scenario: Scenario, rng: random.Random) -> Iterator[Happening]:
    """Anonymous visitors of the website, who read a page or three and are never heard of again, in order of time."""
    gap = DAY / (scenario.visitors * scenario.workspaces) if scenario.visitors else 0.0
    time, number = float(scenario.start_ms), 0
    while gap:
        time += rng.expovariate(1 / gap)
        if time > scenario.end_ms:
            return
        number += 1
        visitor = Person("", f"a_visitor_{number:06d}", "", arrives=int(time), diligence=0.0)
        yield viewed(int(time), rng.choice(("Home", "Docs", "Pricing")), visitor, None, anonymous=True)
