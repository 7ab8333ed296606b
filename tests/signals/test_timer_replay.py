"""Timers of workspaces and users through a backtest and the two steps: the same ids at the same times."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from signals.config import Config
from signals.event import Role, Source, Tick
from signals.facts import Firing
from signals.formats.segment import SegmentDecoder
from signals.moments import iso
from signals.replay import Backtest
from tests.signals.builders import ACTIVATION, HOUR, River, day, event
from tests.signals.test_laws import stored_and_read

OURS = {"seat_growth", "went_silent", "trial_ending", "limit_hit_no_upgrade"}


def line(at: int, name: str, user: str | None = None, **properties: object) -> bytes:
    record = {
        "messageId": f"{name} {user} {at}",
        "type": "track",
        "event": name,
        "timestamp": iso(at),
        "context": {"groupId": "acme"},
        "properties": properties,
    }
    return json.dumps(record | ({"userId": user} if user else {})).encode()


def story() -> Iterator[bytes]:
    yield line(day(1), "Trial Started", trial_end_date="2026-03-12")
    yield line(day(1, 13), "Page Seen", "ann")
    yield line(day(1, 14), "Usage Reported", metric="calls", used=100, limit=100)
    # It passes the due time of the limit, and of the trial.
    yield line(day(8), "Page Seen", "ann")
    yield line(day(9), "Plan Changed", plan="pro")
    for number in range(4):
        yield line(day(15), "Page Seen", f"u{number}")
    yield line(day(15, 18), "Page Seen", "u0")


def backtested(lines: list[bytes], until: int) -> list[tuple[object, object, object]]:
    test = Backtest(Config())
    found = [record for one in lines for record in test.feed(one)] + test.finish(until)
    return sorted((one["signal"], one["occurred_at"], one["id"]) for one in found if one["signal"] in OURS)  # type: ignore[type-var]  # texts


def lived(lines: list[bytes], ticks: list[int]) -> list[tuple[object, object, object]]:
    river = River()
    decoder = SegmentDecoder(river.engine.config)
    for offset, one in enumerate(lines):
        event = decoder.decode(one, None, Source("file", 0, offset))
        while ticks and ticks[0] < event.time:
            river.feed(Tick(ticks.pop(0)))
        river.feed(event)
    river.feed(*(Tick(tick) for tick in ticks))
    return sorted((one.signal, iso(one.time), one.id) for one in river.signals if one.signal in OURS)


def test_backtest_gives_the_ids_and_times_that_the_steps_give_with_ticks_in_between() -> None:
    lines = list(story())

    found = backtested(lines, day(60))

    assert [(signal, at) for signal, at, _ in found] == [
        ("limit_hit_no_upgrade", iso(day(4, 14))),
        ("seat_growth", iso(day(15))),
        ("trial_ending", iso(day(8, 0))),
        ("went_silent", iso(day(29, 18))),
    ]
    assert lived(lines, [day(number, 6) for number in range(1, 61)] + [day(60)]) == found
    # Workers that stood still to the end, and one that never heard a tick before it.
    assert lived(lines, [day(60)]) == found


@pytest.mark.parametrize(("until", "fires"), [(day(29, 18), True), (day(29, 18) - 1, False)])
def test_the_tick_at_the_end_of_a_backtest_fires_what_is_due_then(until: int, fires: bool) -> None:
    assert ("went_silent" in {signal for signal, *_ in backtested(list(story()), until)}) is fires


def test_six_hours_of_standstill_around_the_due_time_with_activity_in_the_backlog_tell_of_no_silence() -> None:
    due = day(29, 18)
    lines = [*story(), line(due - HOUR, "Page Seen", "ann")]

    # The tick waits for the backlog: it comes when everything before it has been applied.
    assert "went_silent" not in {signal for signal, *_ in lived(lines, [due - 3 * HOUR, due + 3 * HOUR])}
    assert "went_silent" not in {signal for signal, *_ in backtested(lines, due + 3 * HOUR)}


def stalls(found: list[Firing]) -> list[tuple[str, int, str]]:
    return [(one.subject, one.time, one.id) for one in found if one.signal == "activation_stalled"]


def test_an_activation_in_the_backlog_of_a_standstill_stalls_nobody() -> None:
    river = River(ACTIVATION)
    river.feed(*(event(user, "acme", on=day(1), roles=[Role.SIGNED_UP]) for user in ("ann", "bob")))

    # Stopped at hour 20, the activation at hour 23; the tick of hour 26 stands behind what came before it.
    river.feed(event("ann", "acme", on=day(2, 11), roles=[Role.ACTIVATED]), Tick(day(2, 14)))

    assert [stall[:2] for stall in stalls(river.signals)] == [("bob", day(2))]


@pytest.mark.parametrize("killed_at", [day(1, 13), day(2) - 1, day(2), day(3)])
def test_killed_at_any_time_and_restored_a_sign_up_stalls_once_with_the_id_of_the_backtest(killed_at: int) -> None:
    river, backtest = River(ACTIVATION), Backtest(Config.model_validate(ACTIVATION))
    signed_up = line(day(1), "Signed Up", "ann")
    river.feed(SegmentDecoder(river.engine.config).decode(signed_up, None, Source("file", 0, 0)))
    river.feed(Tick(killed_at))

    river.users, river.workspaces = stored_and_read(river.users), stored_and_read(river.workspaces)
    river.feed(Tick(day(4)), Tick(day(5)))

    found = [*backtest.feed(signed_up), *backtest.finish(day(5))]
    expected = [(one["user_id"], one["occurred_at"], one["id"]) for one in found if one["signal"] != "signed_up"]
    assert [(user, iso(at), signal_id) for user, at, signal_id in stalls(river.signals)] == expected
    assert len(expected) == 1
