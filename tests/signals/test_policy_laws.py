"""Laws of policy over random histories with ticks and commands: whatever happens, sales hears few things, once."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.compiled import Engine
from signals.engine import decode_workspace_state, encode_state, step_user, step_workspace
from signals.event import Event, Tick
from signals.facts import Alert, AlertStatus, Command, Fact, Order, Outputs, Pulse
from signals.quiet import Quiet
from signals.selling import QuietHours
from signals.shard import Fence, Shard
from signals.units import DAY_MS
from signals.user import UserState
from signals.workspace import WorkspaceState
from tests.signals.builders import HOUR, MONDAY, engine
from tests.signals.test_laws import SETTINGS, Run, random_history, stored_and_read

NIGHT = {"start": "19:00", "end": "07:00", "days": ["sun"]}
ROUTES = [
    {"name": "sdr", "signals": ["procurement", "hand_raised", "enterprise_domain", "multi_user", "usage_limit"]},
    {"name": "csm", "signals": ["cancelled", "plan_downgraded", "seats_removed", "seat_limit", "gated_feature"]},
]
POLICIES: list[dict[str, object]] = [
    {},
    {"policy": {"quiet_hours": NIGHT}},
    {"routes": ROUTES, "alerts": {"cooldown": "2d", "max_per_workspace": 1, "cap_window": "3d"}},
    {
        "routes": ROUTES,
        "policy": {"quiet_hours": NIGHT, "free_to_paid": ["multi_user", "usage_limit"]},
        "domains": {"competitors": ["corp.example"]},
        "alerts": {"cooldown": "1d", "max_age": "12h", "max_age_of": {}},
        "limits": {"open_alerts": 2, "held_signals": 3},
    },
]
seeds = st.integers(0, 10**9)
policies = st.sampled_from(POLICIES)

Log = list[Fact | Tick | Command]


def facts_log(seed: int, rules: Engine) -> Log:
    """What the workspaces' log holds after a random history, answers of workspaces to each other included."""
    r = random.Random(seed)
    users: Shard[UserState] = Run(rules).users
    workspaces: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
    log: Log = []
    for offset, record in enumerate(with_ticks_and_lag(random_history(seed, length=120, spread_days=45), r)):
        todo: Log = [record] if isinstance(record, Tick) else list(step_user(users, record, offset, 0, rules).facts)
        if r.random() < 0.05:
            todo.append(random_command(r, len(log)))
        while todo:
            item = todo.pop(0)
            todo += step_workspace(workspaces, item, len(log), 0, rules).facts
            log.append(item)
    return log


def with_ticks_and_lag(history: list[Event], r: random.Random) -> list[Event | Tick]:
    newest, mixed = 0, list[Event | Tick]()
    for record in history:
        newest = max(newest, record.time)
        record.ingested_at = (
            record.time + r.choice((0, 0, 5_000, HOUR, 2 * HOUR, 30 * HOUR)) if r.random() < 0.7 else None
        )
        mixed.append(record)
        if r.random() < 0.1:
            mixed.append(Tick(newest + r.randrange(HOUR)))
    return mixed


def random_command(r: random.Random, offset: int) -> Command:
    time = MONDAY + r.randrange(90) * DAY_MS
    workspace = r.choice(("w0", "w1", "user:u1", None))
    signal = r.choice((None, "procurement", "multi_user")) if workspace else "procurement"
    order = r.choice(list(Order)) if workspace else r.choice((Order.MUTE, Order.UNMUTE))
    until = time + r.randrange(1, 20) * DAY_MS
    return Command(
        order, time, 0, offset, workspace, signal, until if order is Order.SNOOZE or r.random() < 0.5 else None
    )


def fold(log: Log, rules: Engine) -> tuple[Shard[WorkspaceState], list[Outputs]]:
    shard: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
    outputs = [step_workspace(shard, record, offset, 0, rules) for offset, record in enumerate(log)]
    assert [output.errors for output in outputs if output.errors] == []
    return shard, outputs


def rules_of(policy: dict[str, object]) -> Engine:
    return engine(SETTINGS | policy)


def alerts_of(outputs: list[Outputs]) -> list[Alert]:
    return [alert for output in outputs for alert in output.alerts]


def waiting_in(shard: Shard[WorkspaceState]) -> list[str]:
    states = [state for _, state in shard.items(list(shard))]
    return [firing.id for state in states for firing in (*state.policy.held, *state.policy.quiet, *state.policy.asked)]


