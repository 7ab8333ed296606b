"""
The funnel's memory: what signals, measures, alerts and verdicts have told of each user, workspace and alert.

Records come at least once, and those of different partitions in any order. So everything kept is the earliest, the
newest or the union of what was told: the same set of records gives the same memory, whatever their order and however
often they come. Numbers are made of it when somebody asks (signals/funnel_numbers.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern
from typing import TypeVar

import msgspec

from signals.errors import PlgError
from signals.event import Scalar
from signals.moments import parse_usual_time
from signals.units import DAY_MS

# Whose last sign of life is older is forgotten, and no cohort reaches further back: two years, so that net dollar
# retention over one has another one of cohorts.
KEPT_MS = 104 * 7 * DAY_MS
# `plg.verdicts` is kept for 30 days: within 28 a recomputation sees what the live process saw.
FIRED_MS = 28 * DAY_MS
# `plg.alerts` is kept for 90 days.
ALERTS_MS = 84 * DAY_MS
# Of one user and of one workspace; beyond that the latest invites and workspaces, and the oldest changes of revenue go.
MAX_INVITES = 200
MAX_WORKSPACES = 50
MAX_CHANGES = 100

MEASURE = "measure"
PERSONAL = "user:"
_KEPT_OF_USERS = frozenset(
    {"signed_up", "activated", "habit_formed", "active_day_2", "active_week_1", "active_day_7", "invited", "joined"}
)
_KEPT_OF_WORKSPACES = frozenset(
    {"workspace_created", "second_user", "converted_to_paid", "plan_upgraded", "seats_added", "revenue"}
)
# What billing says is no hint that sales could have acted on.
_BILLING = frozenset({"converted_to_paid", "plan_upgraded", "plan_downgraded", "seats_added", "seats_removed"})
_HINTS = frozenset({"expansion", "intent"})
_CLOCK = "clock"
_USER, _WORKSPACE, _FIRED, _ALERT = "u:", "w:", "f:", "a:"


class BadFunnelRecord(PlgError):
    """A record of `plg.signals`, `plg.alerts` or `plg.verdicts` that breaks their contract."""


class SignalSeen(msgspec.Struct):
    """What the funnel reads of a signal or a measure."""

    id: str
    signal: str
    kind: str
    scope: str
    user_id: str | None
    workspace_id: str | None
    occurred_at: str
    evidence: dict[str, Scalar | None] = {}


class AlertSeen(msgspec.Struct):
    """What the funnel reads of an alert."""

    id: str
    signal: str
    workspace_id: str
    occurred_at: str
    status: str
    reason: str | None = None


class VerdictSeen(msgspec.Struct):
    """What the funnel reads of a verdict."""

    signal_id: str
    signal: str
    verdict: str
    decided_at: str


class Person(msgspec.Struct, omit_defaults=True, gc=False):
    """
    One user.

    `first` has the earliest time of each signal and measure, `seen` and `joined` the earliest time by workspace,
    `invites` the time and the workspace of each by its id. Times are Unix milliseconds, `to_value` and `target`
    seconds.
    """

    first: dict[str, int] = {}
    to_value: float | None = None
    target: float | None = None
    seen: dict[str, int] = {}
    joined: dict[str, int] = {}
    invites: dict[str, tuple[int, str]] = {}


class MrrChange(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """One change of a workspace's monthly recurring revenue; `previous` is None where it was unknown."""

    time: int
    n: int
    mrr: float
    previous: float | None
    currency: str


class Account(msgspec.Struct, omit_defaults=True, gc=False):
    """
    One workspace.

    `first` has the earliest time by signal or measure, and under `hint` that of the first signal of expansion or intent
    that billing did not bring. `seats_at` has the times of `seats_added`.
    """

    first: dict[str, int] = {}
    changes: dict[str, MrrChange] = {}
    seats_at: list[int] = []


class Fired(msgspec.Struct, omit_defaults=True, gc=False):
    """One signal: when it fired, None while only its verdict has come, and what policy decided in the end."""

    signal: str
    time: int | None = None
    verdict: str | None = None
    decided: int | None = None


class AlertStory(msgspec.Struct, omit_defaults=True, gc=False):
    """One alert: when it was opened, about what, and how it ended."""

    signal: str
    workspace: str
    time: int
    closed: str | None = None


Row = Person | Account | Fired | AlertStory
_T = TypeVar("_T")
_signal = msgspec.json.Decoder(SignalSeen)
_alert = msgspec.json.Decoder(AlertSeen)
_verdict = msgspec.json.Decoder(VerdictSeen)
_rows: dict[str, msgspec.json.Decoder[Row]] = {
    _USER: msgspec.json.Decoder(Person),
    _WORKSPACE: msgspec.json.Decoder(Account),
    _FIRED: msgspec.json.Decoder(Fired),
    _ALERT: msgspec.json.Decoder(AlertStory),
}
_time = msgspec.json.Decoder(int)
_encode = msgspec.json.Encoder().encode


