"""What chaos is made of works without a broker: plan, arguments, counting."""

from __future__ import annotations

import io
import json
from itertools import islice

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.chaos.__main__ import _seconds, app
from tests.chaos.plan import SCENARIOS, Fault, Kind, rounds
from tests.chaos.tally import ZERO, Blow, Outcome, as_json, table, totals
from tests.findings import Findings
from tests.folding import timeless
from tests.oracle import copies
from tests.river.load import CANARIES, bad_record

NAMES = list(SCENARIOS)


def planned(seed: int) -> list[tuple[int, str, tuple[Fault, ...]]]:
    return [(each.number, each.scenario.name, each.faults) for each in islice(rounds(seed, NAMES), 12)]


def test_same_seed_gives_the_same_plan_and_another_seed_another_one() -> None:
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


def test_scenarios_come_in_turn_and_their_second_round_has_faults_of_its_own() -> None:
    plan = planned(7)

    assert [name for _, name, _ in plan] == NAMES * 2
    assert plan[0][2] != plan[len(NAMES)][2]


def test_a_cycle_kills_enough_of_everything_and_a_third_of_the_worker_faults_is_aimed() -> None:
    faults = [fault for _, _, faults in planned(7)[: len(NAMES)] for fault in faults]
    kills = [victim for fault in faults if fault.kind is Kind.KILL for victim in fault.victims]

    assert len(kills) >= 30
    assert set(kills) == {"worker-0", "worker-1", "worker-2", "redis", "slack"}
    assert {fault.kind for fault in faults} == set(Kind)
    aimed = [fault for fault in faults if fault.is_aimed]
    assert len(aimed) >= 6
    assert all(fault.victims[0].startswith("worker") for fault in aimed)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1_200), ("2h", 7_200)])
def test_length_of_a_run_is_read(text: str, seconds: float) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--for", "soon"], "20m"),
        (["--for", "20"], "20m"),
        (["--scenario", "wrokers"], "workers"),
        (["--seed", "x"], "--seed"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(arguments: list[str], says: str) -> None:
    ran = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})

    assert ran.exit_code == 2
    assert says in ran.output


def test_list_tells_the_plan_of_the_seed_and_breaks_nothing() -> None:
    ran = CliRunner().invoke(app, ["--list", "--seed", "7", "--scenario", "sinks"])

    assert ran.exit_code == 0
    assert ran.output.startswith("seed 7")
    assert ran.output.count("kill") > 5
    assert "brokers" not in ran.output


def test_help_teaches_by_example() -> None:
    ran = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})

    assert "make chaos FOR=20m SEED=7" in ran.output


def outcome(**found: list[str]) -> Outcome:
    blows = [
        Blow("worker-0", "kill", is_kill=True, lag=10, in_flight=2, recovered_s=8.0),
        Blow("worker-1", "kill", is_kill=True, lag=10, in_flight=0, recovered_s=9.0),
        Blow("redis", "kill", is_kill=True, lag=0, in_flight=0, recovered_s=1.0),
        Blow("worker-2", "freeze", is_kill=False, lag=5, in_flight=1, recovered_s=None),
    ]
    findings = Findings()
    for kind, lines in found.items():
        setattr(findings, kind, lines)
    return Outcome(1, "storm", blows, events=1_000, findings=findings)


def test_kills_are_counted_by_what_they_met_and_other_faults_are_no_kills() -> None:
    counted = totals([outcome(), outcome()])

    assert (counted["rounds"], counted["events"], counted["kills"]) == (2, 2_000, 6)
    assert (counted["kills_with_lag"], counted["kills_in_flight"], counted["kills_with_both"]) == (4, 2, 2)
    assert (counted["recovery_p50_s"], counted["recovery_max_s"]) == (8.0, 9.0)


@pytest.mark.parametrize("kind", ZERO)
def test_one_finding_of_any_kind_makes_a_round_fail_and_is_counted(kind: str) -> None:
    bad = outcome(**{kind: ["something"]})

    assert outcome().is_clean
    assert not bad.is_clean
    assert totals([outcome(), bad])[kind] == 1
    assert kind in bad.findings.text()


def test_partition_that_stood_still_after_a_fault_makes_a_round_fail_even_if_it_moved_later() -> None:
    stood = outcome()
    stood.stuck.append("plg.user-events/3")

    assert (stood.is_clean, totals([stood])["stuck"]) == (False, 1)


def test_table_and_json_tell_the_totals() -> None:
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(table([outcome(lost=["event 1"])]))
    written = json.loads(msgspec.json.encode(as_json(7, 61.04, [outcome(lost=["event 1"])])))

    assert "storm" in console.export_text()
    assert (written["seed"], written["seconds"], written["totals"]["lost"]) == (7, 61.0, 1)
    assert written["rounds"][0]["blows"][0]["victim"] == "worker-0"
    assert written["rounds"][0]["findings"]["lost"] == ["event 1"]


def test_comparison_names_what_is_lost_what_is_too_many_and_what_differs_in_any_copy() -> None:
    found = Findings()

    found.compare("signal", {"a": {b"1"}, "b": {b"1", b"2"}, "c": {b"1"}}, {"a": b"1", "b": b"1", "d": b"1"})

    assert found.lost == ["signal d"]
    assert found.extra == ["signal c"]
    assert found.differing == ["signal b: b'2' should be b'1'"]
    assert found.compared["signal"] == 3


def test_copies_of_an_alert_may_differ_in_nothing_but_the_time_they_were_found_at() -> None:
    def alert(detected: str, title: str) -> bytes:
        return json.dumps(
            {"id": "a", "status": "open", "signal_ids": ["s"], "title": title, "detected_at": detected},
            separators=(",", ":"),
        ).encode()

    alike = copies([alert("2026-01-01", "x"), alert("2026-01-02", "x")])
    apart = copies([alert("2026-01-01", "x"), alert("2026-01-01", "y")])

    assert {state: len(values) for state, values in alike.items()} == {("a", "open", 1): 1}
    assert {state: len(values) for state, values in apart.items()} == {("a", "open", 1): 2}
    # A title cannot pose as that field.
    assert b"2026" in timeless(alert("", '"detected_at":"2026'))


def test_bad_records_of_the_load_are_all_different_and_carry_what_no_log_may_show() -> None:
    records = [bad_record(number) for number in range(0, 1_000, 3)]

    assert len(set(records)) == len(records)
    assert all(any(canary.encode() in record for canary in CANARIES) for record in records)
