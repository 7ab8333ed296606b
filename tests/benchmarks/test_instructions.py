"""The steps take no more instructions than were accepted, and the comparison says what to do."""

from __future__ import annotations

import pytest

from benchmarks.callgrind import parts_of, why_not
from benchmarks.instructions import ACCEPT, Figures, complaints, here, measure, prepare, stored
from simulator.scenario import Scenario

_PYTHON = "3.11.7 GCC 12.2.0 x86_64"


def test_no_step_takes_more_instructions_per_event_than_are_stored() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    then = stored()
    if then.python != here():
        pytest.skip(f"the stored instructions are those of Python {then.python}, this is {here()}")

    assert complaints(measure(), then) == []


def test_three_percent_more_are_let_pass_and_a_little_more_are_not() -> None:
    then = _figures(user=10_000)

    assert complaints(_figures(user=10_300), then) == []
    assert complaints(_figures(user=10_310), then) == [
        f"user: 10,310 instructions per event, 3.1% more than the 10,000 stored; if they are worth it: {ACCEPT}"
    ]


def test_ten_percent_fewer_are_let_pass_and_still_fewer_are_to_be_stored() -> None:
    then = _figures(user=10_000)

    assert complaints(_figures(user=9_000), then) == []
    assert complaints(_figures(user=8_900), then) == [
        f"user: 8,900 instructions per event, 11.0% fewer than the 10,000 stored: faster, so store it: {ACCEPT}"
    ]


def test_a_part_that_is_not_stored_yet_is_a_complaint() -> None:
    [complaint] = complaints(_figures(user=10_000, score=5), _figures(user=10_000))

    assert complaint.startswith("score: 5 instructions")


def test_another_msgspec_is_named_with_what_it_costs() -> None:
    [complaint] = complaints(_figures("0.23.0", user=11_000), _figures(user=10_000))

    assert "(msgspec 0.22.0 then, 0.23.0 now)" in complaint


def test_parts_are_read_from_between_other_lines_of_a_dump() -> None:
    dump = (
        "part: 1\ndesc: Trigger: Client Request: decode\nevents: Ir\nsummary: 12\n\ntotals: 12\n"
        "part: 2\ndesc: Trigger: Client Request: user\nfn=(1) loop\n0 34\ntotals: 34\n"
        "part: 3\ndesc: Trigger: Program termination\ntotals: 0\n"
    )

    assert parts_of(dump) == {"decode": 12, "user": 34}


def test_the_same_records_are_prepared_every_time() -> None:
    scenario = Scenario(days=5, workspaces=3, large=0)

    assert prepare(scenario) == prepare(scenario)


def _figures(msgspec: str = "0.22.0", **per_event: int) -> Figures:
    return Figures(_PYTHON, msgspec, per_event)