class FunnelState:
    """
    All that the funnel remembers.

    `newest` is the newest event time told, Unix milliseconds; it is what "now" means here.
    """

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.accounts: dict[str, Account] = {}
        self.fired: dict[str, Fired] = {}
        self.alerts: dict[str, AlertStory] = {}
        self.newest = 0
        self._dirty: dict[str, None] = {}

    # -- records in

    def take_signal(self, value: bytes) -> None:
        """
        Take a record of `plg.signals`.

        Raises:
            BadFunnelRecord: It is no signal.
        """
        self.add_signal(_decoded(_signal, value))

    def add_signal(self, signal: SignalSeen) -> None:
        """Take a signal or a measure."""
        time = _moment(signal.occurred_at)
        self._move_clock(time)
        if signal.kind != MEASURE:
            self._note_fired(signal, time)
        if signal.scope == "user" and signal.user_id is not None and signal.signal in _KEPT_OF_USERS:
            self._note_person(signal, signal.user_id, time)
        if signal.workspace_id is not None and not signal.workspace_id.startswith(PERSONAL):
            self._note_account(signal, signal.workspace_id, time)

    def take_alert(self, value: bytes) -> None:
        """
        Take a record of `plg.alerts`.

        Raises:
            BadFunnelRecord: It is no alert.
        """
        alert = _decoded(_alert, value)
        time = _moment(alert.occurred_at)
        self._move_clock(time)
        if time < self.newest - ALERTS_MS:
            return
        story = self.alerts.setdefault(alert.id, AlertStory(alert.signal, alert.workspace_id, time))
        story.time = min(story.time, time)
        if alert.status == "closed":
            reason = alert.reason or ""
            # An alert is closed once; should it ever be twice, the order of arrival decides nothing.
            story.closed = reason if story.closed is None else min(story.closed, reason)
        self._dirty[_ALERT + alert.id] = None

    def take_verdict(self, value: bytes) -> None:
        """
        Take a record of `plg.verdicts`.

        Raises:
            BadFunnelRecord: It is no verdict.
        """
        verdict = _decoded(_verdict, value)
        time = _moment(verdict.decided_at)
        self._move_clock(time)
        if time < self.newest - FIRED_MS:
            return
        fired = self.fired.setdefault(verdict.signal_id, Fired(verdict.signal))
        decision = (time, verdict.verdict)
        if fired.decided is None or decision < (fired.decided, fired.verdict or ""):
            fired.decided, fired.verdict = decision
            self._dirty[_FIRED + verdict.signal_id] = None

    def _move_clock(self, time: int) -> None:
        if time <= self.newest:
            return
        before, self.newest = self.newest, time
        self._dirty[_CLOCK] = None
        if before // DAY_MS != time // DAY_MS:
            self._forget()

    def _note_fired(self, signal: SignalSeen, time: int) -> None:
        if time < self.newest - FIRED_MS:
            return
        fired = self.fired.setdefault(signal.id, Fired(intern(signal.signal)))
        if fired.time is None or time < fired.time:
            fired.time = time
            self._dirty[_FIRED + signal.id] = None

    def _note_person(self, signal: SignalSeen, user: str, time: int) -> None:
        person = self.people.setdefault(user, Person())
        self._dirty[_USER + user] = None
        # Few names and many users; the id of a workspace stands with all of its people.
        name, workspace = intern(signal.signal), intern(signal.workspace_id or "")
        if name == "activated" and time <= person.first.get(name, time):
            person.to_value, person.target = (_number(signal.evidence.get(key)) for key in ("time_to_value", "target"))
        _earliest(person.first, name, time)
        if name == "invited":
            person.invites[signal.id] = (time, workspace)
            _keep_first(person.invites, MAX_INVITES)
        if workspace and not workspace.startswith(PERSONAL):
            _earliest(person.seen, workspace, time)
            _keep_first(person.seen, MAX_WORKSPACES)
            if name == "joined":
                _earliest(person.joined, workspace, time)
                _keep_first(person.joined, MAX_WORKSPACES)

    def _note_account(self, signal: SignalSeen, workspace: str, time: int) -> None:
        name = intern(signal.signal)
        is_hint = signal.kind in _HINTS and name not in _BILLING
        is_kept = signal.scope == "workspace" and name in _KEPT_OF_WORKSPACES
        if not (is_hint or is_kept or name == "activated"):
            return
        account = self.accounts.setdefault(workspace, Account())
        self._dirty[_WORKSPACE + workspace] = None
        if is_hint:
            _earliest(account.first, "hint", time)
        if name == "revenue":
            change = _change(signal, time)
            if change is not None:
                account.changes[signal.id] = change
                _keep_last(account.changes, MAX_CHANGES)
        elif name == "seats_added":
            account.seats_at = sorted({*account.seats_at, time})[-MAX_CHANGES:]
        elif is_kept or name == "activated":
            _earliest(account.first, name, time)

    # -- rows out and in

    def changed(self) -> Iterator[tuple[str, bytes | None]]:
        """What has changed since the last time, as keys and values to keep; None for what is forgotten."""
        for key in self._dirty:
            yield key, self._stored(key)
        self._dirty = {}

    def load(self, key: str, value: bytes | None) -> None:
        """
        Put back what `changed` gave, each key in the order in which it gave it.

        Raises:
            BadFunnelRecord: Nobody of us wrote it.
        """
        rows, name = self._rows(key[:2]), key[2:]
        if key == _CLOCK:
            self.newest = max(self.newest, _decoded(_time, value or b"0"))
        elif rows is None:
            raise BadFunnelRecord(f"no row of the funnel has a key that begins with {key[:2]!r}")
        elif value is None:
            rows.pop(name, None)
        else:
            rows[name] = _decoded(_rows[key[:2]], value)

    def _stored(self, key: str) -> bytes | None:
        if key == _CLOCK:
            return _encode(self.newest)
        row = (self._rows(key[:2]) or {}).get(key[2:])
        return None if row is None else _encode(row)

    def _rows(self, prefix: str) -> dict[str, Row] | None:
        tables: dict[str, object] = {
            _USER: self.people,
            _WORKSPACE: self.accounts,
            _FIRED: self.fired,
            _ALERT: self.alerts,
        }
        return tables.get(prefix)  # type: ignore[return-value]  # each prefix with its own kind of row

    def _forget(self) -> None:
        """Let go of what no number looks at any more; what comes of it again later is as if it had never been."""
        oldest, fired, alerts = self.newest - KEPT_MS, self.newest - FIRED_MS, self.newest - ALERTS_MS
        gone = [_USER + key for key, person in self.people.items() if last_of_person(person) < oldest]
        gone += [_WORKSPACE + key for key, account in self.accounts.items() if _is_over(account, oldest)]
        gone += [_FIRED + key for key, one in self.fired.items() if max(one.time or 0, one.decided or 0) < fired]
        gone += [_ALERT + key for key, story in self.alerts.items() if story.time < alerts]
        for key in gone:
            rows = self._rows(key[:2])
            assert rows is not None
            del rows[key[2:]]
            self._dirty[key] = None


