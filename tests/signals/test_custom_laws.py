"""Laws of the config's own signals, over random histories: a brute-force account of them, replays, and both ways."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from signals.engine import Engine, encode_state
from signals.event import Event, EventType, Source, Tick
from signals.formats.meanings import Meanings
from signals.units import DAY_MS
from tests.signals.builders import MONDAY, engine, event
from tests.signals.test_laws import SETTINGS, Run, random_history, stored_and_read
from tests.signals.test_usual import _GENERAL, _busy, _everything, _ways

CUSTOM: dict[str, dict[str, object]] = {
    "count_user": {"rule": "count", "scope": "user", "events": ["A", "B"], "threshold": 3, "cooldown": "4d"},
    "count_workspace": {"rule": "count", "events": ["B"], "threshold": 4, "window": "14d", "cooldown": "36h"},
    "team": {"rule": "distinct_users", "events": ["A"], "threshold": 2, "cooldown": "3d"},
    "wide_team": {"rule": "distinct_users", "events": ["A", "C"], "threshold": 3, "window": "28d", "cooldown": "0s"},
    "wait_user": {
        "rule": "absence",
        "scope": "user",
        "after": ["A"],
        "without": ["C"],
        "for": "2d",
        "cooldown": "3d",
    },
    "wait_workspace": {"rule": "absence", "after": ["B"], "without": ["A", "D"], "for": "60h", "cooldown": "0s"},
}
RULES = engine({"custom": CUSTOM, "internal": {"user_ids": ["staff"]}})
MEANINGS = Meanings(RULES.config.events, RULES.config.custom)
USERS = ("u0", "u1", "u2", "u3", "u4", "staff", None)

Fired = tuple[str, str, int]


def history(seed: int, *, length: int, spread_days: int) -> list[Event]:
    """Events of a few users in two workspaces, always named; some late, some twice, some of other calls."""
    r = random.Random(seed)
    made: list[Event] = []
    now = 0.0
    for number in range(length):
        now += r.random() * 2 * spread_days / length
        late = r.choice((0, 0, 0, 1, r.random() * spread_days))
        name = r.choice("AAABBCDE")
        one = event(
            r.choice(USERS),
            r.choice(("w0", "w0", "w1")),
            on=MONDAY + int(max(0.0, now - late) * 8) * DAY_MS // 8,
            name=name,
            kind=r.choice((*[EventType.TRACK] * 9, EventType.PAGE)),
            event_id=f"e{number if r.random() > 0.05 else max(0, number - r.randrange(20))}",
        )
        if one.type is EventType.TRACK:
            one.customs = MEANINGS.of(name).customs
        one.source = Source("events", 0, number)
        made.append(one)
    return made


@dataclass
class Account:
    """What the definitions say, by going through all events again and again."""

    fired: list[Fired] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _counted: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    _users: dict[tuple[str, str], set[tuple[str, int]]] = field(default_factory=lambda: defaultdict(set))
    _last: dict[tuple[str, str], int] = field(default_factory=dict)
    _waits: dict[tuple[str, str], int] = field(default_factory=dict)
    _ended: dict[tuple[str, str], int] = field(default_factory=dict)

    def feed(self, one: Event) -> None:  # noqa: C901 - in the order in which the steps go
        if (one.subject, one.id) in self._seen:
            return
        self._seen.add((one.subject, one.id))
        if one.user_id is not None:
            self._move("wait_user", one.user_id, one.time - 1, 48, 72)
        if one.user_id == "staff":
            return
        workspace, name = one.workspace_id or "", one.name if one.type is EventType.TRACK else ""
        day = one.time // DAY_MS
        if one.user_id is not None:
            if name in ("A", "B"):
                self._count("count_user", one.user_id, one.time, 3, 7, 96)
            if name == "A":
                self._begin("wait_user", one.user_id, one.time)
            if name == "C":
                self._end("wait_user", one.user_id, one.time)
        self._move("wait_workspace", workspace, one.time - 1, 60, 0)
        if name == "B":
            self._count("count_workspace", workspace, one.time, 4, 14, 36)
            self._begin("wait_workspace", workspace, one.time)
        if name in ("A", "D"):
            self._end("wait_workspace", workspace, one.time)
        if one.user_id is not None:
            if name == "A":
                self._distinct("team", workspace, (one.user_id, day), one.time, 2, 7, 3)
            if name in ("A", "C"):
                self._distinct("wide_team", workspace, (one.user_id, day), one.time, 3, 28, 1)

    def finish(self, until: int) -> None:
        for signal, subject in list(self._waits):
            hours = (48, 72) if signal == "wait_user" else (60, 0)
            self._move(signal, subject, until, *hours)

    def _count(self, signal: str, subject: str, time: int, least: int, window: int, cooldown: int) -> None:
        days, day = self._counted[signal, subject], time // DAY_MS
        days.append(day)
        if sum(day - window < one <= day for one in days) >= least:
            self._fire(signal, subject, time, cooldown)

    def _distinct(
        self, signal: str, workspace: str, user_day: tuple[str, int], time: int, least: int, window: int, gap: int
    ) -> None:
        known = self._users[signal, workspace]
        before = set(known)
        known.add(user_day)
        for end in range(user_day[1], user_day[1] + window):
            was, now = (len({one for one, on in seen if end - window < on <= end}) for seen in (before, known))
            last = self._last.get((signal, workspace))
            if now > was and now >= least and (last is None or end >= last + gap):
                self._last[signal, workspace] = end
                self.fired.append((signal, workspace, time))
                return

    def _begin(self, signal: str, subject: str, time: int) -> None:
        if (signal, subject) not in self._waits and time >= self._ended.get((signal, subject), time):
            self._waits[signal, subject] = time

    def _end(self, signal: str, subject: str, time: int) -> None:
        self._ended[signal, subject] = max(time, self._ended.get((signal, subject), time))
        if self._waits.get((signal, subject), time + 1) <= time:
            del self._waits[signal, subject]

    def _move(self, signal: str, subject: str, until: int, hours: int, cooldown: int) -> None:
        since = self._waits.get((signal, subject))
        if since is not None and since + hours * 3_600_000 <= until:
            del self._waits[signal, subject]
            self._fire(signal, subject, since + hours * 3_600_000, cooldown)

    def _fire(self, signal: str, subject: str, time: int, cooldown: int) -> None:
        last = self._last.get((signal, subject))
        if last is None or time >= last + cooldown * 3_600_000:
            self._last[signal, subject] = time
            self.fired.append((signal, subject, time))


def own(run: Run) -> list[Fired]:
    return [(signal, subject, time) for signal, subject, _, time in run.fired if signal in CUSTOM]


seeds = st.integers(0, 10**9)


@settings(deadline=None)
@given(seeds, st.sampled_from((5, 30, 80)))
def test_engine_agrees_with_the_brute_force_account(seed: int, spread_days: int) -> None:
    events = history(seed, length=100, spread_days=spread_days)
    run, account = Run(RULES), Account()
    until = max(one.time for one in events)

    run.feed([*events, Tick(until)])
    for one in events:
        account.feed(one)
    account.finish(until)

    assert sorted(own(run)) == sorted(account.fired)


@settings(deadline=None)
@given(seeds)
def test_states_that_go_through_their_bytes_and_a_replay_change_nothing(seed: int) -> None:
    records: Sequence[Event | Tick] = [*history(seed, length=60, spread_days=20), Tick(MONDAY + 40 * DAY_MS)]
    plain, recoded = Run(RULES), Run(RULES, recode_every=7)
    plain.feed(records)
    recoded.feed(records)
    again = Run(RULES)
    again.users, again.workspaces = stored_and_read(recoded.users), stored_and_read(recoded.workspaces)
    again.feed(records)

    assert (recoded.fired, recoded.ids) == (plain.fired, plain.ids)
    assert len(set(plain.ids)) == len(plain.ids)
    # All of it has been applied.
    assert again.fired == []


@settings(deadline=None)
@given(seeds, st.randoms(use_true_random=False))
def test_users_are_counted_whatever_the_order_of_partitions(seed: int, r: random.Random) -> None:
    events = [one for one in history(seed, length=80, spread_days=25) if one.user_id is not None]
    queues: dict[str, list[Event]] = defaultdict(list)
    for one in events:
        queues[one.subject].append(one)
    shuffled: list[Event] = []
    while queues:
        key = r.choice(sorted(queues))
        shuffled.append(queues[key].pop(0))
        if not queues[key]:
            del queues[key]
    for number, one in enumerate(shuffled):
        one.source = Source("events", 0, number)
    runs = []
    for order in (events, shuffled):
        for number, one in enumerate(order):
            one.source = Source("events", 0, number)
        runs.append(Run(RULES))
        runs[-1].feed(order)

    one_way, other_way = (
        ({(signal, subject) for signal, subject, _ in own(run) if "team" in signal}, rings(run)) for run in runs
    )
    assert one_way == other_way


def rings(run: Run) -> dict[str, dict[str, dict[int, int]]]:
    """The counts that are not zero."""
    found = {}
    for key in run.workspaces:
        state = run.workspaces.get(key)
        assert state is not None
        found[key] = {
            name: {ring.first + n: count for n, count in enumerate(ring.counts) if count}
            for name, ring in state.custom_rings.items()
        }
    return found


@settings(deadline=None)
@given(seeds)
def test_both_ways_agree_where_events_carry_marks(seed: int) -> None:
    rules: Engine = engine(SETTINGS | {"custom": CUSTOM})
    r = random.Random(seed)
    events = _busy(random_history(seed, length=40, spread_days=6))
    for one in events:
        if one.type is EventType.TRACK and r.random() < 0.3:
            one.customs = MEANINGS.of(r.choice("ABC")).customs

    short = _everything(events, rules)

    with _ways(_GENERAL):
        assert short == _everything(events, rules)


def test_random_histories_raise_each_of_the_signals_often() -> None:
    fired: dict[str, int] = defaultdict(int)
    for seed in range(20):
        run = Run(RULES)
        run.feed([*history(seed, length=100, spread_days=30), Tick(MONDAY + 80 * DAY_MS)])
        for signal, _, _ in own(run):
            fired[signal] += 1

    assert set(fired) == set(CUSTOM)
    assert min(fired.values()) >= 20


def test_state_of_one_whom_no_stanza_is_about_holds_nothing_of_them() -> None:
    run = Run(RULES)
    run.feed([event("u0", "w0", on=MONDAY)])
    state = run.users.get("user:u0")
    assert state is not None

    assert all(name not in encode_state(state) for name in (b"cu", b"cd", b"an"))
