"""An account of the funnel of its own: plain SQL over raw events, which knows nothing of this project's code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
# The staff of the simulator are known by their ids; `group by id` takes the first delivery of each.
_SETUP = """
create table events_with_staff as select *, min(place) as first from raw group by id;
create table events as
  select * from events_with_staff where user is null or user not like 'u\\_staff\\_%' escape '\\';
create table signed_up as
  select user, min(at) as at from events where name = 'Signed Up' and user is not null group by user;
create table activated as
  select user, min(at) as at from events where name = 'Report Shared' and user is not null group by user;
create table created as
  select workspace, min(at) as at from events where name = 'Workspace Created' group by workspace;
create table billed as
  select workspace, at, coalesce(mrr, 0) as mrr, plan from events_with_staff
  where name in ('Plan Changed', 'Subscription Cancelled') and workspace is not null;
create table paid as
  select workspace, min(at) as at from billed where plan not in ('free', 'trial') group by workspace;
create table active as
  select user, workspace, at from events where type = 'track' and user is not null and name not in (
    'Trial Started', 'Trial Ended', 'Plan Changed', 'Subscription Cancelled', 'Usage Reported', 'Invite Accepted',
    'Account Removed User');
create index active_of_user on active (user, at);
create table joined as
  select user, workspace, min(at) as at from (
    select user, workspace, at from active
    union all select coalesce(member, user), workspace, at from events where name = 'Invite Accepted')
  where user is not null and workspace is not null group by user, workspace;
create table invited as
  select workspace, user, min(at) as at from events
  where name = 'Invite Sent' and workspace is not null group by workspace;
create table sized as select user, at from events where type = 'group' and employees > 100;
create table times as
  select a.user, (a.at - s.at) / 1000.0 as seconds, s.at as signed_up,
         exists (select 1 from sized g where g.user = a.user and g.at <= a.at) as is_mid
  from activated a join signed_up s using (user) where a.at >= s.at;
