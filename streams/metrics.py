"""What a worker counts, in plain numbers; nothing here costs more than an addition."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


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
    rule_errors: Counter[str] = field(default_factory=Counter)
    checkpoints: int = 0
    # Seconds from the barrier of the last checkpoint to its commit.
    checkpoint_s: float = 0.0
    checkpoint_in_flight: bool = False
