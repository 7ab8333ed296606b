"""
The funnel's numbers, made of its memory at one moment; docs/funnel.md has every formula.

A share has a mature part, of those whose time is over, and an immature one, of those who may still get there: only the
first can be compared with anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, tzinfo

import msgspec

from signals.funnel import ALERTS_MS, FIRED_MS, KEPT_MS, Account, AlertStory, FunnelState, Person
from signals.funnel_revenue import Revenue, revenues
from signals.moments import Days, day_iso, iso
from signals.units import DAY_MS

_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
# How long somebody has to reach a stage, to invite and to bring others.
STAGE_MS = 30 * DAY_MS
ACTIVATION_MS = {"10m": 10 * _MINUTE_MS, "1h": _HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS}
PAID_MS = {"30d": 30 * DAY_MS, "60d": 60 * DAY_MS, "90d": 90 * DAY_MS}
# The measure, what it counts from, and when it can have happened at the latest: zero-based days of 24 h, day 2 being
# [48 h, 72 h) after sign-up, week 1 days 1 to 7, day 7 [168 h, 192 h) after activation.
RETENTION = {
    "d2": ("active_day_2", "signed_up", 3 * DAY_MS),
    "w1": ("active_week_1", "signed_up", 8 * DAY_MS),
    "d7_of_activated": ("active_day_7", "activated", 8 * DAY_MS),
}
USER_STAGES = ("activated", "habit", "second_user", "paid", "expanded")
WORKSPACE_STAGES = ("activated", "second_user", "paid", "expanded")
# These may be alerted before anybody has activated (SIGNALS 6.1).
BEFORE_ACTIVATION = frozenset({"enterprise_domain", "procurement", "hand_raised"})
_CONVERTED = "converted"


class Part(msgspec.Struct, frozen=True):
    """So many of so many; `share` is None where nobody has entered."""

    reached: int
    entered: int
    share: float | None


class Share(msgspec.Struct, frozen=True):
    """A share in its two parts."""

    mature: Part
    immature: Part


class Cohort(msgspec.Struct, frozen=True):
    """Who entered in one ISO week, and how many of them reached each stage in time; mature once all have had it."""

    week: str
    entered: int
    reached: dict[str, int]
    mature: bool


class Spread(msgspec.Struct, frozen=True):
    """Times to value in seconds, by nearest rank; `within_target` is a share."""

    users: int
    p50: float | None
    p90: float | None
    within_target: float | None


class Segment(msgspec.Struct, frozen=True):
    """Time to value of the users with one target; the mature part signed up at least 30 days ago."""

    target: float
    mature: Spread
    immature: Spread


class Fate(msgspec.Struct, frozen=True):
    """What became of the signals of one name in the last 28 days; `waiting` have no final verdict yet."""

    fired: int
    waiting: int
    verdicts: dict[str, int]


class Overlay(msgspec.Struct, frozen=True):
    """
    Alerts of workspaces that came into being before our eyes, and those of them before anybody had activated.

    `allowed` of the latter were about what may be told before (an enterprise domain, procurement, a raised hand).
    """

    alerts: int
    before_activation: int
    allowed: int
    share: float | None


class AlertFunnel(msgspec.Struct, frozen=True):
    """From signal to conversion: signals of the last 28 days, alerts of the last 84."""

    signals: dict[str, Fate]
    fired: int
    waiting: int
    verdicts: dict[str, int]
    delivered: int
    converted: Share
    closed: dict[str, int]
    overlay: Overlay
    # Of all paid conversions, those before which the workspace had no signal of expansion or intent.
    unforeseen: Part


class Funnel(msgspec.Struct, frozen=True):
    """All numbers of one moment; what cannot be computed from what this bus carries is named in `missing`."""

    v: int
    as_of: str | None
    time_zone: str
    users: int
    workspaces: int
    signups: dict[str, int]
    user_cohorts: list[Cohort]
    workspace_cohorts: list[Cohort]
    user_stages: dict[str, Share]
    workspace_stages: dict[str, Share]
    activation: dict[str, Share]
    time_to_value: list[Segment]
    retention: dict[str, Share]
    free_to_paid: dict[str, Share]
    virality: dict[str, Share]
    revenue: dict[str, Revenue]
    alerts: AlertFunnel
    missing: list[str]


def measure_funnel(state: FunnelState, zone: tzinfo, time_zone: str) -> Funnel:
    """
    Make the numbers.

    Args:
        state: The memory; it is not changed.
        zone: Whose weeks the cohorts are.
        time_zone: Its name.
    """
    view = _View(state, zone)
    activated = {who: first["activated"] for who, first in view.firsts("activated").items()}
    return Funnel(
        v=1,
        as_of=iso(state.newest) if state.newest else None,
        time_zone=time_zone,
        users=len(view.signed_up),
        workspaces=len(view.created),
        signups=view.weeks(view.signed_up.values()),
        user_cohorts=view.cohorts(view.signed_up, view.user_stages),
        workspace_cohorts=view.cohorts(view.created, view.workspace_stages),
        user_stages={name: view.share(view.signed_up, times, STAGE_MS) for name, times in view.user_stages.items()},
        workspace_stages={
            name: view.share(view.created, times, STAGE_MS) for name, times in view.workspace_stages.items()
        },
        activation={
            name: view.share(view.signed_up, view.user_stages["activated"], within)
            for name, within in ACTIVATION_MS.items()
        },
        time_to_value=list(_times_to_value(view)),
        retention={
            name: view.share(
                view.signed_up if anchor == "signed_up" else activated, view.times(measure), latest, counts_late=True
            )
            for name, (measure, anchor, latest) in RETENTION.items()
        },
        free_to_paid={
            name: view.share(view.created, view.workspace_stages["paid"], within) for name, within in PAID_MS.items()
        },
        virality=_virality(view),
        revenue=revenues(state.accounts.values(), state.newest),
        alerts=_alert_funnel(view),
        missing=list(_missing(view)),
    )


class _View:
    """The memory as of its newest moment: who has entered when, and when he reached what."""

    def __init__(self, state: FunnelState, zone: tzinfo) -> None:
        self.state = state
        self.now = state.newest
        self._days = Days(zone)
        # The label of each day asked for: at most those of two years.
        self._weeks: dict[int, str] = {}
        self._oldest = self.now - KEPT_MS
        self.signed_up = self.times("signed_up")
        homes = {user: {**person.seen, **person.joined} for user, person in state.people.items()}
        self.carries_creation = any("workspace_created" in account.first for account in state.accounts.values())
        self.created = self._created()
        self.activated_workspaces = self._activated_workspaces()
        paid, expanded, second = {}, {}, {}
        for workspace, account in state.accounts.items():
            if "converted_to_paid" in account.first:
                paid[workspace] = account.first["converted_to_paid"]
            if "second_user" in account.first:
                second[workspace] = account.first["second_user"]
            grown = _expanded(account)
            if grown is not None:
                expanded[workspace] = grown
        self.workspace_stages = {
            "activated": self.activated_workspaces,
            "second_user": second,
            "paid": paid,
            "expanded": expanded,
        }
        self.user_stages = {
            "activated": self.times("activated"),
            "habit": self.times("habit_formed"),
            "second_user": self._of_users(homes, second, also_before=True),
            "paid": self._of_users(homes, paid),
            "expanded": self._of_users(homes, expanded, after=paid),
        }

    def times(self, name: str) -> dict[str, int]:
        """When each user reached something, as far back as cohorts go."""
        found = {user: person.first.get(name) for user, person in self.state.people.items()}
        return {user: time for user, time in found.items() if time is not None and time >= self._oldest}

    def firsts(self, name: str) -> dict[str, dict[str, int]]:
        """The first times of those users who have one of that name."""
        users = self.times(name)
        return {user: self.state.people[user].first for user in users}

    def is_mature(self, entered: int, within: int) -> bool:
        """Whether somebody has had his time: exactly so much is enough."""
        return self.now - entered >= within

    def share(
        self, entered: Mapping[str, int], reached: Mapping[str, int], within: int, *, counts_late: bool = False
    ) -> Share:
        """
        How many of those who entered got there in time; exactly at the end of it counts.

        Args:
            counts_late: The measure is only sent for what was in time, so its own time is not looked at.
        """
        parts: dict[bool, list[int]] = {True: [0, 0], False: [0, 0]}
        for who, start in entered.items():
            part = parts[self.is_mature(start, within)]
            part[1] += 1
            time = reached.get(who)
            part[0] += time is not None and (counts_late or time - start <= within)
        return Share(mature=_part(*parts[True]), immature=_part(*parts[False]))

    def week(self, time: int) -> str:
        """The ISO week of a moment, such as `2026-W10`."""
        day = self._days.day_of(time)
        week = self._weeks.get(day)
        if week is None:
            year, number, _ = date.fromisoformat(day_iso(day)).isocalendar()
            week = self._weeks[day] = f"{year}-W{number:02d}"
        return week

    def weeks(self, times: Iterable[int]) -> dict[str, int]:
        """How many moments fall into each week, weeks in order."""
        return dict(sorted(Counter(map(self.week, times)).items()))

    def cohorts(self, entered: Mapping[str, int], stages: Mapping[str, Mapping[str, int]]) -> list[Cohort]:
        """Who entered by week, and the stages that they reached in time."""
        members: dict[str, list[str]] = {}
        for who, start in entered.items():
            members.setdefault(self.week(start), []).append(who)
        return [
            Cohort(
                week=week,
                entered=len(who),
                reached={
                    name: sum(one in times and times[one] - entered[one] <= STAGE_MS for one in who)
                    for name, times in stages.items()
                },
                mature=all(self.is_mature(entered[one], STAGE_MS) for one in who),
            )
            for week, who in sorted(members.items())
        ]

    def _created(self) -> dict[str, int]:
        found: dict[str, int] = {}
        if self.carries_creation:
            for workspace, account in self.state.accounts.items():
                if "workspace_created" in account.first:
                    found[workspace] = account.first["workspace_created"]
        else:
            # Nothing says so on this bus: a workspace begins when somebody who signed up is first seen in it.
            for user, start in self.signed_up.items():
                for workspace, time in self._seen(self.state.people[user]):
                    found[workspace] = min(found.get(workspace, max(time, start)), max(time, start))
        return {workspace: time for workspace, time in found.items() if time >= self._oldest}

    def _activated_workspaces(self) -> dict[str, int]:
        found = {
            workspace: account.first["activated"]
            for workspace, account in self.state.accounts.items()
            if "activated" in account.first
        }
        for person in self.state.people.values():
            activated = person.first.get("activated")
            if activated is not None:
                for workspace, time in self._seen(person):
                    since = max(activated, time)
                    found[workspace] = min(found.get(workspace, since), since)
        return found

    def _of_users(
        self,
        homes: Mapping[str, Mapping[str, int]],
        reached: Mapping[str, int],
        *,
        after: Mapping[str, int] | None = None,
        also_before: bool = False,
    ) -> dict[str, int]:
        """
        The first time at which a workspace of a user's reached something, once he had signed up.

        Args:
            after: What it must have reached since then, too: who joins a customer has not won one.
            also_before: It counts even if it was reached before he came.
        """
        found = {}
        for user, start in self.signed_up.items():
            times = [reached[home] for home in homes[user] if home in reached]
            if after is not None:
                times = [reached[home] for home in homes[user] if home in reached and after.get(home, -1) >= start]
            if also_before:
                times = [max(time, start) for time in times]
            first = min((time for time in times if time >= start), default=None)
            if first is not None:
                found[user] = first
        return found

    @staticmethod
    def _seen(person: Person) -> Iterator[tuple[str, int]]:
        for workspace in {**person.seen, **person.joined}:
            yield workspace, min(times[workspace] for times in (person.seen, person.joined) if workspace in times)


def _expanded(account: Account) -> int | None:
    """When a workspace that had begun to pay first paid more, took a higher plan or more seats."""
    paid = account.first.get("converted_to_paid")
    times = [account.first["plan_upgraded"]] if "plan_upgraded" in account.first else []
    times += [change.time for change in account.changes.values() if 0 < (change.previous or 0) < change.mrr]
    if paid is not None:
        # With the conversion itself come the seats that it is for.
        times += [time for time in account.seats_at if time > paid]
    return min(times, default=None)


def _times_to_value(view: _View) -> Iterator[Segment]:
    found: dict[float, dict[bool, list[float]]] = {}
    for user, first in view.firsts("activated").items():
        person = view.state.people[user]
        if person.to_value is None or person.target is None or user not in view.signed_up:
            continue
        parts = found.setdefault(person.target, {True: [], False: []})
        parts[view.is_mature(first["signed_up"], STAGE_MS)].append(person.to_value)
    for target, parts in sorted(found.items()):
        yield Segment(target, _spread(parts[True], target), _spread(parts[False], target))


def _spread(seconds: list[float], target: float) -> Spread:
    ordered, n = sorted(seconds), len(seconds)
    if not n:
        return Spread(0, None, None, None)
    within = sum(one <= target for one in ordered)
    return Spread(n, percentile(ordered, 50), percentile(ordered, 90), within / n)


def percentile(ordered: list[float], percent: int) -> float:
    """The smallest value that at least so many percent of the values do not exceed (nearest rank)."""
    return ordered[max(1, -(-len(ordered) * percent // 100)) - 1]


def _virality(view: _View) -> dict[str, Share]:
    """
    Invites sent and people brought within 30 days of the inviter's sign-up, over all who signed up.

    A join counts for the one who first invited anybody in that workspace before it.
    """
    people = view.state.people
    inviters: dict[str, tuple[int, str]] = {}
    for user, person in people.items():
        for time, workspace in person.invites.values():
            inviters[workspace] = min(inviters.get(workspace, (time, user)), (time, user))
    brought: dict[str, set[str]] = {}
    for user, person in people.items():
        for workspace, time in person.joined.items():
            since, inviter = inviters.get(workspace, (time + 1, ""))
            start = view.signed_up.get(inviter)
            if start is not None and inviter != user and since <= time <= start + STAGE_MS:
                brought.setdefault(inviter, set()).add(user)
    sent = {
        user: sum(time - start <= STAGE_MS for time, _ in people[user].invites.values())
        for user, start in view.signed_up.items()
    }
    return {
        "i30": _mean(view, sent),
        "k30": _mean(view, {user: len(found) for user, found in brought.items()}),
    }


def _mean(view: _View, counts: Mapping[str, int]) -> Share:
    parts: dict[bool, list[int]] = {True: [0, 0], False: [0, 0]}
    for user, start in view.signed_up.items():
        part = parts[view.is_mature(start, STAGE_MS)]
        part[0] += counts.get(user, 0)
        part[1] += 1
    return Share(mature=_part(*parts[True]), immature=_part(*parts[False]))


def _alert_funnel(view: _View) -> AlertFunnel:
    fates: dict[str, tuple[int, Counter[str]]] = {}
    for fired in view.state.fired.values():
        if fired.time is not None and fired.time >= view.now - FIRED_MS:
            count, verdicts = fates.get(fired.signal, (0, Counter()))
            if fired.verdict is not None:
                verdicts[fired.verdict] += 1
            fates[fired.signal] = (count + 1, verdicts)
    signals = {
        name: Fate(count, count - verdicts.total(), dict(sorted(verdicts.items())))
        for name, (count, verdicts) in sorted(fates.items())
    }
    stories = [story for story in view.state.alerts.values() if story.time >= view.now - ALERTS_MS]
    parts: dict[bool, list[int]] = {True: [0, 0], False: [0, 0]}
    for story in stories:
        part = parts[view.is_mature(story.time, STAGE_MS)]
        part[0] += story.closed == _CONVERTED
        part[1] += 1
    totals = sum((Counter(fate.verdicts) for fate in signals.values()), Counter())
    return AlertFunnel(
        signals=signals,
        fired=sum(fate.fired for fate in signals.values()),
        waiting=sum(fate.waiting for fate in signals.values()),
        verdicts=dict(sorted(totals.items())),
        delivered=len(stories),
        converted=Share(mature=_part(*parts[True]), immature=_part(*parts[False])),
        closed=dict(sorted(Counter(story.closed for story in stories if story.closed is not None).items())),
        overlay=_overlay(view, stories),
        unforeseen=_unforeseen(view),
    )


def _overlay(view: _View, stories: Iterable[AlertStory]) -> Overlay:
    # Of an older workspace nobody knows when it activated.
    known = [story for story in stories if story.workspace in view.created]
    activated = view.activated_workspaces
    early = [story for story in known if story.time < activated.get(story.workspace, story.time + 1)]
    allowed = sum(story.signal in BEFORE_ACTIVATION for story in early)
    share = (len(early) - allowed) / len(known) if known else None
    return Overlay(len(known), len(early), allowed, share)


def _unforeseen(view: _View) -> Part:
    paid = {ws: time for ws, time in view.workspace_stages["paid"].items() if time >= view.now - KEPT_MS}
    hints = {workspace: account.first.get("hint") for workspace, account in view.state.accounts.items()}
    without = sum((hint := hints[workspace]) is None or hint >= time for workspace, time in paid.items())
    return _part(without, len(paid))


def _missing(view: _View) -> Iterator[str]:
    people, accounts = view.state.people.values(), view.state.accounts.values()
    if not view.signed_up:
        yield "no signed_up: cohorts of users, activation, retention and virality are not computable"
    if not any("activated" in person.first for person in people):
        yield "no activated: time to value and activation are not computable; does events.activated name your event?"
    if not any("habit_formed" in person.first for person in people):
        yield "no habit_formed: the stage habit stays at 0"
    if not any(measure in person.first for person in people for measure, _, _ in RETENTION.values()):
        yield "no active_day_2, active_week_1 or active_day_7: retention stays at 0"
    if not any(person.invites for person in people):
        yield "no invited: i30 and k30 are not computable; does events.invite_sent name your event?"
    elif not any(person.joined for person in people):
        yield "no joined: k30 is not computable; does events.member_joined name your event?"
    if not view.carries_creation:
        yield "no workspace_created: a workspace counts from when somebody who signed up was first seen in it"
    if not any("converted_to_paid" in account.first for account in accounts):
        yield "no converted_to_paid: nobody has begun to pay; does events.plan_changed name your event?"
    if not any(account.changes for account in accounts):
        yield "no revenue: net dollar retention and the expansion share are not computable; plan_changed carries no mrr"


def _part(reached: int, entered: int) -> Part:
    return Part(reached, entered, reached / entered if entered else None)
