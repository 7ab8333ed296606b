"""
What a worker counts, in plain numbers; nothing here costs more than an addition.

Counted per slice, output or checkpoint, never per event: `python -m benchmarks.metrics` says what share of an event's
cost it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from sinks.durations import Durations

# Seconds from barrier to commit; a checkpoint is due every half second.
CHECKPOINTS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# What can become of a config file that has changed: it counts, it says what is in force already, it has mistakes, it
# changes what cannot change while workers run, it is older than what is in force, or Kafka did not take it.
RELOADS = ("applied", "same", "invalid", "refused", "older", "unpublished")


@dataclass
class Metrics:
    """Counters and gauges of one worker process."""

    # Records taken from the customer's topics, and those of them that became dead letters, by reason.
    ingested: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    # Records applied by the keyed steps, and what they sent.
    user_records: int = 0
    workspace_records: int = 0
    facts: int = 0
    signals: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    # What the steps noticed about records: repeated, duplicate, ambiguous ...
    notes: Counter[str] = field(default_factory=Counter)
    # Records that a fence kept out because they had been applied before, by step.
    fenced: Counter[str] = field(default_factory=Counter)
    rule_errors: Counter[str] = field(default_factory=Counter)
    checkpoints: int = 0
    # From the barrier of a checkpoint to its commit.
    checkpoint_waits: Durations = field(default_factory=partial(Durations, CHECKPOINTS_S))
    checkpoint_in_flight: bool = False
    # From the moment at which a new alert was due to when it was sent; of the wall clock only.
    alert_waits: Durations = field(default_factory=Durations)