def last_of_person(person: Person) -> int:
    """The newest time that is known of a user, 0 without any."""
    invites = (time for time, _ in person.invites.values())
    return max(*person.first.values(), *person.seen.values(), *person.joined.values(), *invites, 0, 0)


def _is_over(account: Account, oldest: int) -> bool:
    last = max(*account.first.values(), *(change.time for change in account.changes.values()), *account.seats_at, 0, 0)
    newest = max(account.changes.values(), default=None)
    # Who pays is part of every retention of revenue, however long ago that began.
    return last < oldest and (newest is None or newest.mrr <= 0)


def _change(signal: SignalSeen, time: int) -> MrrChange | None:
    evidence = signal.evidence
    mrr, n, currency = _number(evidence.get("mrr")), _number(evidence.get("change")), evidence.get("currency")
    if mrr is None:
        return None
    previous = _number(evidence.get("previous_mrr"))
    return MrrChange(time, int(n or 0), mrr, previous, currency if isinstance(currency, str) else "")


def _earliest(times: dict[str, int], name: str, time: int) -> None:
    known = times.get(name)
    if known is None or time < known:
        times[name] = time


def _keep_first(found: dict[str, int] | dict[str, tuple[int, str]], most: int) -> None:
    if len(found) > most:
        del found[max(found, key=lambda key: (found[key], key))]


def _keep_last(found: dict[str, MrrChange], most: int) -> None:
    if len(found) > most:
        del found[min(found, key=lambda key: (found[key].time, found[key].n, key))]


def _number(value: Scalar | None) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(text: str) -> int:
    time = parse_usual_time(text)
    if time is None:
        raise BadFunnelRecord("not a time as we write it")
    return time


def _decoded(decoder: msgspec.json.Decoder[_T], value: bytes) -> _T:
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # Its type alone: the text may quote the record.
        raise BadFunnelRecord(f"not a record of this topic ({type(error).__name__})") from error
