"""The laws of both steps over many random histories: a few in `make check`, a thousand of each with the river tests."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

import pytest

from signals.thresholds import Signals
from tests.signals.laws import LAWS, count_signals

_FEW = 20
# For a night: PLG_TEST_HISTORIES=100000.
HISTORIES = int(os.environ.get("PLG_TEST_HISTORIES", "1000"))
# What random histories do not come to: a usual week of core events in a workspace.
RARE = frozenset({"usage_spike", "usage_drop"})


def broken(law: str, seeds: range) -> list[str]:
    """What breaks a law, a line for each history that does."""
    return [f"history {seed}: {wrong}" for seed in seeds if (wrong := LAWS[law](seed)) is not None]


def counted(seeds: range) -> Counter[str]:
    """How often each signal fires in the histories."""
    found: Counter[str] = Counter()
    for seed in seeds:
        found += count_signals(seed)
    return found


@pytest.mark.parametrize("law", LAWS)
def test_law_holds_over_a_few_histories(law: str) -> None:
    assert broken(law, range(_FEW)) == []


@pytest.mark.river
@pytest.mark.timeout(180 + HISTORIES // 5)
def test_laws_hold_over_a_thousand_histories_each(report: Callable[[str], None]) -> None:
    slices = [range(start, min(start + 100, HISTORIES)) for start in range(0, HISTORIES, 100)]
    started = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = {law: [line for lines in pool.map(broken, repeat(law), slices) for line in lines] for law in LAWS}
        signals = sum(pool.map(counted, slices), Counter[str]())

    report(
        f"{HISTORIES:,} histories for each of {len(LAWS)} laws in {time.monotonic() - started:.0f} s:"
        f" {', '.join(f'{law} broken {len(lines)} times' for law, lines in found.items())}"
    )
    report(f"signals in them: {', '.join(f'{name} {count:,}' for name, count in sorted(signals.items()))}")
    assert {law: lines[:3] for law, lines in found.items() if lines} == {}
    # Or else the histories say nothing about it.
    assert {name for name in Signals.model_fields if signals[name] < HISTORIES / 100} == RARE
