"""One pass over several configs finds for each what a pass for it alone finds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import pytest

from signals.config import Config
from signals.event import Source
from signals.lanes import Lane
from signals.moments import iso
from signals.one_pass import OnePass
from signals.outcomes import Findings
from signals.thresholds import Signals
from simulator import Scenario, simulate

BASE: dict[str, Any] = {
    "events": {
        "activated": ["Report Shared"],
        "core": ["Dashboard Viewed", "Data Imported", "Project Created", "Report Shared"],
    },
    "plans": {"order": ["team", "business"]},
}
# What concerns only workspaces, what concerns users, and what changes how a record is read.
OF_WORKSPACES: list[dict[str, Any]] = [
    {"signals": {"multi_user": {"active_users": 4}, "seat_growth": {"users": 2}}},
    {"signals": {"went_silent": {"after": "7d"}, "usage_limit": {"levels": [0.5, 1.0]}, "pql": {"attention": 30}}},
    {"alerts": {"cooldown": "1d", "max_per_workspace": 1}, "score": {"weights": {"multi_user": 40}}},
    {"policy": {"free_to_paid": [], "quiet_hours": {"start": "20:00", "end": "08:00"}}},
    {"routes": [{"name": "one", "signals": ["multi_user"]}, {"name": "two", "signals": ["activated", "power_user"]}]},
]
OF_USERS: list[dict[str, Any]] = [
    {"signals": {"power_user": {"active_days": 2, "core_names": 2}, "activation_stalled": {"after": "6h"}}},
    {"signals": {"habit_formed": {"active_days": 2}, "champion_left": {"after": "5d"}}},
    {"alerts": {"show_email": True}},
    {"plans": {"free": ["free", "trial", "team"]}},
    {"internal": {"user_ids": ["u1", "u2"]}},
    {"domains": {"enterprise": ["example.com"]}},
]
OF_READING: list[dict[str, Any]] = [
    {"events": {**BASE["events"], "passive": ["Dashboard Viewed"]}},
    {"time_zone": "Asia/Tokyo"},
    {
        "custom": {
            "ours": {"rule": "count", "scope": "user", "kind": "intent", "events": ["Dashboard Viewed"], "threshold": 3}
        }
    },
]


@cache
def story() -> tuple[bytes, ...]:
    scenario = Scenario(seed=5, days=32, workspaces=16, large=0)
    return tuple(msgspec.json.encode(event) for event in simulate(scenario))


def config(changes: dict[str, Any]) -> Config:
    return Config.model_validate(BASE | changes)


def found(configs: Sequence[Config], **options: int) -> list[Any]:
    """All that is found for each config."""
    everything = [Findings(keeps_signals=True) for _ in configs]
    lanes = [Lane(each, None, findings.take) for each, findings in zip(configs, everything, strict=True)]
    for lane, findings in zip(lanes, everything, strict=True):
        findings.is_paying = lane.is_paying
    run = OnePass(lanes, **options)
    for number, line in enumerate(story()):
        run.feed(line, Source("file", 0, number))
    run.finish()
    states = [sorted((key, msgspec.json.encode(state)) for key, state in lane.workspaces()) for lane in lanes]
    return [(vars(one) | {"is_paying": None}, state) for one, state in zip(everything, states, strict=True)]


@cache
def alone() -> list[Any]:
    return found([config({})])


@pytest.mark.parametrize("changes", [*OF_WORKSPACES, *OF_USERS, *OF_READING], ids=str)
def test_each_config_finds_what_it_finds_alone(changes: dict[str, Any]) -> None:
    configs = [config({}), config(changes)]

    assert found(configs) == [*alone(), *found(configs[1:])]


@pytest.mark.parametrize(
    ("changes", "ways"),
    [
        *((changes, (1, 1)) for changes in OF_WORKSPACES),
        *((changes, (1, 2)) for changes in OF_USERS),
        *((changes, (2, 2)) for changes in OF_READING),
    ],
    ids=str,
)
def test_what_two_configs_do_alike_is_done_once(changes: dict[str, Any], ways: tuple[int, int]) -> None:
    assert OnePass([Lane(config({})), Lane(config(changes))]).ways == ways


@pytest.mark.parametrize("signal", Signals.model_fields)
def test_no_signal_of_users_is_taken_for_one_of_workspaces(signal: str) -> None:
    lanes = [Lane(config({"signals": {signal: {"enabled": enabled}}})) for enabled in (True, False)]
    scope = lanes[0].engine.by_name[signal].scope.value

    ways = OnePass(lanes).ways

    # The user step watches champions for the workspace.
    assert ways == ((1, 2) if scope == "user" or signal == "champion_left" else (1, 1))


@pytest.mark.parametrize("hot", [0, 20])
def test_states_that_become_bytes_now_and_then_change_nothing(monkeypatch: pytest.MonkeyPatch, hot: int) -> None:
    for module in ("one_pass", "passing"):
        monkeypatch.setattr(f"signals.{module}.LOOK_EVERY", 16)

    assert found([config({})], hot=hot) == alone()


def test_the_story_has_something_to_find() -> None:
    [(findings, states)] = alone()

    assert len(findings["alerts"]) > 5
    assert len(findings["signals"]) > 50
    assert len(states) > 5


@pytest.mark.parametrize("batch", [1, 7, 100_000])
def test_how_many_records_go_through_a_step_at_a_time_changes_nothing(batch: int) -> None:
    assert found([config({}), config(OF_USERS[0])], batch=batch) == found([config({}), config(OF_USERS[0])])


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_record_without_a_time_has_the_newest_so_far_of_those_that_count(batch: int) -> None:
    def record(number: int, time: str | None, message: str) -> bytes:
        fields = {"type": "track", "event": "Contact Sales Clicked", "userId": f"u{number}", "messageId": message}
        return msgspec.json.encode(fields | ({} if time is None else {"timestamp": time}))

    lines = [
        # No event yet has a time: a dead letter.
        record(0, None, "a"),
        record(1, "2026-03-03T00:00:00Z", "b"),
        record(2, "2026-03-02T00:00:00Z", "c"),
        record(3, None, "d"),
        # A copy moves no time, whatever it says.
        record(1, "2026-03-09T00:00:00Z", "b"),
        record(4, None, "e"),
        record(5, "2000-01-01T00:00:00Z", "f"),
    ]
    findings = Findings(keeps_signals=True)
    run = OnePass([Lane(config({}), None, findings.take)], batch=batch)

    for number, line in enumerate(lines):
        run.feed(line, Source("file", 0, number))
    run.finish()

    times = [iso(one.time)[:10] for one in findings.signals.values()]
    assert times == ["2026-03-03", "2026-03-02", "2026-03-03", "2026-03-03", "2000-01-01"]
    assert run.dead_letters == {"no_time": 1}


def test_a_record_that_is_no_event_is_counted_once() -> None:
    run = OnePass([Lane(config({})), Lane(config(OF_READING[1]))], batch=1)

    run.feed(b"{", Source("file", 0, 0))
    run.feed(None, Source("file", 0, 1))

    assert run.dead_letters == {"invalid_json": 1, "null_value": 1}
    assert run.newest is None


def test_a_record_of_a_topic_that_names_no_time_has_its_own() -> None:
    run = OnePass([Lane(config({}))], batch=1)
    value = b'{"type":"track","event":"Dashboard Viewed","userId":"ann","messageId":"1"}'

    run.feed(value, Source("events", 3, 17), 1_772_409_600_000)

    assert (run.started, run.newest) == (1_772_409_600_000, 1_772_409_600_000)
