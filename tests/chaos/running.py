"""Runs rounds: sets the stage, strikes, lets it come to rest, asks the oracle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tests.chaos.plan import Round
from tests.chaos.stage import Ground, Stage, stage
from tests.chaos.strikes import Strike, said
from tests.chaos.tally import Outcome

# Events a second while faults happen: what a noisy machine takes with room to catch up.
RATE = 300.0


def run_round(
    planned: Round,
    ground: Ground,
    lines: Iterable[bytes],
    say: Callable[[str], None],
    is_over: Callable[[], bool],
    rate: float = RATE,
) -> Outcome:
    """
    One scenario with its faults, to the oracle's word.

    Args:
        say: Told what happens, a line a fault.
        is_over: Whether to leave out the faults that are left; the first one comes in any case.
    """
    scenario = planned.scenario
    outcome = Outcome(planned.number, scenario.name)
    started = time.monotonic()
    with stage(ground, lines, rate, planned.seed, workers=scenario.workers) as here:
        _strike(planned, here, outcome, say, is_over)
        outcome.stuck += here.rest()
        outcome.findings = here.judge(scenario.explains)
        outcome.events = here.load.replay.report.events
        outcome.endings = [f"{name} ended with {code}" for name, code in here.fleet.endings]
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def _strike(
    planned: Round, here: Stage, outcome: Outcome, say: Callable[[str], None], is_over: Callable[[], bool]
) -> None:
    for number, fault in enumerate(planned.faults):
        if number and is_over():
            return
        strike = Strike(here)
        strike.hit(fault)
        outcome.blows += strike.blows
        outcome.stuck += strike.stuck
        say(f"{planned.number} {planned.scenario.name}: {fault.text()}: {said(strike.blows)}")
        for line in strike.stuck:
            say(f"  STUCK {line}")