"""


class Account:
    """
    The account of some events as of a moment.

    Args:
        events: Segment messages in the order of delivery.
        now: Unix milliseconds.
    """

    def __init__(self, events: Iterable[dict[str, Any]], now: int) -> None:
        self.now = now
        self._db = sqlite3.connect(":memory:")
        self._db.execute(
            "create table raw (place integer primary key, id text, name text, type text, user text, workspace text,"
            " at integer, plan text, mrr real, employees real, member text)"
        )
        self._db.executemany("insert into raw values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_row, events))
        for statement in _SETUP.split(";"):
            self._db.execute(statement)

    def signups(self) -> dict[str, int]:
        """Users by ISO week of sign-up."""
        return self._by_week("signed_up")

    def created(self) -> dict[str, int]:
        """Workspaces by ISO week of creation."""
        return self._by_week("created")

    def activation(self, within_ms: int) -> tuple[int, int]:
        """Of the users who have had so long, those activated in it; and how many there are."""
        return self._share("signed_up", "activated", "user", within_ms)

    def free_to_paid(self, days: int) -> tuple[int, int]:
        """Of the workspaces that are so old, those that had begun to pay by then; and how many there are."""
        return self._share("created", "paid", "workspace", days * _DAY_MS)

    def activated_by_week(self, days: int) -> dict[str, int]:
        """Users activated within so many days, by ISO week of sign-up; weeks without any are left out."""
        return dict(
            self._db.execute(
                f"select {_iso_week('s.at')}, count(*) from signed_up s join activated a using (user)"
                " where a.at - s.at <= ? group by 1 order by 1",
                [days * _DAY_MS],
            )
        )

    def retention(self, anchor: str, first_hour: int, last_hour: int) -> tuple[int, int]:
        """Of those for whom that time is over, who was active in it; `last_hour` is no part of it."""
        [(count, total)] = self._db.execute(
            "select coalesce(sum(exists (select 1 from active x where x.user = e.user and x.at >= e.at + ?"
            f" and x.at < e.at + ?)), 0), count(*) from {anchor} e where ? - e.at >= ?",
            [first_hour * _HOUR_MS, last_hour * _HOUR_MS, self.now, last_hour * _HOUR_MS],
        )
        return count, total

    def invites(self, days: int) -> tuple[int, int]:
        """Invites sent within so many days of sign-up, by users who have had so long; and how many users these are."""
        [(count, total)] = self._db.execute(
            "select coalesce(sum((select count(*) from events i where i.name = 'Invite Sent' and i.user = s.user"
            " and i.at - s.at <= ?)), 0), count(*) from signed_up s where ? - s.at >= ?",
            [days * _DAY_MS, self.now, days * _DAY_MS],
        )
        return count, total

    def brought(self, days: int) -> tuple[int, int]:
        """People who came where somebody who has had so long had invited first, in so many days of his sign-up."""
        [(count,)] = self._db.execute(
            "select count(distinct s.user || ' ' || j.user) from signed_up s join invited i on i.user = s.user"
            " join joined j on j.workspace = i.workspace and j.user != i.user and j.at >= i.at"
            " where j.at - s.at <= ? and ? - s.at >= ?",
            [days * _DAY_MS, self.now, days * _DAY_MS],
        )
        return count, self.invites(days)[1]

    def time_to_value(self, percent: int, *, is_mid: bool) -> float | None:
        """By nearest rank, of those who signed up at least 30 days ago, in seconds."""
        where = "from times where is_mid = ? and ? - signed_up >= ?"
        about = [is_mid, self.now, 30 * _DAY_MS]
        [(count,)] = self._db.execute(f"select count(*) {where}", about)
        skip = max(1, -(-count * percent // 100)) - 1
        found = self._db.execute(f"select seconds {where} order by seconds limit 1 offset {skip}", about).fetchone()
        return found[0] if found is not None else None

    def dollar_retention(self, days: int) -> tuple[int, float, float]:
        """The workspaces that paid so many days ago, what they paid then, and what they pay now."""
        at = """(select mrr from billed x where x.workspace = b.workspace and x.at <= {} order by x.at desc limit 1)"""
        [(count, then, now)] = self._db.execute(
            f"""select count(*), coalesce(sum(begun), 0), coalesce(sum(ended), 0) from (
                  select {at.format("?")} as begun, {at.format("?")} as ended
                  from (select distinct workspace from billed) b) where begun > 0""",
            [self.now - days * _DAY_MS, self.now],
        )
        return count, then, now

    def _by_week(self, table: str) -> dict[str, int]:
        return dict(self._db.execute(f"select {_iso_week('at')}, count(*) from {table} group by 1 order by 1"))

    def _share(self, entered: str, reached: str, key: str, within_ms: int) -> tuple[int, int]:
        [(count, total)] = self._db.execute(
            f"select coalesce(sum(r.at - e.at <= ?), 0), count(*) from {entered} e left join {reached} r using ({key})"
            " where ? - e.at >= ?",
            [within_ms, self.now, within_ms],
        )
        return count, total


def _iso_week(at: str) -> str:
    # The week is that of its Thursday.
    thursday = f"date({at} / 1000, 'unixepoch', '-3 days', 'weekday 4')"
    return f"strftime('%Y', {thursday}) || printf('-W%02d', (strftime('%j', {thursday}) - 1) / 7 + 1)"


def _row(event: dict[str, Any]) -> tuple[object, ...]:
    properties, traits = event.get("properties") or {}, event.get("traits") or {}
    workspace = (event.get("context") or {}).get("groupId") or event.get("groupId")
    at = datetime.fromisoformat(event["timestamp"])
    return (
        event["messageId"],
        event.get("event"),
        event["type"],
        event.get("userId"),
        workspace,
        round(at.timestamp() * 1_000),
        properties.get("plan"),
        properties.get("mrr"),
        traits.get("employees"),
        properties.get("member_id"),
    )


def read(line: bytes) -> dict[str, Any]:
    """A line of a file of events."""
    found: dict[str, Any] = json.loads(line)
    return found
