"""What an oracle finds wrong with a river: named in words and counted by kind, for a run that is to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

SHOWN = 4
K = TypeVar("K")


@dataclass
class Findings:
    """Each list holds one line a finding; all of them are empty for a river that kept its promise."""

    # Of events, facts, signals, verdicts, alerts, dead letters, and what should be in Redis and Slack.
    lost: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    # The same id with other bytes.
    differing: list[str] = field(default_factory=list)
    wrong_states: list[str] = field(default_factory=list)
    stale_snapshots: list[str] = field(default_factory=list)
    doubled_redis: list[str] = field(default_factory=list)
    doubled_slack: list[str] = field(default_factory=list)
    # Partitions that are not committed to their ends.
    stuck: list[str] = field(default_factory=list)
    # Log lines that nothing in the scenario explains, exit codes included.
    complaints: list[str] = field(default_factory=list)
    # Personal data or secrets in a log.
    leaks: list[str] = field(default_factory=list)
    # How many of each kind were held against each other: zero findings of nothing prove nothing.
    compared: Counter[str] = field(default_factory=Counter)

    def compare(self, what: str, seen: Mapping[K, set[bytes]], expected: Mapping[K, bytes]) -> None:
        """Hold what is there, with all copies of it, against what should be."""
        self.compared[what] += len(expected)
        self.lost += [f"{what} {key}" for key in expected.keys() - seen.keys()]
        self.extra += [f"{what} {key}" for key in seen.keys() - expected.keys()]
        self.differing += [
            f"{what} {key}: {copy[:300]!r} should be {expected[key][:300]!r}"
            for key, copies in seen.items()
            if key in expected
            for copy in copies - {expected[key]}
        ]

    def counts(self) -> dict[str, int]:
        """The number of findings of each kind."""
        return {kind: len(self._lines(kind)) for kind in self._kinds()}

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.counts().values())

    def text(self) -> str:
        """The first findings of each kind."""
        parts = []
        for kind in self._kinds():
            lines = self._lines(kind)
            parts += [f"{kind}: {len(lines)}", *(f"  {line[:600]}" for line in lines[:SHOWN])] if lines else []
        return "\n".join(parts) or "nothing"

    def said(self) -> str:
        """What was compared, in one line."""
        return ", ".join(f"{count:,} {what}" for what, count in self.compared.items())

    def _kinds(self) -> list[str]:
        return [each.name for each in fields(self) if each.name != "compared"]

    def _lines(self, kind: str) -> list[str]:
        lines: list[str] = getattr(self, kind)
        return lines
