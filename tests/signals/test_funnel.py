"""The funnel: each number on records written by hand, at its horizon and one millisecond beyond; order changes none."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC

import msgspec
import pytest

from signals.funnel import ALERTS_MS, FIRED_MS, KEPT_MS, MAX_CHANGES, MAX_INVITES, BadFunnelRecord, FunnelState
from signals.funnel_numbers import Funnel, Part, measure_funnel, percentile
from signals.moments import HOUR_MS, iso
from signals.units import DAY_MS
from tests.signals.builders import MONDAY, day

Record = tuple[str, bytes]
MEASURES = {"invited", "joined", "active_day_2", "active_week_1", "active_day_7", "workspace_created", "revenue"}
KINDS = {"signed_up": "activation", "activated": "activation", "habit_formed": "activation", "cancelled": "risk"}
OF_WORKSPACES = {
    "second_user",
    "multi_user",
    "converted_to_paid",
    "plan_upgraded",
    "seats_added",
    "cancelled",
    "workspace_created",
    "revenue",
    "procurement",
}


def signal(
    name: str, at: int, user: str | None = "ann", workspace: str | None = None, n: int = 1, **evidence: object
) -> Record:
    scope = "workspace" if name in OF_WORKSPACES else "user"
    value = {
        "v": 1,
        "id": f"{name} {user if scope == 'user' else ''} {workspace} {n}",
        "signal": name,
        "kind": "measure" if name in MEASURES else KINDS.get(name, "expansion"),
        "scope": scope,
        "user_id": user,
        "workspace_id": workspace,
        "occurred_at": iso(at),
        "evidence": evidence,
    }
    return "signals", msgspec.json.encode(value)


def alert(
    name: str, at: int, workspace: str = "acme", status: str = "open", reason: str | None = None, n: int = 1
) -> Record:
    value = {
        "id": f"alert {name} {workspace} {n}",
        "signal": name,
        "workspace_id": workspace,
        "occurred_at": iso(at),
        "status": status,
        "reason": reason,
    }
    return "alerts", msgspec.json.encode(value)


def verdict(of: Record, decision: str, at: int) -> Record:
    seen = msgspec.json.decode(of[1])
    value = {"signal_id": seen["id"], "signal": seen["signal"], "verdict": decision, "decided_at": iso(at)}
    return "verdicts", msgspec.json.encode(value)


def revenue(at: int, mrr: float, previous: float | None, n: int = 1, workspace: str = "acme") -> Record:
    return signal("revenue", at, None, workspace, n, mrr=mrr, previous_mrr=previous, currency="USD", change=n)


def folded(records: Iterable[Record]) -> FunnelState:
    state = FunnelState()
    take = {"signals": state.take_signal, "alerts": state.take_alert, "verdicts": state.take_verdict}
    for topic, value in records:
        take[topic](value)
    return state


def funnel(*records: Record, now: int | None = None) -> Funnel:
    """The numbers; `now` is when the last record of somebody else came."""
    rest = [] if now is None else [signal("hand_raised", now, "somebody else")]
    return measure_funnel(folded([*records, *rest]), UTC, "UTC")


# -- stages, activation, retention


@pytest.mark.parametrize(("late_ms", "reached"), [(0, 1), (1, 0)])
def test_a_stage_counts_until_exactly_30_days_after_sign_up(late_ms: int, reached: int) -> None:
    found = funnel(signal("signed_up", MONDAY), signal("activated", MONDAY + 30 * DAY_MS + late_ms), now=day(90))

    assert found.user_stages["activated"].mature == Part(reached, 1, float(reached))
    assert found.user_cohorts[0].reached["activated"] == reached


@pytest.mark.parametrize(("missing_ms", "is_mature"), [(0, True), (1, False)])
def test_a_sign_up_is_mature_once_it_has_had_exactly_30_days(missing_ms: int, is_mature: bool) -> None:
    found = funnel(signal("signed_up", MONDAY), now=MONDAY + 30 * DAY_MS - missing_ms)

    stage = found.user_stages["activated"]
    assert (stage.mature.entered, stage.immature.entered) == (int(is_mature), int(not is_mature))
    assert found.user_cohorts[0].mature is is_mature


@pytest.mark.parametrize(("name", "within"), [("10m", 600_000), ("1h", HOUR_MS), ("24h", DAY_MS), ("7d", 7 * DAY_MS)])
def test_activation_at_its_horizon_and_one_millisecond_later(name: str, within: int) -> None:
    records = [signal("signed_up", MONDAY, user) for user in ("ann", "bob")]
    records += [signal("activated", MONDAY + within, "ann"), signal("activated", MONDAY + within + 1, "bob")]

    assert funnel(*records, now=day(90)).activation[name].mature == Part(1, 2, 0.5)


def test_sign_ups_are_counted_in_the_iso_week_of_their_day() -> None:
    sunday, monday = signal("signed_up", MONDAY - 1, "ann"), signal("signed_up", MONDAY, "bob")

    assert funnel(sunday, monday).signups == {"2026-W09": 1, "2026-W10": 1}


@pytest.mark.parametrize(("name", "measure", "hours"), [("d2", "active_day_2", 72), ("w1", "active_week_1", 192)])
def test_retention_is_mature_when_its_last_day_is_over(name: str, measure: str, hours: int) -> None:
    records = [signal("signed_up", MONDAY), signal(measure, MONDAY + 50 * HOUR_MS)]

    over = funnel(*records, now=MONDAY + hours * HOUR_MS)
    not_yet = funnel(*records, now=MONDAY + hours * HOUR_MS - 1)

    assert over.retention[name].mature == Part(1, 1, 1.0)
    assert not_yet.retention[name].immature == Part(1, 1, 1.0)


def test_day_7_is_of_those_who_activated_and_counts_from_there() -> None:
    records = [signal("signed_up", MONDAY, user) for user in ("ann", "bob", "carl")]
    records += [signal("activated", day(3), "ann"), signal("activated", day(3), "bob")]
    records += [signal("active_day_7", day(10), "ann")]

    assert funnel(*records, now=day(3) + 8 * DAY_MS).retention["d7_of_activated"].mature == Part(1, 2, 0.5)


def test_who_joins_a_paying_workspace_has_not_won_it_and_is_in_its_team() -> None:
    records = [
        signal("workspace_created", day(1), None, "acme"),
        signal("second_user", day(2), None, "acme"),
        signal("converted_to_paid", day(3), None, "acme"),
        signal("plan_upgraded", day(9), None, "acme"),
        signal("signed_up", day(5), "bob", "acme"),
        signal("signed_up", day(1), "ann", "acme"),
    ]

    found = funnel(*records, now=day(90))

    reached = {name: share.mature.reached for name, share in found.user_stages.items()}
    assert reached == {"activated": 0, "habit": 0, "second_user": 2, "paid": 1, "expanded": 1}


# -- time to value


def test_percentiles_are_of_nearest_rank() -> None:
    assert [percentile([1.0, 2.0, 3.0, 4.0], share) for share in (50, 75, 76, 90)] == [2.0, 3.0, 4.0, 4.0]
    assert percentile([7.0], 50) == 7.0


def test_time_to_value_is_told_by_target_and_within_it_includes_it() -> None:
    records = []
    for index, seconds in enumerate([600, 601, 60, 1_800]):
        target = 1_800 if seconds == 1_800 else 600
        records += [
            signal("signed_up", MONDAY, f"u{index}"),
            signal("activated", MONDAY + seconds * 1_000, f"u{index}", time_to_value=seconds, target=target),
        ]

    small, mid = funnel(*records, now=day(90)).time_to_value

    assert (small.target, small.mature.users, small.mature.p50, small.mature.p90) == (600, 3, 600, 601)
    assert small.mature.within_target == pytest.approx(2 / 3)
    assert (mid.target, mid.mature.p50, mid.mature.within_target) == (1_800, 1_800, 1.0)


# -- workspaces, money


@pytest.mark.parametrize(("days", "name"), [(30, "30d"), (60, "60d"), (90, "90d")])
def test_free_to_paid_at_its_horizon_and_one_millisecond_later(days: int, name: str) -> None:
    records = [signal("workspace_created", MONDAY, None, workspace) for workspace in ("acme", "initech")]
    records += [
        signal("converted_to_paid", MONDAY + days * DAY_MS, None, "acme"),
        signal("converted_to_paid", MONDAY + days * DAY_MS + 1, None, "initech"),
    ]

    assert funnel(*records, now=day(200)).free_to_paid[name].mature == Part(1, 2, 0.5)


def test_without_workspace_created_a_workspace_begins_with_the_first_of_its_people_who_signed_up() -> None:
    records = [signal("signed_up", day(1), "ann"), signal("joined", day(2), "ann", "acme")]

    found = funnel(*records, signal("converted_to_paid", day(3), None, "acme"), now=day(90))

    assert found.free_to_paid["30d"].mature == Part(1, 1, 1.0)
    assert any("no workspace_created" in one for one in found.missing)


def test_net_dollar_retention_is_of_those_who_paid_then_and_knows_no_new_ones() -> None:
    records = [
        revenue(day(1), 100, 0, workspace="acme"),
        revenue(day(40), 150, 100, 2, workspace="acme"),
        revenue(day(1), 100, 0, workspace="initech"),
        revenue(day(50), 0, 100, 2, workspace="initech"),
        revenue(day(55), 900, 0, workspace="hooli"),
        revenue(day(56), 70, None, workspace="umbrella"),
    ]

    kept = funnel(*records, now=day(60)).revenue["USD"].retention["30d"]

    assert (kept.workspaces, kept.then, kept.now, kept.unknown) == (2, 200, 150, 1)
    assert (kept.net, kept.gross) == (0.75, 0.5)


@pytest.mark.parametrize(("late_ms", "workspaces"), [(0, 1), (1, 0)])
def test_a_change_exactly_at_the_beginning_of_the_period_counts_as_paid_then(late_ms: int, workspaces: int) -> None:
    found = funnel(revenue(day(30) + late_ms, 100, 0), now=day(60))

    assert found.revenue["USD"].retention["30d"].workspaces == workspaces


def test_the_expansion_share_is_of_what_was_won_and_a_baseline_is_nothing_won() -> None:
    records = [
        revenue(day(50), 60, 0, workspace="acme"),
        revenue(day(51), 100, 60, 2, workspace="acme"),
        revenue(day(52), 80, 100, 3, workspace="acme"),
        revenue(day(53), 500, None, workspace="hooli"),
    ]

    won = funnel(*records, now=day(60)).revenue["USD"].expansion["30d"]

    assert (won.new, won.expansion, won.share) == (60, 40, 0.4)


# -- virality


@pytest.mark.parametrize(("late_ms", "brought"), [(0, 1), (1, 0)])
def test_a_join_counts_for_the_first_inviter_within_30_days_of_his_sign_up(late_ms: int, brought: int) -> None:
    records = [
        signal("signed_up", MONDAY, "ann"),
        signal("joined", MONDAY, "ann", "acme"),
        signal("invited", day(2), "ann", "acme"),
        signal("invited", day(3), "eve", "acme"),
        signal("joined", MONDAY + 30 * DAY_MS + late_ms, "bob", "acme"),
    ]

    virality = funnel(*records, now=day(90)).virality

    assert virality["k30"].mature == Part(brought, 1, float(brought))
    assert virality["i30"].mature == Part(1, 1, 1.0)


def test_who_joined_before_the_first_invite_was_invited_by_nobody() -> None:
    records = [
        signal("signed_up", MONDAY, "ann"),
        signal("joined", day(2), "bob", "acme"),
        signal("invited", day(2) + 1, "ann", "acme"),
    ]

    assert funnel(*records, now=day(90)).virality["k30"].mature.reached == 0


# -- alerts


def test_the_alert_funnel_goes_from_fired_to_converted() -> None:
    fired = [signal("multi_user", day(80), None, name) for name in ("acme", "initech", "hooli")]
    records = [
        *fired,
        verdict(fired[0], "sent", day(80)),
        verdict(fired[1], "capped", day(80)),
        alert("multi_user", day(80)),
        alert("multi_user", day(80), status="closed", reason="converted"),
    ]

    found = funnel(*records, now=day(90)).alerts

    assert (found.signals["multi_user"].fired, found.signals["multi_user"].waiting) == (3, 1)
    assert found.verdicts == {"capped": 1, "sent": 1}
    assert (found.delivered, found.converted.immature, found.closed) == (1, Part(1, 1, 1.0), {"converted": 1})


def test_an_alert_before_activation_is_counted_unless_its_signal_may_come_before() -> None:
    records = [signal("workspace_created", day(1), None, name) for name in ("acme", "initech", "hooli")]
    records += [signal("activated", day(5), "ann", "acme"), signal("activated", day(5), "bob", "initech")]
    records += [
        alert("multi_user", day(5), "acme"),
        alert("multi_user", day(5) - 1, "initech"),
        alert("procurement", day(2), "hooli"),
        alert("multi_user", day(2), "from before our time"),
    ]

    overlay = funnel(*records, now=day(9)).alerts.overlay

    assert (overlay.alerts, overlay.before_activation, overlay.allowed) == (3, 2, 1)
    assert overlay.share == pytest.approx(1 / 3)


def test_a_conversion_is_foreseen_only_by_a_signal_before_it() -> None:
    records = [
        signal("multi_user", day(4), None, "acme"),
        signal("multi_user", day(5), None, "initech"),
        signal("seats_added", day(1), None, "hooli"),
        *(signal("converted_to_paid", day(5), None, name) for name in ("acme", "initech", "hooli")),
    ]

    assert funnel(*records).alerts.unforeseen == Part(2, 3, pytest.approx(2 / 3))


# -- what is not there


def test_what_the_bus_does_not_carry_is_named() -> None:
    missing = funnel(signal("signed_up", MONDAY)).missing

    for word in ("activated", "habit_formed", "invited", "workspace_created", "converted_to_paid", "revenue"):
        assert any(f"no {word}" in one for one in missing), word


def test_an_empty_funnel_has_numbers_too() -> None:
    found = funnel()

    assert found.as_of is None
    assert found.user_stages["activated"].mature == Part(0, 0, None)


# -- the laws


def story() -> list[Record]:
    """A little of everything."""
    chance, records = random.Random(7), []
    for index in range(40):
        user, workspace = f"u{index}", f"w{index // 3}"
        start = day(1) + int(chance.uniform(0, 100) * DAY_MS)
        records.append(signal("signed_up", start, user, workspace))
        records.append(signal("joined", start + 5, user, workspace))
        if chance.random() < 0.7:
            seconds = int(chance.uniform(10, 9_000))
            records.append(
                signal("activated", start + seconds * 1_000, user, workspace, time_to_value=seconds, target=600)
            )
        records += [signal("invited", start + n * DAY_MS, user, workspace, n) for n in range(chance.randrange(4))]
        fired = signal("multi_user", start + DAY_MS, None, workspace, index)
        records += [fired, alert("multi_user", start + DAY_MS, workspace, n=index)]
        records.append(verdict(fired, chance.choice(["sent", "capped"]), start + DAY_MS))
        if index % 3 == 0:
            records.append(signal("workspace_created", start, None, workspace))
            records.append(signal("converted_to_paid", start + 9 * DAY_MS, None, workspace))
            records += [revenue(start + (9 + n) * DAY_MS, 10 * (n + 1), 10 * n, n + 1, workspace) for n in range(3)]
    return records


@pytest.mark.parametrize("seed", range(20))
def test_neither_the_order_of_records_nor_copies_of_them_change_a_number(seed: int) -> None:
    records, chance = story(), random.Random(seed)
    shuffled = records + chance.choices(records, k=len(records))
    chance.shuffle(shuffled)

    assert measure_funnel(folded(shuffled), UTC, "UTC") == measure_funnel(folded(records), UTC, "UTC")


@pytest.mark.parametrize("seed", range(5))
def test_rows_written_at_any_moments_and_read_back_are_the_same_funnel(seed: int) -> None:
    records, chance, written = story(), random.Random(seed), FunnelState()
    state = FunnelState()
    take = {"signals": state.take_signal, "alerts": state.take_alert, "verdicts": state.take_verdict}
    kept: dict[str, bytes | None] = {}
    for topic, value in records:
        take[topic](value)
        if chance.random() < 0.1:
            kept.update(state.changed())
    kept.update(state.changed())
    for key, row in kept.items():
        written.load(key, row)

    assert measure_funnel(written, UTC, "UTC") == measure_funnel(state, UTC, "UTC")
    assert list(state.changed()) == []


# -- bounds


def test_what_no_number_looks_at_any_more_is_forgotten() -> None:
    state = folded(
        [
            signal("signed_up", MONDAY, "ann", "acme"),
            signal("second_user", MONDAY, None, "acme"),
            signal("second_user", MONDAY, None, "hooli"),
            revenue(MONDAY, 10, 0, workspace="hooli"),
            alert("multi_user", MONDAY),
        ]
    )
    list(state.changed())

    state.take_signal(signal("hand_raised", MONDAY + KEPT_MS + DAY_MS, "bob")[1])

    assert not state.people
    # Who pays is part of every retention of revenue.
    assert set(state.accounts) == {"hooli"}
    assert not state.alerts
    changed = dict(state.changed())
    assert {key for key, row in changed.items() if row is None} >= {"u:ann", "w:acme", "a:alert multi_user acme 1"}


def test_an_alert_and_a_verdict_from_before_their_windows_are_passed_over() -> None:
    now = MONDAY + 400 * DAY_MS
    fired = signal("multi_user", now - FIRED_MS - 1, None, "acme")

    state = folded(
        [
            signal("hand_raised", now, "bob"),
            fired,
            verdict(fired, "sent", now - FIRED_MS - 1),
            alert("multi_user", now - ALERTS_MS - 1),
        ]
    )

    assert [one.signal for one in state.fired.values()] == ["hand_raised"]
    assert not state.alerts


def test_invites_of_a_user_and_changes_of_a_workspace_have_an_end_that_no_order_moves() -> None:
    records = [signal("invited", MONDAY + n, "ann", "acme", n) for n in range(MAX_INVITES + 5)]
    records += [revenue(MONDAY + n, n, n - 1, n) for n in range(1, MAX_CHANGES + 6)]

    there, back = folded(records), folded(reversed(records))

    assert (len(there.people["ann"].invites), len(there.accounts["acme"].changes)) == (MAX_INVITES, MAX_CHANGES)
    assert there.people["ann"].invites == back.people["ann"].invites
    assert there.accounts["acme"].changes == back.accounts["acme"].changes


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", b'{"id": 1}', b"[" * 100_000])
def test_what_breaks_the_contract_is_refused(value: bytes) -> None:
    state = FunnelState()

    for take in (state.take_signal, state.take_alert, state.take_verdict):
        with pytest.raises(BadFunnelRecord):
            take(value)


def test_a_row_that_nobody_of_us_wrote_is_refused() -> None:
    with pytest.raises(BadFunnelRecord):
        FunnelState().load("x:ann", b"{}")