@settings(deadline=None)
@given(seeds, policies)
def test_every_signal_ends_in_one_final_verdict_or_waits_in_one_place(seed: int, policy: dict[str, object]) -> None:
    rules = rules_of(policy)
    log = facts_log(seed, rules)

    shard, outputs = fold(log, rules)

    raised = [
        firing.id
        for record in log
        if isinstance(record, Fact) and record.kind != "carried"
        for firing in record.signals
    ]
    raised += [firing.id for output in outputs for firing in output.signals]
    final = [verdict.signal_id for output in outputs for verdict in output.verdicts if verdict.is_final]
    carried_last = [
        firing.id
        for record in log
        if isinstance(record, Fact) and record.kind == "carried"
        for firing in record.signals
    ]
    assert max(Counter(final).values(), default=1) == 1
    assert Counter([*final, *waiting_in(shard)]) == Counter(raised)
    assert set(carried_last) <= set(raised)


@settings(deadline=None)
@given(seeds, policies)
def test_alerts_open_once_change_only_while_open_and_close_once(seed: int, policy: dict[str, object]) -> None:
    rules = rules_of(policy)

    shard, outputs = fold(facts_log(seed, rules), rules)

    lives: dict[str, list[AlertStatus]] = {}
    for alert in alerts_of(outputs):
        lives.setdefault(alert.id, []).append(alert.status)
    for life in lives.values():
        assert life[0] is AlertStatus.OPEN
        assert AlertStatus.OPEN not in life[1:]
        assert AlertStatus.CLOSED not in life[:-1]
    still_open = {alert.id for _, state in shard.items(list(shard)) for alert in state.policy.open}
    assert still_open == {name for name, life in lives.items() if life[-1] is not AlertStatus.CLOSED}


@settings(deadline=None)
@given(seeds)
def test_nothing_opens_in_the_night_by_the_clock_of_who_reads_it(seed: int) -> None:
    rules = rules_of({"policy": {"quiet_hours": NIGHT}})
    night = Quiet(QuietHours.model_validate(NIGHT), UTC)
    shard: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)

    for offset, record in enumerate(facts_log(seed, rules)):
        out = step_workspace(shard, record, offset, 0, rules)
        now = max(record.time, record.ingested_at or 0) if isinstance(record, Fact | Pulse) else record.time
        for alert in out.alerts:
            if alert.status is not AlertStatus.CLOSED:
                # Now, or at the end of a night that had been waited for.
                assert night.ends(now) is None or night.ends(alert.sent_at) is None


@settings(deadline=None)
@given(seeds)
def test_no_more_alerts_than_the_cap_in_any_window(seed: int) -> None:
    rules = rules_of(POLICIES[2])

    _, outputs = fold(facts_log(seed, rules), rules)

    by_workspace: dict[str, list[int]] = {}
    for output in outputs:
        counted = [
            a for a in output.alerts if a.status is AlertStatus.OPEN and a.signal not in {"procurement", "hand_raised"}
        ]
        for workspace in {alert.workspace_id for alert in counted}:
            by_workspace.setdefault(workspace, []).append(counted[0].sent_at)
    for times in by_workspace.values():
        # In the order in which they were sent; a late event may be older than what was sent before it.
        assert all(later - earlier >= 3 * DAY_MS for earlier, later in pairwise(times))


@settings(deadline=None)
@given(seeds, policies)
def test_no_sales_alert_before_somebody_has_activated(seed: int, policy: dict[str, object]) -> None:
    rules = rules_of(policy)
    shard: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)

    for offset, record in enumerate(facts_log(seed, rules)):
        for alert in step_workspace(shard, record, offset, 0, rules).alerts:
            state = shard.get(alert.workspace_id)
            assert state is not None
            assert state.policy.activated_at is not None or rules.by_name[alert.signal].before_activation


@settings(deadline=None)
@given(seeds, policies, st.data())
def test_replay_after_a_crash_gives_the_same_alerts_and_states(
    seed: int, policy: dict[str, object], data: st.DataObject
) -> None:
    rules = rules_of(policy)
    log = facts_log(seed, rules)
    straight, once = fold(log, rules)
    # States are written before the fence and the fence before the offset: each may be ahead of what comes after it.
    offset, fence_at, stored_at = sorted(data.draw(st.integers(0, len(log))) for _ in range(3))

    crashed: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
    fence = Fence()
    for number, record in enumerate(log[:stored_at]):
        if number == fence_at:
            fence = msgspec.msgpack.decode(msgspec.msgpack.encode(crashed.fence), type=Fence)
        step_workspace(crashed, record, number, 0, rules)
    fence = fence if fence_at < stored_at else crashed.fence
    again = stored_and_read(crashed, fence)
    rest = [step_workspace(again, log[number], number, 0, rules) for number in range(offset, len(log))]

    known = {alert_key(alert) for alert in alerts_of(once[:stored_at])}
    assert [alert_key(a) for a in alerts_of(rest) if alert_key(a) not in known] == [
        alert_key(a) for a in alerts_of(once[stored_at:])
    ]
    assert {key: again.sealed(key) for key in again} == {key: straight.sealed(key) for key in straight}
    assert again.fence == straight.fence


def alert_key(alert: Alert) -> tuple[str, str, int]:
    return alert.id, alert.status.value, len(alert.signal_ids)
