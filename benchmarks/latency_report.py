"""What a run of the latency found: medians over the rounds, the ratio to the relay, and where the time went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from benchmarks.latency_sides import Passage
from benchmarks.passages import percentile

# A sender that is later than this with one of a hundred events has measured itself.
_LATE_MS = 50.0
_PERCENTS = (50.0, 99.0, 100.0)


@dataclass(frozen=True)
class Turn:
    """One side at one load, once."""

    side: str
    share: float
    passage: Passage

    @property
    def p99_ms(self) -> float:
        """What one of a hundred events takes longer than."""
        return percentile(self.passage.latencies_ms, 99)

    @property
    def behind_ms(self) -> float:
        """How late the sender was with one of a hundred events."""
        return percentile(self.passage.hops_ms["sent"], 99)


@dataclass
class LatencyReport:
    """A run: `facts` are what the numbers depend on (versions, cores), `max_rate` what the loads are shares of."""

    facts: dict[str, str]
    max_rate: float
    turns: list[Turn]

    def tables(self) -> list[Table]:
        """The whole way at every load, then each load hop by hop."""
        return [self._latencies(), *(self._hops(share) for share in self._shares)]

    def late(self) -> str:
        """Which of the numbers the sender has spoilt by being late itself, in words; empty if none."""
        found = [
            f"{side} at {share:.0%}: {behind:.0f} ms"
            for share in self._shares
            for side in ("ours", "relay")
            if (behind := self._median(side, share, lambda turn: turn.behind_ms)) > _LATE_MS
        ]
        text = f"the sender was late with one event of a hundred by more than {_LATE_MS:.0f} ms ({', '.join(found)}); "
        return text + "these are times of the sender: give it a free core or a lower --max-rate" if found else ""

    def as_json(self) -> dict[str, object]:
        """All numbers, for whoever compares two runs."""
        return {
            "facts": self.facts,
            "max_rate_per_s": round(self.max_rate, 1),
            "loads": {f"{share:.0%}": self._load(share) for share in self._shares},
            "turns": [
                {
                    "side": turn.side,
                    "share": turn.share,
                    "rate_per_s": round(turn.passage.rate, 1),
                    "cpu": round(turn.passage.cpu, 3),
                    "total_ms": _spread(turn.passage.latencies_ms),
                    "hops_ms": {hop: _spread(values) for hop, values in turn.passage.hops_ms.items()},
                }
                for turn in self.turns
            ],
        }

    def _load(self, share: float) -> dict[str, object]:
        return {
            side: {f"p{percent:.0f}_ms": round(value, 1) for percent, value in self._totals(side, share)}
            for side in ("ours", "relay")
        } | {"p99_ratio": round(self._ratio(share), 2)}

    def _latencies(self) -> Table:
        table = Table(
            title=f"produced to in Redis, ms: medians of the rounds; the maximum is {self.max_rate:,.0f} events/s",
            title_justify="left",
        )
        for column in ("load", "events/s", "ours p50", "p99", "max", "relay p50", "p99", "max", "p99 to relay"):
            table.add_column(column, justify="right")
        for share in self._shares:
            cells = [f"{value:.0f}" for side in ("ours", "relay") for _percent, value in self._totals(side, share)]
            rate = self._median("ours", share, lambda turn: turn.passage.rate)
            table.add_row(f"{share:.0%}", f"{rate:,.0f}", *cells, f"{self._ratio(share):.2f} x")
        return table

    def _hops(self, share: float) -> Table:
        core = {side: self._median(side, share, lambda turn: turn.passage.cpu) for side in ("ours", "relay")}
        table = Table(
            title=f"at {share:.0%}, hop by hop, ms (of a core: ours {core['ours']:.0%}, relay {core['relay']:.0%})",
            title_justify="left",
        )
        table.add_column("until")
        for column in ("ours p50", "p99", "max", "relay p50", "p99", "max"):
            table.add_column(column, justify="right")
        for hop in Passage.HOPS:
            cells = []
            for side in ("ours", "relay"):
                cells += [f"{value:.1f}" for _percent, value in self._of_hop(side, share, hop)]
            table.add_row(_HOP_NAMES.get(hop, hop), *cells)
        return table

    @property
    def _shares(self) -> Sequence[float]:
        return sorted({turn.share for turn in self.turns})

    def _totals(self, side: str, share: float) -> list[tuple[float, float]]:
        return [
            (percent, self._median(side, share, lambda turn, p=percent: percentile(turn.passage.latencies_ms, p)))  # type: ignore[misc]  # a default binds the loop's value
            for percent in _PERCENTS
        ]

    def _of_hop(self, side: str, share: float, hop: str) -> list[tuple[float, float]]:
        return [
            (percent, self._median(side, share, lambda turn, p=percent: percentile(turn.passage.hops_ms[hop], p)))  # type: ignore[misc]  # a default binds the loop's value
            for percent in _PERCENTS
        ]

    def _ratio(self, share: float) -> float:
        ours, relay = (self._median(side, share, lambda turn: turn.p99_ms) for side in ("ours", "relay"))
        return ours / relay

    def _median(self, side: str, share: float, of: Callable[[Turn], float]) -> float:
        return median(of(turn) for turn in self.turns if turn.side == side and turn.share == share)


_HOP_NAMES = {"sent": "sent (after due)", "redis": "in Redis"}


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {f"p{percent:.0f}": round(percentile(values, percent), 1) for percent in _PERCENTS}
