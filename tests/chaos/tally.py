"""What a run has seen: every kill with its circumstances, every round with its findings, and the table of it all."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from rich.table import Table

from tests.findings import Findings

# The rows of the table that are to be zero.
ZERO = (
    "lost",
    "extra",
    "differing",
    "wrong_states",
    "stale_snapshots",
    "doubled_redis",
    "doubled_slack",
    "stuck",
    "complaints",
    "leaks",
)


@dataclass
class Blow:
    """One process or broker hit by a fault; `lag` and `recovered_s` are its group's."""

    victim: str
    kind: str
    is_kill: bool
    lag: int = 0
    in_flight: int = 0
    # None: not within the limit, or nothing came that it could have recovered on.
    recovered_s: float | None = None


@dataclass
class Outcome:
    """One round."""

    number: int
    scenario: str
    blows: list[Blow] = field(default_factory=list)
    # Partitions that did not move again within the limit after a fault.
    stuck: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    events: int = 0
    seconds: float = 0.0
    # Who ended by itself and was started again, as `worker-1 ended with 70`.
    endings: list[str] = field(default_factory=list)

    def zeros(self) -> dict[str, int]:
        """The counts that are to be zero."""
        return self.findings.counts() | {"stuck": len(self.findings.stuck) + len(self.stuck)}

    @property
    def is_clean(self) -> bool:
        """Whether they are."""
        return not any(self.zeros().values())


def recovery(blows: Iterable[Blow]) -> tuple[float, float] | None:
    """Median and longest recovery in seconds; None if there was none to measure."""
    took = [blow.recovered_s for blow in blows if blow.recovered_s is not None]
    return (statistics.median(took), max(took)) if took else None


def totals(outcomes: Iterable[Outcome]) -> dict[str, object]:
    """All rounds of one kind, or of the whole run, in one line."""
    outcomes = list(outcomes)
    blows = [blow for outcome in outcomes for blow in outcome.blows]
    kills = [blow for blow in blows if blow.is_kill]
    took = recovery(blows)
    return {
        "rounds": len(outcomes),
        "events": sum(outcome.events for outcome in outcomes),
        "kills": len(kills),
        "kills_with_lag": sum(blow.lag > 0 for blow in kills),
        "kills_in_flight": sum(blow.in_flight > 0 for blow in kills),
        "kills_with_both": sum(blow.lag > 0 and blow.in_flight > 0 for blow in kills),
        **{name: sum(outcome.zeros()[name] for outcome in outcomes) for name in ZERO},
        "recovery_p50_s": None if took is None else round(took[0], 1),
        "recovery_max_s": None if took is None else round(took[1], 1),
        "endings": sum(len(outcome.endings) for outcome in outcomes),
    }


def table(outcomes: list[Outcome]) -> Table:
    """A column a scenario, and the whole run."""
    names = list(dict.fromkeys(outcome.scenario for outcome in outcomes))
    columns = [totals(each for each in outcomes if each.scenario == name) for name in names] + [totals(outcomes)]
    shown = Table(title="chaos", title_justify="left")
    shown.add_column("")
    for name in [*names, "all"]:
        shown.add_column(name, justify="right")
    for measure in columns[-1]:
        is_wrong = measure in ZERO and any(column[measure] for column in columns)
        values = ("-" if column[measure] is None else f"{column[measure]:,}" for column in columns)
        shown.add_row(measure.replace("_", " "), *values, style="bold red" if is_wrong else None)
    return shown


def as_json(seed: int, seconds: float, outcomes: list[Outcome]) -> dict[str, object]:
    """Everything, for a program."""
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "totals": totals(outcomes),
        "rounds": [
            {**msgspec.to_builtins(outcome), "zeros": outcome.zeros(), "is_clean": outcome.is_clean}
            for outcome in outcomes
        ],
    }
