"""Backtest: files in, signals with their verdicts out."""

from __future__ import annotations

import json

import pytest

from signals.config import Config
from signals.engine import encode_fact
from signals.engines import Engines, UnknownConfig
from signals.event import Tick
from signals.moments import iso
from signals.replay import Backtest, FactsBacktest
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day, engine, event, team


def line(
    user: str, name: str = "Dashboard Viewed", *, on: int | None = None, group: str = "acme", **more: object
) -> bytes:
    record = {"type": "track", "event": name, "userId": user, "context": {"groupId": group}, **more}
    if on is not None:
        record["timestamp"] = iso(on)
    return json.dumps(record).encode() + b"\n"


def backtest(*lines: bytes, until: int | None = None, config: Config | None = None) -> list[tuple[object, object]]:
    run = Backtest(config or Config.model_validate(ACTIVATION))
    finished = [record for one in lines for record in run.feed(one)]
    return [(record["signal"], record["verdict"]) for record in finished + run.finish(until)]


def test_signals_come_with_their_final_verdict() -> None:
    lines = [line("ann", on=day(1), messageId="1"), line("bob", "MSA Requested", on=day(2), messageId="2")]

    assert backtest(*lines) == [("second_user", "unrouted"), ("procurement", "sent")]


def test_signal_that_waits_comes_when_its_verdict_is_final() -> None:
    team_of_five = [line(f"u{number}", on=day(1)) for number in range(5)]

    finished = backtest(*team_of_five, line("u0", "MSA Requested", on=day(2)), line("u0", "Report Shared", on=day(3)))

    assert finished == [
        ("second_user", "unrouted"),
        ("procurement", "sent"),
        ("activated", "bundled"),
        ("multi_user", "sent"),
    ]


def test_signal_that_waits_to_the_end_says_so() -> None:
    finished = backtest(*[line(f"u{number}", on=day(1)) for number in range(5)])

    assert finished[-1] == ("multi_user", "waiting_for_activation")


def test_tick_at_until_ends_what_was_due() -> None:
    finished = backtest(*[line(f"u{number}", on=day(1)) for number in range(5)], until=day(1) + 30 * DAY_MS)

    assert finished[-1] == ("multi_user", "expired")


def test_events_after_until_are_applied_all_the_same() -> None:
    assert backtest(line("ann", "MSA Requested", on=day(9)), until=day(1)) == [("procurement", "sent")]


def test_bad_lines_are_counted_by_reason_and_move_nothing() -> None:
    run = Backtest(Config())

    for bad in (b"{", b"[]\n", b'{"type":"track","userId":"ann"}\n', b"\n"):
        assert run.feed(bad) == []

    assert run.dead_letters == {"invalid_json": 1, "not_an_object": 1, "no_name": 1}
    assert (run.newest, run.lines) == (None, 4)


def test_event_without_a_time_has_the_newest_so_far() -> None:
    run = Backtest(Config())
    run.feed(line("ann", on=day(3)))
    run.feed(line("ann", on=day(2)))

    (record,) = run.feed(line("ann", "MSA Requested"))

    assert record["occurred_at"] == "2026-03-04T12:00:00.000Z"


def test_duplicate_moves_no_time() -> None:
    run = Backtest(Config())
    run.feed(line("ann", on=day(1), messageId="same"))

    run.feed(line("ann", on=day(9), messageId="same"))

    assert run.newest == day(1)


def test_id_of_a_line_without_one_leaves_out_the_line_terminator() -> None:
    run = Backtest(Config())
    unix = line("ann", "MSA Requested", on=day(1))

    (record,) = run.feed(unix)
    run.feed(unix.removesuffix(b"\n") + b"\r\n")

    assert run.notes == {"duplicate": 1}
    assert record["cause"]["event_id"]  # type: ignore[index]


def test_clock_is_that_of_the_events_whatever_the_config_says() -> None:
    run = Backtest(Config.model_validate({"clock": "wall"}))

    run.feed(line("ann", on=day(1)))
    (record,) = run.feed(line("ann", "MSA Requested", on=day(400)))

    assert record["occurred_at"] == iso(day(400))


def test_facts_backtest_gives_the_workspace_signals_of_the_live_run() -> None:
    river = River(ACTIVATION)
    river.feed(*team("acme", 5, day(1)), event("u0", "acme", on=day(2), email="u0@walmart.com"), Tick(day(3)))
    run = FactsBacktest(river.engine.config)

    log = [*[encode_fact(fact) for fact in river.facts], encode_fact(Tick(day(3)))]
    found = [record for offset, value in enumerate(log) for record in run.feed(0, offset, value)]
    found += run.finish()

    assert sorted(str(record["id"]) for record in found) == sorted(
        firing.id for firing in river.signals if firing.scope == "workspace"
    )
    assert {record["signal"]: record["verdict"] for record in found} == {
        "second_user": "unrouted",
        "enterprise_domain": "sent",
        "multi_user": "waiting_for_activation",
        "pql": "waiting_for_activation",
    }


def test_facts_backtest_goes_by_the_config_that_a_tick_names_from_there_on() -> None:
    river = River()
    river.feed(*team("acme", 4, day(1)), Tick(day(1, 13)), *team("acme", 6, day(20)))
    edited = engine({"signals": {"multi_user": {"active_users": 3, "rearm_at": 1}}}).config
    engines = Engines(river.engine.config, find={edited.hash: edited}.get)
    run = FactsBacktest(river.engine.config, engines=engines)

    def found(names: str) -> list[tuple[object, object]]:
        run = FactsBacktest(river.engine.config, engines=engines)
        facts = river.facts
        log = [*[encode_fact(fact) for fact in facts if fact.time < day(2)], encode_fact(Tick(day(2), names))]
        log += [encode_fact(fact) for fact in facts if fact.time > day(2)]
        raised = [record for offset, value in enumerate(log) for record in run.feed(0, offset, value)] + run.finish()
        return [(one["evidence"]["threshold"], one["config"]) for one in raised if one["signal"] == "multi_user"]  # type: ignore[index]  # it is an object

    assert found("") == [(5, river.engine.hash)]
    assert found(edited.hash) == [(3, edited.hash)]
    with pytest.raises(UnknownConfig):
        run.feed(0, 0, encode_fact(Tick(day(2), "0123456789ab")))


def test_facts_backtest_keeps_partitions_apart_and_skips_what_was_sent_again() -> None:
    river = River()
    river.feed(*team("acme", 2, day(1)))
    run = FactsBacktest(river.engine.config)
    values = [encode_fact(fact) for fact in river.facts]

    first = [record for offset, value in enumerate(values) for record in run.feed(4, offset, value)]
    again = [record for offset, value in enumerate(values, 2) for record in run.feed(4, offset, value)]
    elsewhere = run.feed(5, 0, values[0])

    assert ([record["signal"] for record in first], again, elsewhere) == (["second_user"], [], [])
