"""What a run found: rates as medians over its rounds, ratios within the run, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from rich import box
from rich.table import Table

from benchmarks.job import Result


@dataclass
class Series:
    """One program's results, a round each."""

    name: str
    what: str
    results: list[Result] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Events a second, by round."""
        return [result.events / result.seconds for result in self.results]

    @property
    def rate(self) -> float:
        """Events a second, the median."""
        return median(self.rates)

    @property
    def cpu_per_million_s(self) -> float | None:
        """CPU seconds that a million events take, the median; it moves less than the rate when the machine is busy."""
        costs = [result.cpu_s / result.events * 1e6 for result in self.results if result.cpu_s is not None]
        return median(costs) if costs else None


@dataclass
class Report:
    """A run: `facts` are what the numbers depend on (versions, cores)."""

    facts: dict[str, str]
    series: list[Series]

    def compared(self) -> Table:
        """The programs that do the reference job, against each other."""
        table = _table("program", "the reference job on one core, events/s")
        for column in ("median", "min", "max", *_MEASURES, "CPU s/M"):
            table.add_column(column, justify="right")
        for one in self._with_results(river=False):
            ratios = [_ratio(one, self._named(other)) for other in _MEASURES.values()]
            table.add_row(one.name, *_spread(one), *ratios, _cost(one))
        return table

    def river(self) -> Table:
        """The product itself."""
        table = _table("run", "the river on one core, events/s")
        for column in ("median", "min", "max", "CPU s/M"):
            table.add_column(column, justify="right")
        for one in self._with_results(river=True):
            table.add_row(one.name, *_spread(one), _cost(one))
        return table

    def as_json(self) -> dict[str, object]:
        """All numbers, for whoever compares two runs."""
        return {
            "facts": self.facts,
            "programs": {
                one.name: {
                    "median_per_s": round(one.rate, 1),
                    "cpu_s_per_million": one.cpu_per_million_s,
                    **{
                        heading.replace(" ", "_"): _quotient(one, self._named(other))
                        for heading, other in _MEASURES.items()
                    },
                    "rounds": [
                        {"events": result.events, "seconds": result.seconds, "cpu_s": result.cpu_s}
                        for result in one.results
                    ],
                }
                for one in self.series
                if one.results
            },
        }

    def _with_results(self, *, river: bool) -> list[Series]:
        return [one for one in self.series if one.results and (one.name in RIVER) == river]

    def _named(self, name: str) -> Series | None:
        return next((one for one in self.series if one.name == name and one.results), None)


# What the others are held against, by the heading of the column.
_MEASURES = {"to plain": "plain", "to quix": "quix", "to stock": "stock-faust"}
# Runs over simulated days; their events are not those of the reference job, so no ratio to it is formed.
RIVER = {
    "river": "plg worker, all three steps, 32 partitions",
    "backtest": "plg backtest of the same file, no broker, both cores",
}


def _table(first: str, title: str) -> Table:
    # As wide as a terminal of 80 columns; what each name means stands in README.md and beside it while it runs.
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    return table


def _spread(one: Series) -> list[str]:
    return [f"{one.rate:,.0f}", f"{min(one.rates):,.0f}", f"{max(one.rates):,.0f}"]


def _cost(one: Series) -> str:
    cost = one.cpu_per_million_s
    return "" if cost is None else f"{cost:.1f}"


def _quotient(one: Series, other: Series | None) -> float | None:
    return None if other is None or one.name in RIVER else round(one.rate / other.rate, 4)


def _ratio(one: Series, other: Series | None) -> str:
    quotient = _quotient(one, other)
    return "" if quotient is None else f"{quotient:.2f} x"
