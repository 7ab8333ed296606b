"""The program whose instructions `benchmarks.instructions` counts: one step after the other over prepared records."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.callgrind import Counter
from benchmarks.stepping import Steps
from signals.config import Config

# The first of them are not counted: they fill what is remembered, as in a worker that has run for a while.
WARM_UP = 0.25


class Prepared(msgspec.Struct):
    """What the program is given, so that it has nothing to make itself: the config as JSON, each step's records."""

    config: str
    lines: list[bytes]
    user_records: list[bytes]
    fact_records: list[bytes]


def run(prepared: Prepared) -> None:
    """Let each step do its share, counted from where it is warm."""
    steps = Steps(Config.model_validate_json(prepared.config))
    counter = Counter()
    parts: dict[str, tuple[Callable[[Sequence[bytes]], object], list[bytes]]] = {
        "decode": (steps.ingest, prepared.lines),
        "user": (lambda records: steps.step_users(0, records), prepared.user_records),
        "workspace": (lambda records: steps.step_workspaces(0, records), prepared.fact_records),
    }
    for name, (step, records) in parts.items():
        warm = warm_up(records)
        step(records[:warm])
        # Where the collector stands when counting begins must not depend on what was imported.
        gc.collect()
        gc.freeze()
        with counter.counting(name):
            step(records[warm:])


def warm_up(records: Sequence[bytes]) -> int:
    """How many of a step's records are not counted."""
    return int(len(records) * WARM_UP)


if __name__ == "__main__":
    run(msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Prepared))
