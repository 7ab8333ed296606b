"""
The laws of both steps as functions of a seed: each lives through a random history and says what breaks it.

`tests/signals/test_thousand.py` runs them over as many histories as it is asked for, on all cores.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import TypeVar

import msgspec

from signals.codec import decode_user_state, decode_workspace_state, encode_state, position_in_log
from signals.compiled import Engine
from signals.engine import step_user, step_workspace
from signals.event import Event, Tick
from signals.facts import Fact, FactKind, Firing, Outputs, Pulse
from signals.rule import Scope
from signals.shard import Fence, Shard
from signals.units import DAY_MS
from signals.user import UserState
from signals.workspace import WorkspaceState
from tests.signals.builders import engine
from tests.signals.test_laws import SETTINGS, held_in, random_history, stored_and_read
from tests.signals.test_timer_laws import exact, expected, log_with_ticks

T = TypeVar("T")
FactsLog = list[Fact | Pulse | Tick]
# The same for every interleaving of partitions while nobody is removed (SIGNALS 4).
ORDER_FREE = frozenset({"second_user", "multi_user", "enterprise_domain"})
# By signal: the least between two firings of a subject and key, in ms of event time, or of window ends where the
# evidence names one (SIGNALS A8 and A9).
COOLDOWNS = {
    "hand_raised": DAY_MS,
    "gated_feature": 7 * DAY_MS,
    "procurement": 7 * DAY_MS,
    "multi_user": 3 * DAY_MS,
    "seat_growth": 2 * DAY_MS,
    "seat_limit": 2 * DAY_MS,
    "usage_spike": 14 * DAY_MS,
    "usage_drop": 14 * DAY_MS,
    "champion_left": 30 * DAY_MS,
    "pql": 14 * DAY_MS,
    "expansion_ready": 30 * DAY_MS,
}
# Once ever a subject and key.
ONCE = frozenset(
    {
        "signed_up",
        "activated",
        "habit_formed",
        "activation_stalled",
        "first_invite",
        "second_user",
        "enterprise_domain",
        "trial_ending",
        "limit_hit_no_upgrade",
    }
)


@dataclass
class Life:
    """What has come of a history."""

    firings: list[Firing] = field(default_factory=list)
    verdicts: list[tuple[str, str]] = field(default_factory=list)
    alerts: list[tuple[str, str, int]] = field(default_factory=list)
    facts: FactsLog = field(default_factory=list)
    users: Shard[UserState] = field(default_factory=lambda: Shard(encode_state, decode_user_state))
    workspaces: Shard[WorkspaceState] = field(default_factory=lambda: Shard(encode_state, decode_workspace_state))

    def take(self, out: Outputs) -> None:
        """Keep what a step has put out."""
        assert out.errors == []
        self.firings += out.signals
        self.verdicts += [(verdict.signal_id, verdict.verdict) for verdict in out.verdicts if verdict.is_final]
        self.alerts += [(alert.id, alert.status.value, len(alert.signal_ids)) for alert in out.alerts]

    def said(self) -> tuple[object, ...]:
        """All that others see, whatever the steps were given at a time."""
        fired = [(one.id, one.time, one.event_id, one.evidence) for one in self.firings]
        return fired, self.verdicts, self.alerts


@cache
def rules() -> Engine:
    """Rules that fire often."""
    return engine(SETTINGS | {"events": {"activated": ["Report Shared"], "core": ["Dashboard Viewed"]}})


def in_batches(log: Sequence[T], r: random.Random | None) -> Iterator[list[tuple[int, T]]]:
    """A log in bundles of random sizes, of one record each if nobody draws: records with their positions."""
    start = offset = 0
    while start < len(log):
        batch = log[start : start + (1 if r is None else r.randint(1, 12))]
        # The log may grow behind the last one.
        start += len(batch)
        yield list(enumerate(batch, position_in_log(offset)))
        offset += 1


def live(log: Sequence[Event | Tick], r: random.Random | None = None) -> Life:
    """
    Let both steps live through a log, the users first.

    Args:
        log: Events, and ticks, which stand in the facts log behind what they make users tell.
        r: Draws bundles for both logs; states go through their bytes at each end of one. None: a record at a time.
    """
    life = Life()
    for batch in in_batches(log, r):
        for position, record in batch:
            out = step_user(life.users, record, position, 0, rules())
            life.take(out)
            life.facts += out.facts
            life.facts += [record] if isinstance(record, Tick) else []
        if r is not None:
            life.users = stored_and_read(life.users)
    # What workspaces answer each other goes to the end of the log, which grows while it is read.
    for told in in_batches(life.facts, r):
        for position, item in told:
            out = step_workspace(life.workspaces, item, position, 0, rules())
            life.take(out)
            life.facts += out.facts
        if r is not None:
            life.workspaces = stored_and_read(life.workspaces)
    return life


def batches_change_nothing(seed: int) -> str | None:
    """However the logs are bundled, and wherever checkpoints fall, the same is said."""
    log = log_with_ticks(seed)
    one_by_one, bundled = live(log), live(log, random.Random(seed))
    return None if bundled.said() == one_by_one.said() else "bundles and checkpoints have changed what was said"


def replays_change_nothing(seed: int) -> str | None:
    """After a crash the log is read again from the committed place on: nothing is lost, and nothing comes twice."""
    r = random.Random(seed)
    log = log_with_ticks(seed)
    straight = live(log)
    stored = r.randint(0, len(log))
    committed = r.randint(0, stored)
    users: Shard[UserState] = Shard(encode_state, decode_user_state)
    told, early = _told(users, log, 0, stored, committed)
    again, _ = _told(stored_and_read(users, early), log, committed, len(log), None)
    if told + again != _of_users(straight):
        return f"users who crashed at {stored}, committed {committed}, told something else"
    return _workspaces_replay(straight, r)


def _told(
    shard: Shard[UserState], log: Sequence[Event | Tick], begin: int, end: int, keep_at: int | None
) -> tuple[list[Fact | Pulse], Fence]:
    """What users tell over a part of the log, and the fence as it was at a place."""
    told: list[Fact | Pulse] = []
    fence = shard.fence
    for number in range(begin, end):
        if number == keep_at:
            fence = _copied(shard.fence)
        told += step_user(shard, log[number], position_in_log(number), 0, rules()).facts
    return told, fence


def _copied(fence: Fence) -> Fence:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(fence), type=Fence)


def _of_users(life: Life) -> list[Fact | Pulse]:
    facts = [fact for fact in life.facts if not isinstance(fact, Tick)]
    return [fact for fact in facts if isinstance(fact, Pulse) or fact.kind is not FactKind.CARRIED]


def _workspaces_replay(straight: Life, r: random.Random) -> str | None:
    log, ids = straight.facts, Counter[str]()
    stored = r.randint(0, len(log))
    committed = r.randint(0, stored)
    shard: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
    fence = shard.fence
    for number, item in enumerate(log[:stored]):
        if number == committed:
            fence = _copied(shard.fence)
        ids.update(one.id for one in step_workspace(shard, item, position_in_log(number), 0, rules()).signals)
    shard = stored_and_read(shard, fence if committed < stored else shard.fence)
    for number in range(committed, len(log)):
        ids.update(one.id for one in step_workspace(shard, log[number], position_in_log(number), 0, rules()).signals)
    once = Counter(one.id for one in straight.firings if one.scope is Scope.WORKSPACE)
    if ids != once:
        return f"workspaces that crashed at {stored}, committed {committed}, fired something else"
    differing = [key for key in shard if shard.sealed(key) != straight.workspaces.sealed(key)]
    return f"workspaces that crashed are in another state: {differing}" if differing else None


def orders_change_nothing(seed: int) -> str | None:
    """However partitions interleave, the same workspaces get the signals that are free of order, if nobody leaves."""
    r = random.Random(seed)
    history = random_history(seed, length=90, spread_days=40, removals=False)
    straight = {(one.signal, one.subject) for one in live(history).firings if one.signal in ORDER_FREE}
    logs: dict[int, list[Event]] = {}
    partitions = r.randint(2, 5)
    for record in history:
        logs.setdefault(sum(record.subject.encode()) % partitions, []).append(record)
    users = {number: Shard(encode_state, decode_user_state) for number in logs}
    workspaces = Shard(encode_state, decode_workspace_state)
    found, done, positions = set(), dict.fromkeys(logs, 0), 0
    while left := [number for number, log in logs.items() if done[number] < len(log)]:
        number = r.choice(left)
        place = position_in_log(done[number])
        out = step_user(users[number], logs[number][done[number]], place, number, rules())
        done[number] += 1
        for fact in out.facts:
            later = step_workspace(workspaces, fact, position_in_log(positions), 0, rules())
            found |= {(one.signal, one.subject) for one in later.signals if one.signal in ORDER_FREE}
            positions += 1
    return None if found == straight else f"another order: {sorted(found ^ straight)}"


def ids_are_unique(seed: int) -> str | None:
    """No two signals have an id in common, no two records of alerts say the same."""
    life = live(log_with_ticks(seed))
    ids = Counter(one.id for one in life.firings)
    twice = [one.signal for one in life.firings if ids[one.id] > 1]
    alerts = [alert for alert, count in Counter(life.alerts).items() if count > 1]
    return f"twice the same id: {twice}; twice the same alert: {alerts}" if twice or alerts else None


def cooldowns_hold(seed: int) -> str | None:
    """No two firings of a subject and key inside a cooldown, and what is said once is said once."""
    last: dict[tuple[str, str, str], int] = {}
    for one in live(log_with_ticks(seed)).firings:
        about = (one.signal, one.subject, one.key)
        at = _end_ms(one) if one.signal in {"multi_user", "seat_growth"} else one.time
        if about in last and (one.signal in ONCE or at - last[about] < COOLDOWNS.get(one.signal, at - last[about])):
            return f"{one.signal} of {one.subject} at {at}, and at {last[about]} before"
        last[about] = at
    return None


def _end_ms(one: Firing) -> int:
    return date.fromisoformat(str(one.evidence["window_end"])).toordinal() * DAY_MS


def one_verdict_each(seed: int) -> str | None:
    """Every signal ends in one final verdict, or waits in one place."""
    life = live(log_with_ticks(seed))
    judged = Counter(signal_id for signal_id, _ in life.verdicts)
    waiting = Counter(one.id for key in life.workspaces for one in held_in(life.workspaces, key))
    fired = Counter(one.id for one in life.firings)
    return None if judged + waiting == fired else f"{len(fired)} signals, {judged.total()} verdicts, {waiting.total()}"


def reference_agrees(seed: int) -> str | None:
    """What is marked as exact in SIGNALS 4 is what a brute-force account of it finds."""
    log = log_with_ticks(seed)
    fired = [(one.signal, one.subject, one.event_id, one.time) for one in live(log).firings]
    return None if exact(fired) == exact(expected(log).fired) else "the reference finds something else"


LAWS: dict[str, Callable[[int], str | None]] = {
    law.__name__: law
    for law in (
        batches_change_nothing,
        replays_change_nothing,
        orders_change_nothing,
        ids_are_unique,
        cooldowns_hold,
        one_verdict_each,
        reference_agrees,
    )
}


def count_signals(seed: int) -> Counter[str]:
    """How often each signal fires in a history: histories without one say nothing about it."""
    return Counter(one.signal for one in live(log_with_ticks(seed)).firings)
