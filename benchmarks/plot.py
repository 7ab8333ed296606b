"""Draws what the benchmarks found: `python -m benchmarks.plot` makes an SVG of the JSON they left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from xml.sax.saxutils import escape

import msgspec
import typer

_WIDTH, _LABEL, _BAR, _GAP, _ROOM = 820, 190, 18, 8, 150
_OURS, _OTHER = "#1f6feb", "#9aa4b2"
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


class Bar(NamedTuple):
    """One value of a panel."""

    label: str
    value: float
    text: str
    is_ours: bool


class Panel(NamedTuple):
    """Values of one kind, on one scale."""

    title: str
    bars: list[Bar]


def panels(reference: dict[str, Any] | None, latency: dict[str, Any] | None) -> Iterator[Panel]:
    """What there is to show of the JSON of `benchmarks` and of `benchmarks.latency`."""
    if reference is not None:
        programs = reference["programs"]
        jobs = {name: found for name, found in programs.items() if name not in {"river", "backtest"}}
        yield Panel("Reference job, events/s on one core (median)", list(_rates(jobs)))
        rivers = {name: found for name, found in programs.items() if name in {"river", "backtest"}}
        if rivers:
            yield Panel("The whole river, and the backtest without a broker, events/s (median)", list(_rates(rivers)))
    if latency is not None:
        yield Panel("From due to in Redis, p99 in ms (median of the rounds)", list(_latencies(latency)))


def _rates(programs: dict[str, Any]) -> Iterator[Bar]:
    for name, found in programs.items():
        rate = found["median_per_s"]
        yield Bar(name, rate, f"{rate:,.0f}", is_ours=name in {"ours", "river", "backtest"})


def _latencies(latency: dict[str, Any]) -> Iterator[Bar]:
    for share, load in latency["loads"].items():
        for side in ("ours", "relay"):
            p99 = load[side]["p99_ms"]
            yield Bar(f"{side}, {share} of the maximum", p99, f"{p99:,.0f}", is_ours=side == "ours")


def draw(shown: list[Panel]) -> str:
    """The panels below each other, as SVG."""
    parts, y = [], 10
    for panel in shown:
        y += 22
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{escape(panel.title)}</text>')
        y += 10
        largest = max((bar.value for bar in panel.bars), default=1.0) or 1.0
        for bar in panel.bars:
            length = max(1.0, bar.value / largest * (_WIDTH - _LABEL - _ROOM))
            middle = y + _BAR - 5
            parts.append(f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>')
            color = _OURS if bar.is_ours else _OTHER
            parts.append(f'<rect x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{color}"/>')
            parts.append(f'<text x="{_LABEL + length + 6:.1f}" y="{middle}">{escape(bar.text)}</text>')
            y += _BAR + _GAP
        y += 8
    size = f'width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    return "\n".join([head, f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>', *parts, "</svg>", ""])


@app.command()
def plot(
    reference: Annotated[Path | None, typer.Option(help="What `python -m benchmarks --json` wrote.")] = None,
    latency: Annotated[Path | None, typer.Option(help="What `python -m benchmarks.latency --json` wrote.")] = None,
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("benchmarks/results.svg"),
) -> None:
    """
    Draw the rates and latencies of a run.

    Example: python -m benchmarks.plot --reference bench.json --latency latency.json
    """
    found = [None if path is None else msgspec.json.decode(path.read_bytes()) for path in (reference, latency)]
    shown = list(panels(*found))
    if not shown:
        raise typer.BadParameter("nothing to draw: name at least one file", param_hint="--reference")
    out.write_text(draw(shown), encoding="utf-8")
    typer.echo(f"{out}: {len(shown)} panels")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.plot")
