"""
The reference job: who used a product when, per user and per workspace, and which workspaces have become teams.

What is asked: (a) of each user how many events and the newest day; (b) of each workspace how many distinct users were
active in the 7 days that end with its newest day; (c) the workspaces for which `multi_user` at 5 fired: at least 5
distinct active users in some 7 days (signals/rules/multi_user.py). None of it depends on how partitions interleave.

`answer_to` takes the question at its word. `UserCount` and `Team` are the two steps, the same for every engine whose
steps are not given by itself: the engines are compared, not how cleverly each one counts. Only msgspec is needed here,
so that programs in environments of their own can import it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

import msgspec

WINDOW_DAYS = 7
TEAM_USERS = 5
_EPOCH = date(1970, 1, 1).toordinal()


class Context(msgspec.Struct):
    """The part of an event's context that the job reads."""

    groupId: str  # noqa: N815  # Segment's spelling


class Use(msgspec.Struct):
    """The part of an event that the job reads."""

    userId: str  # noqa: N815  # Segment's spelling
    timestamp: str
    context: Context


class Activity(msgspec.Struct, array_like=True):
    """An event on its way from its user to its workspace; `before` is the user's newest day before it, 0 for none."""

    workspace: str
    user: str
    day: int
    before: int


class UserCount(msgspec.Struct, array_like=True):
    """What is kept of a user: events, and the newest day (0 before the first). A user's events come in order."""

    events: int = 0
    newest_day: int = 0

    def add(self, day: int) -> int:
        """Count an event of a day, and tell the newest day before it."""
        before = self.newest_day
        self.events += 1
        if day > before:
            self.newest_day = day
        return before


class Team(msgspec.Struct, array_like=True):
    """
    What is kept of a workspace: for each window end the distinct users active in the 7 days up to it.

    `counts[0]` belongs to the end `first`. Exact however users interleave, without a list of them, as in
    signals/window.py: a user's active day adds him to the window ends that his day before does not cover.
    """

    newest_day: int = 0
    first: int = 0
    counts: list[int] = []
    has_fired: bool = False

    @property
    def active_users(self) -> int:
        """The distinct users of the 7 days that end with the newest day."""
        return self.counts[self.newest_day - self.first] if self.counts else 0

    def add(self, day: int, before: int) -> bool:
        """
        Count a user's active day; `before` is the user's newest day before it.

        Returns:
            Whether the workspace has become a team by it.
        """
        self.newest_day = max(self.newest_day, day)
        start, stop = max(day, before + WINDOW_DAYS), day + WINDOW_DAYS
        if start >= stop:
            return False
        self._cover(start, stop)
        is_team = False
        for index in range(start - self.first, stop - self.first):
            self.counts[index] += 1
            is_team |= self.counts[index] >= TEAM_USERS
        fires = is_team and not self.has_fired
        self.has_fired |= is_team
        return fires

    def _cover(self, start: int, stop: int) -> None:
        if not self.counts:
            self.first = start
        elif start < self.first:
            self.counts[:0] = [0] * (self.first - start)
            self.first = start
        self.counts.extend([0] * (stop - self.first - len(self.counts)))


class Answer(msgspec.Struct):
    """
    The answer to the job.

    `users` has events and newest day of each user, `active` the distinct users of each workspace's last 7 days, `teams`
    the workspaces for which `multi_user` fired.
    """

    users: dict[str, tuple[int, int]] = {}
    active: dict[str, int] = {}
    teams: set[str] = set()

    def difference(self, right: Answer) -> str | None:
        """How it differs from the right one, with an example; None if it does not."""
        sides: tuple[tuple[str, dict[str, object], dict[str, object]], ...] = (
            ("users", {**self.users}, {**right.users}),
            ("workspaces", {**self.active}, {**right.active}),
            ("teams", dict.fromkeys(self.teams, True), dict.fromkeys(right.teams, True)),
        )
        for what, seen, wanted in sides:
            wrong = [key for key in wanted.keys() | seen.keys() if seen.get(key) != wanted.get(key)]
            if wrong:
                key = min(wrong)
                return (
                    f"{len(wrong):,} of {len(wanted):,} {what} are wrong, "
                    f"such as {key}: {seen.get(key)} instead of {wanted.get(key)}"
                )
        return None


@lru_cache(maxsize=1_024)
def _day_of_date(text: str) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH


def day_of(timestamp: str) -> int:
    """The calendar day of an event's time, in days since 1970-01-01."""
    return _day_of_date(timestamp[:10])


def answer_of(users: dict[str, UserCount], teams: dict[str, Team]) -> Answer:
    """The answer that the two steps have come to."""
    return Answer(
        {user: (count.events, count.newest_day) for user, count in users.items()},
        {workspace: team.active_users for workspace, team in teams.items()},
        {workspace for workspace, team in teams.items() if team.has_fired},
    )


def answer_to(history: Iterable[tuple[str, str, int]]) -> Answer:
    """The answer for (user, workspace, day), by the definitions, without any broker or cleverness."""
    answer = Answer()
    seen: dict[str, dict[int, set[str]]] = {}
    for user, workspace, day in history:
        events, newest = answer.users.get(user, (0, 0))
        answer.users[user] = (events + 1, max(newest, day))
        seen.setdefault(workspace, {}).setdefault(day, set()).add(user)
    for workspace, days in seen.items():
        # Of all windows with the same days of activity in them, the one that ends with the last of these is enough.
        distinct = {end: len(set().union(*(days.get(end - back, ()) for back in range(WINDOW_DAYS)))) for end in days}
        answer.active[workspace] = distinct[max(days)]
        if max(distinct.values()) >= TEAM_USERS:
            answer.teams.add(workspace)
    return answer
