"""Ticks are a watermark: no tick overtakes an event that was there before it, whatever stood still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from signals.codec import decode_fact_records, decode_user_records, position_in_log
from signals.event import Event, Source, Tick
from signals.facts import Fact, FactKind, Pulse
from signals.moments import parse_time
from simulator import Scenario, simulate
from streams.replaying import Replay
from streams.ticks import TickSender
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

HOUR_MS = 3_600_000
HOURS_PLAYED = 72
HOURS_STOPPED = 6

Hour = tuple[int, list[bytes]]
# Partition -> its records in order, each with its offset.
Log = dict[int, list[tuple[int, object]]]


@pytest.mark.timeout(180)
def test_ticks_noted_while_all_workers_are_stopped_do_not_overtake_the_backlog(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    hours = _hours(Scenario(seed=5, days=4, workspaces=250, large=0))
    with river(tmp_path, kafka.address, prefix) as made:
        # Ticks are noted by this test, each simulated hour; not by the player, each second.
        player = Replay(made.config, made.settings)
        worker = made.worker()
        worker.wait_for_log("worker.started")
        for _ in range(HOURS_PLAYED):
            _play(player, next(hours))
        _settle(player)
        assert worker.terminate() == 0
        stopped_at = made.ends(made.topics.user_events), made.ends(made.topics.workspace_facts)

        last = 0
        for _ in range(HOURS_STOPPED):
            last = _play(player, next(hours))
        for _ in range(20):
            _ticks(player).relay()
            time.sleep(0.1)
        backlog = made.left(made.config.source.topics[0])
        assert backlog > 0, "nothing was played while the workers were stopped"
        ends = made.ends(made.topics.user_events), made.ends(made.topics.workspace_facts)
        assert ends == stopped_at, "a tick overtook the backlog"

        worker = made.worker()
        _settle(player)
        made.wait_until_settled()
        assert worker.terminate() == 0
        events, facts = _log(made, made.topics.user_events), _log(made, made.topics.workspace_facts)
        after = _check_ticks(made, events, facts, newest=last)
        shown = [
            _around_stop(number, events[number], stopped_at[0][number]) for number in _busiest(events, stopped_at[0])
        ]
        report(
            f"{backlog} events waited for {HOURS_STOPPED} h; {after} events and facts stand after a tick, none older "
            f"than it; {'; '.join(shown)}"
        )


@pytest.mark.timeout(120)
def test_with_the_wall_clock_ticks_come_by_themselves(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    with river(tmp_path, kafka.address, prefix, clock="wall") as made:
        started_ms = time.time_ns() // 1_000_000
        made.worker().wait_for_log("worker.started")
        started = time.monotonic()

        wait_for(
            lambda: min(made.ends(made.topics.workspace_facts).values()) >= 3,
            20.0,
            lambda: f"{made.ends(made.topics.user_events)} and {made.ends(made.topics.workspace_facts)}",
        )

        report(f"two ticks in every partition of both logs {time.monotonic() - started:.1f} s after the start")
        now_ms = time.time_ns() // 1_000_000
        for topic in (made.topics.user_events, made.topics.workspace_facts):
            for number, records in _log(made, topic).items():
                # The first names the config, and lets no time pass.
                times = [record.time for _, record in records if isinstance(record, Tick) and record.time]
                assert times == sorted(set(times)), f"{topic}/{number}: {times} do not rise"
                assert started_ms <= times[0] <= times[-1] <= now_ms, f"{topic}/{number}: {times}"


def _hours(scenario: Scenario) -> Iterator[Hour]:
    """Each hour's events by the time of their delivery, with the moment at which the hour ends."""
    lines: list[bytes] = []
    end = scenario.start_ms + HOUR_MS
    for event in simulate(scenario):
        received_at = _received_at(event)
        while received_at >= end:
            yield end, lines
            lines, end = [], end + HOUR_MS
        lines.append(msgspec.json.encode(event))
    yield end, lines


def _received_at(event: dict[str, object]) -> int:
    moment = parse_time(event["receivedAt"], Scenario().end.tzinfo)
    assert moment is not None
    return moment


def _play(player: Replay, hour: Hour) -> int:
    end, lines = hour
    player.play(lines)
    _ticks(player).note(end)
    _ticks(player).relay()
    return end


def _settle(player: Replay) -> None:
    """Let the last noted hour go through; `Replay.settle` would note it once more."""

    def is_settled() -> bool:
        _ticks(player).relay()
        return _ticks(player).settled

    wait_for(is_settled, 60.0, lambda: "the last tick did not go through")


def _ticks(player: Replay) -> TickSender:
    assert player._ticks is not None
    return player._ticks


def _log(made: River, topic: str) -> Log:
    decode = decode_user_records if topic == made.topics.user_events else decode_fact_records
    log: Log = {number: [] for number in range(made.topics.partitions)}
    for message in made.read(topic):
        log[message.partition()] += [(message.offset(), record) for record in decode(message.value())]
    return log


def _check_ticks(made: River, events: Log, facts: Log, newest: int) -> int:
    """Returns how many records stand after a tick, all of them received at its time or later."""
    sent = {
        Source(message.topic(), message.partition(), message.offset()): msgspec.json.decode(message.value())
        for message in made.read(made.config.source.topics[0])
    }
    causes = {
        (message.partition(), position): event.source
        for message in made.read(made.topics.user_events)
        for position, event in enumerate(decode_user_records(message.value()), position_in_log(message.offset()))
        if isinstance(event, Event)
    }

    def received_at(record: object) -> int:
        assert isinstance(record, Event | Fact | Pulse)
        source = record.source if isinstance(record, Event) else causes[record.partition, record.offset]
        return _received_at(sent[source])

    after = 0
    for name, log in (("user-events", events), ("workspace-facts", facts)):
        for number, records in log.items():
            tick = 0
            for offset, record in records:
                if isinstance(record, Tick):
                    assert record.time > tick, f"{name}/{number}/{offset}: tick {record.time} after {tick}"
                    tick = record.time
                # What a workspace answers to another one comes from this log, not from the users'; what the timers of
                # users tell may come from a tick.
                elif not (isinstance(record, Fact) and record.kind in (FactKind.CARRIED, FactKind.FIRED)):
                    seen = received_at(record)
                    assert seen >= tick, f"{name}/{number}/{offset}: received at {seen}, behind tick {tick}"
                    after += tick > 0
            assert tick == newest, f"{name}/{number}: the last tick is {tick}, not {newest}"
    return after


def _busiest(events: Log, stopped_at: dict[int, int]) -> list[int]:
    """The three partitions with the longest backlog."""
    return sorted(events, key=lambda number: stopped_at[number] - len(events[number]))[:3]


def _around_stop(number: int, records: list[tuple[int, object]], stopped_at: int) -> str:
    """What a partition holds from where the workers stopped: offsets of events, then those of ticks."""
    events = [offset for offset, record in records if offset >= stopped_at and not isinstance(record, Tick)]
    ticks = [offset for offset, record in records if offset >= stopped_at and isinstance(record, Tick)]
    span = f"{events[0]}-{events[-1]}" if events else "none"
    return f"user-events/{number}: backlog at {span}, tick at {', '.join(map(str, ticks))}"
