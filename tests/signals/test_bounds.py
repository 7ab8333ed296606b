"""Nothing grows without an end: not with the events of a user, the members of a workspace, or what producers invent."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable

import pytest

from signals.contract import alert_json, signal_json
from signals.engine import decode_user_state, encode_fact, encode_state, snapshot_json, step_user, step_workspace
from signals.errors import BadRecord
from signals.event import Event, EventType, Role, Source, Tick
from signals.facts import Command, Decision, Fact, FactKind, Note, Order, Outputs, Profile
from signals.orders import read_command
from signals.room import MAX_STATE_BYTES
from signals.shard import Shard
from signals.thresholds import Signals
from signals.units import DAY_MS
from signals.user import UserState
from tests.signals.builders import ACTIVATION, HOUR, MONDAY, River, day, engine, event
from tests.signals.hostile import LARGEST, WIDE, Producer, events

# What a topic takes of a record by default.
KAFKA_BYTES = 1_048_576
GONE = {note for note in Note if note.endswith(("_forgotten", "_trimmed"))}
ONE_ROUTE: dict[str, object] = {"routes": [{"name": "sdr", "signals": ["hand_raised", "gated_feature"]}]}
NIGHT = {"start": "07:00", "end": "06:00"}


# One that is large in number only.


def test_a_user_of_fifty_thousand_events_is_stored_in_as_many_bytes_as_one_of_five_hundred(
    report: Callable[[str], None],
) -> None:
    river = River()
    roles = ((), (), (Role.CORE,), (Role.INVITE_SENT,), (Role.SIGNED_UP,))

    def feed(numbers: range) -> float:
        started = time.perf_counter()
        for n in numbers:
            made = event("ann", f"w{n % 3}", on=MONDAY + n * HOUR // 4, roles=roles[n % 5], event_id=f"e{n}")
            step_user(river.users, made, n, 0, river.engine)
        return (time.perf_counter() - started) / len(numbers) * 1e6

    first_us = feed(range(500))
    early = len(river.users.sealed("user:ann"))
    feed(range(500, 49_500))
    last_us = feed(range(49_500, 50_000))
    late = len(river.users.sealed("user:ann"))

    report(f"{early} bytes after 500 events, {late} after 50,000; {first_us:.1f} us an event, {last_us:.1f} at the end")
    # Days and counts fill up; nothing else does.
    assert late <= early + 100


def test_a_workspace_of_fifty_thousand_members_is_stored_in_as_many_bytes_as_one_of_five_hundred(
    report: Callable[[str], None],
) -> None:
    river = River(ACTIVATION)

    def join(numbers: range) -> tuple[int, float]:
        started = time.perf_counter()
        for n in numbers:
            step_workspace(river.workspaces, member(n, MONDAY + n * 60_000), n, 0, river.engine)
        took_us = (time.perf_counter() - started) / len(numbers) * 1e6
        return len(river.workspaces.sealed("acme")), took_us

    (early, early_us), _, (late, late_us) = join(range(500)), join(range(500, 49_500)), join(range(49_500, 50_000))

    assert river.workspace("acme").members == 50_000
    report(f"{early} bytes with 500 members, {late} with 50,000; {early_us:.1f} us a fact, {late_us:.1f} at the end")
    # Two rings of 117 days and a window, of up to three bytes each, and what waits; no list of members.
    assert late < early + 400


def member(n: int, on: int) -> Fact:
    """A new user of the workspace is active in it."""
    return Fact(
        "acme",
        FactKind.OBSERVED,
        0,
        n,
        17,
        on,
        f"e{n}",
        Source("events", 0, n),
        user_id=f"u{n}",
        type=EventType.TRACK,
        name="Dashboard Viewed",
        day=on // DAY_MS,
        joined=1,
        profile=Profile(member=True, belonged=True),
    )


# One that invents something new each time.


@pytest.mark.parametrize("limits", [{}, LARGEST], ids=["default", "largest"])
@pytest.mark.parametrize(
    ("users", "workspaces"), [(1, None), (None, 1), (1, 1), (3, 40)], ids=["user", "workspace", "both", "several"]
)
def test_whatever_is_written_into_every_open_field_no_state_or_record_grows_too_large(
    limits: dict[str, object], users: int | None, workspaces: int | None, report: Callable[[str], None]
) -> None:
    settings = {**ACTIVATION, "limits": limits, "policy": {"quiet_hours": NIGHT}, "alerts": {"show_email": True}}
    river = Watched(settings)
    longest = int(str(limits.get("max_id_chars", 1_024)))
    producer = Producer(7, longest, users=users, workspaces=workspaces)

    for made in events(river.engine.config, producer.records(400 if limits else 800, step_ms=20_000)):
        river.feed(made)
    river.feed(Tick(MONDAY + 2 * DAY_MS))

    assert river.largest_state < MAX_STATE_BYTES
    assert river.largest_record < KAFKA_BYTES
    assert river.short_by <= MAX_STATE_BYTES - river.engine.workspace_room
    # Less would mean that the largest state was never asked for.
    assert Note.STATE_TRIMMED in river.notes
    report(
        f"{river.largest_state:,} bytes the largest state, {river.short_by:,} more than it was said to be; "
        f"{river.largest_record:,} the largest record; let go: "
        + ", ".join(f"{note} {count}" for note, count in sorted(Counter(river.notes).items()) if note in GONE)
    )


class Watched(River):
    """A river that measures every state after each of its records, and whatever it sends."""

    largest_state = 0
    largest_record = 0
    # By how much a workspace's state was longer than it was said to be at most.
    short_by = -MAX_STATE_BYTES

    def _collect(self, out: Outputs) -> None:
        super()._collect(out)
        sent = [encode_fact(fact) for fact in out.facts] + [alert_json(alert, 0, "") for alert in out.alerts]
        sent += [signal_json(firing, 0, "") for firing in out.signals]
        for key in self.workspaces.dirty:
            known = self.workspace(key)
            if known.size:
                self.short_by = max(self.short_by, len(encode_state(known)) - known.size)
            sent.append(snapshot_json(key, self.workspace(key), self.engine.scoring))
        for shard in (self.users, self.workspaces):
            self.largest_state = max([self.largest_state, *(len(shard.sealed(key)) for key in shard.dirty)])
            shard.dirty.clear()
        self.largest_record = max([self.largest_record, *map(len, sent)])


def test_reports_that_raise_no_signal_are_bounded_too() -> None:
    river = Watched()

    for number in range(60):
        made = usage(f"{number}".ljust(256, WIDE), f"{number}".ljust(256, WIDE))
        made.properties["used"] = 1
        river.feed(made)

    assert river.signals == []
    assert Note.STATE_TRIMMED in river.notes
    assert river.largest_state < MAX_STATE_BYTES


@pytest.mark.parametrize("enabled", [True, False])
def test_limits_that_are_hit_and_waited_for_are_bounded_too(enabled: bool, report: Callable[[str], None]) -> None:
    river = Watched({"limits": LARGEST, "signals": {"usage_limit": {"enabled": enabled}}})
    longest = "".ljust(1_000, WIDE)
    river.feed(event("ann", "acme", event_id=f"seen{longest}"), paid := plan_of(f"pays{longest}"))

    for number in range(40):
        made = usage(f"{number}".ljust(1_000, WIDE), f"{number}".ljust(1_000, WIDE))
        made.id, made.properties["used"] = f"{number}{longest}", 10
        river.feed(made)
    waiting = list(river.workspace("acme").timers)
    river.feed(Tick(MONDAY + 40 * DAY_MS))

    assert "went_silent" in waiting
    assert paid.id in {firing.event_id for firing in river.signals if firing.signal == "went_silent"}
    assert 0 < sum(key.startswith("limit_hit_no_upgrade|") for key in waiting) < 40
    assert Note.STATE_TRIMMED in river.notes
    assert river.largest_state < MAX_STATE_BYTES
    report(f"{river.largest_state:,} bytes the largest state, {len(waiting)} timers")


def plan_of(event_id: str) -> Event:
    made = event(None, "acme", on=MONDAY + 1, roles=[Role.PLAN_CHANGED], name="Plan Changed", event_id=event_id)
    made.properties = {"plan": "pro"}
    return made


@pytest.mark.parametrize("users", [1, None], ids=["user", "workspace"])
def test_a_replay_from_any_checkpoint_lets_go_of_the_same(users: int | None) -> None:
    settings = {**ACTIVATION, "limits": LARGEST}
    config = engine(settings).config
    history = list(
        events(config, Producer(3, 1_024, users=users, workspaces=None if users else 1).records(150, step_ms=20_000))
    )
    whole, restarted = River(settings), River(settings)

    whole.feed(*history)
    for number, made in enumerate(history):
        restarted.feed(made)
        if number % 10 == 0:
            restart(restarted)

    assert Note.STATE_TRIMMED in whole.notes
    assert stored(restarted) == stored(whole)
    assert (restarted.signals, restarted.verdicts, restarted.alerts) == (whole.signals, whole.verdicts, whole.alerts)


def restart(river: River) -> None:
    """Go on from what a checkpoint would have written."""
    for shard in (river.users, river.workspaces):
        for key in shard:
            shard.states[key] = shard.sealed(key)


def stored(river: River) -> dict[str, bytes]:
    return {key: shard.sealed(key) for shard in (river.users, river.workspaces) for key in shard}


def test_what_fires_once_in_all_is_never_let_go_of() -> None:
    river = River({"limits": LARGEST})
    river.feed(event(workspace="w", roles=[Role.SIGNED_UP]), event(workspace="w", roles=[Role.INVITE_SENT]))

    river.feed(*events(river.engine.config, Producer(3, 1_024, users=1).records(150, step_ms=20_000)))

    assert {"signed_up", "first_invite"} <= river.user("ann").fired.keys()
    assert Note.STATE_TRIMMED in river.notes
    [hostile] = set(river.users) - {"user:ann"}
    assert {"signed_up", "first_invite"} <= river.user(hostile.removeprefix("user:")).fired.keys()


# The caps one by one, each at its limit and one above.


def gated(feature: str, on: int = MONDAY, user: str = "ann") -> Event:
    made = event(user, "acme", on=on, roles=[Role.FEATURE_GATED], name="Feature Gated")
    made.properties = {"feature": feature}
    return made


def usage(metric: str, period: str = "p") -> Event:
    made = event(None, "acme", roles=[Role.USAGE_REPORTED], name="Usage Reported")
    made.properties = {"metric": metric, "period": period, "used": 9, "limit": 10}
    return made


def test_a_feature_that_makes_room_is_counted() -> None:
    river = River({"limits": {"features_per_user": 2}})

    river.feed(gated("a"), gated("b"), gated("a"))
    assert river.notes == []
    river.feed(gated("c"))

    assert river.notes == [Note.FEATURE_FORGOTTEN]
    assert list(river.user("ann").gated) == ["a", "c"]


def test_firings_that_make_room_are_counted() -> None:
    river = River({"limits": {"fired_keys": 10, "metrics_per_workspace": 1_000}})

    river.feed(*(usage(f"m{n}") for n in range(11)))
    assert river.notes == []
    river.feed(usage("m11"))

    # The twelfth makes room for itself: ten before it, and it.
    assert river.notes == [Note.FIRING_FORGOTTEN]
    assert len(river.workspace("acme").fired) == 11


def test_a_metric_that_makes_room_is_counted() -> None:
    river = River({"limits": {"metrics_per_workspace": 2}})

    river.feed(usage("a"), usage("b"), usage("a"))
    assert river.notes == []
    river.feed(usage("c"))

    assert river.notes == [Note.METRIC_FORGOTTEN]
    assert list(river.workspace("acme").billing.usage) == ["a", "c"]


def test_a_company_that_makes_room_is_counted() -> None:
    river = River({"limits": {"companies_heard": 2}, "alerts": {"cooldown": "0s", "max_per_workspace": 100}})

    for n, company in enumerate(("amazon.com", "apple.com", "intel.com")):
        river.feed(event(f"u{n}", "acme", on=day(1 + n), email=f"a@{company}"))

    assert river.notes == [Note.COMPANY_FORGOTTEN]
    assert list(river.workspace("acme").policy.heard) == ["apple.com", "intel.com"]


def hands(count: int, on: int = day(1)) -> list[Event]:
    """So many people who ask for sales in the same second."""
    return [event(f"u{n}", "acme", on=on, roles=[Role.SALES_CONTACTED], name="Demo Requested") for n in range(count)]


def test_an_alert_takes_signals_of_its_minute_until_it_is_full() -> None:
    river = River({**ONE_ROUTE, "limits": {"reasons_per_alert": 5}})

    river.feed(*hands(5))
    assert [len(alert.signal_ids) for alert in river.alerts] == [1, 2, 3, 4, 5]
    river.feed(*hands(9)[5:])

    assert len(river.alerts) == 5
    assert [verdict.verdict for verdict in river.verdicts if verdict.signal == "hand_raised"] == [
        Decision.SENT,
        *[Decision.BUNDLED] * 4,
        *[Decision.COOLING_DOWN] * 4,
    ]


def test_reasons_beyond_what_an_alert_gives_are_left_out_and_counted() -> None:
    river = River({**ONE_ROUTE, "limits": {"reasons_per_alert": 2}})

    river.feed(*hands(9), event("u1", "acme", on=day(9), roles=[Role.SALES_CONTACTED], name="Demo Requested"))

    assert [len(alert.why) for alert in river.alerts] == [1, 2, 2]
    assert len(river.alerts[-1].signal_ids) == 8
    assert river.notes == [Note.REASONS_FORGOTTEN]


@pytest.mark.parametrize("quiet", [{}, {"quiet_hours": NIGHT}], ids=["by day", "at night"])
def test_six_hundred_signals_of_one_minute_stay_an_alert_that_kafka_takes(quiet: dict[str, object]) -> None:
    river = Watched({"policy": quiet})

    river.feed(*hands(600), Tick(day(2)))

    assert river.largest_state < MAX_STATE_BYTES
    assert river.largest_record < 100_000
    final = Counter(verdict.signal_id for verdict in river.verdicts if verdict.is_final)
    assert final == Counter(firing.id for firing in river.signals)


def test_of_too_many_that_wait_for_the_morning_the_least_urgent_leaves_then_the_oldest() -> None:
    river = River({**ONE_ROUTE, "policy": {"quiet_hours": NIGHT}, "limits": {"quiet_signals": 2}})

    river.feed(*hands(1), gated("a"), gated("a"), *hands(3)[1:])
    expired = [(v.signal, v.reason) for v in river.verdicts if v.verdict is Decision.EXPIRED]

    assert expired == [("gated_feature", "too many signals wait"), ("hand_raised", "too many signals wait")]
    assert [firing.user_id for firing in river.workspace("acme").policy.quiet] == ["u1", "u2"]


# Fences and timers.


def test_of_origins_beyond_the_cap_those_first_seen_longest_ago_are_forgotten_at_the_next_tick() -> None:
    river = River({"limits": {"origins": 100}})

    for n in range(101):
        made = event("ann", "acme", on=MONDAY)
        made.source = Source(f"events-{n}", 0, 5)
        river.feed(made)
    river.feed(Tick(MONDAY + HOUR))

    assert river.notes == [Note.ORIGIN_FORGOTTEN]
    origins = river.users.fence.origins
    assert (len(origins), next(iter(origins))) == (100, "events-1:0")


def test_mutes_of_every_signal_there_is_are_all_that_a_fence_and_a_workspace_can_hold() -> None:
    river = River()
    offset = 0
    for name in Signals.model_fields:
        for workspace in (None, "acme"):
            river.feed_fact(Command(Order.MUTE, MONDAY, 0, offset := offset + 1, workspace, name))

    most = len(Signals.model_fields)
    assert len(river.workspaces.fence.muted) == len(river.workspace("acme").policy.muted) == most
    message = {"command": "mute", "signal": "1700000000000", "issued_at": "2026-03-02T12:00:00Z"}
    with pytest.raises(BadRecord):
        read_command(json.dumps(message).encode())


def test_a_timer_that_moves_at_every_event_leaves_no_trail_of_entries() -> None:
    shard: Shard[UserState] = Shard(encode_state, decode_user_state)
    user = UserState()
    shard.touch("bob", UserState(due=MONDAY - 1), 0)

    for n in range(50_000):
        user.due = MONDAY + n
        shard.touch("ann", user, n)

    assert len(shard._schedule) < 2_000
    assert shard.due(MONDAY + 49_998) == [(MONDAY - 1, "bob")]
    assert shard.due(MONDAY + 49_999) == [(MONDAY + 49_999, "ann")]


def test_watching_a_champion_of_many_workspaces_and_naming_many_core_events_has_an_end() -> None:
    wide = WIDE * 240
    settings: dict[str, object] = {
        "events": {"activated": ["Report Shared"], "core": [f"{n} {wide}" for n in range(100)]},
        "signals": {"power_user": {"active_days": 1, "core_names": 1, "window": "1d", "rearm": "1d"}},
        "limits": {"core_names": 1_000, "workspaces_per_user": 1_000},
    }
    river = Watched(settings)

    # Every other day a power user anew, in another workspace, by another event.
    for n in range(60):
        workspace, name = f"w{n}".ljust(1_024, WIDE), f"{n} {wide}"
        event_id = f"e{n}".ljust(1_024, WIDE)
        river.feed(event("ann", workspace, on=day(1 + 2 * n), roles=[Role.CORE], name=name, event_id=event_id))
        user = river.user("ann")
        assert len(river.users.sealed("user:ann")) < MAX_STATE_BYTES
        watched = {key.partition("|")[2] for key in user.timers}
        assert watched == {each for each, found in user.workspaces.items() if found.is_champion}

    assert Note.STATE_TRIMMED in river.notes
    river.feed(Tick(day(200)))
    assert river.user("ann").timers == {}
