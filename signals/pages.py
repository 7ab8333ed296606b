"""Pages with plots, complete in one file: no script, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from html import escape
from typing import NamedTuple

BLUE, GREY, GREEN = "#1f6feb", "#9aa4b2", "#1a7f37"
_PALETTE = (BLUE, "#d1741f", GREEN, "#8250df", "#bf3989", "#57606a", GREY)
_OTHER = "other"
_WIDTH, _LABEL, _BAR, _GAP, _TEXT = 860, 200, 18, 8, 170
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1f2328}"
    "svg{max-width:100%;height:auto}pre{font-size:12px;overflow-x:auto;background:#f6f8fa;padding:1em}"
    "table{border-collapse:collapse;font-size:13px}"
    "td,th{padding:2px 10px;text-align:left;border-bottom:1px solid #d0d7de}"
)


class Bar(NamedTuple):
    """A bar with its label to the left and its text to the right."""

    label: str
    value: float
    text: str
    colour: str


class Range(NamedTuple):
    """A value with the interval in which the true one may be."""

    label: str
    value: float
    low: float
    high: float
    text: str
    colour: str


def page(title: str, heading: str, body: str) -> str:
    """A whole page; `body` is HTML."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(heading)}</h1>\n{body}\n</body></html>\n"
    )


def bar_plot(title: str, bars: Sequence[Bar], whole: float | None = None) -> str:
    """Bars below each other; `whole` is the value that takes the whole width, the largest one if None."""
    if not bars:
        return ""
    scale = (_WIDTH - _LABEL - _TEXT) / (whole or max(bar.value for bar in bars) or 1.0)
    lines = []
    for index, bar in enumerate(bars):
        top, width = index * (_BAR + _GAP), max(1.0, bar.value * scale)
        lines.append(_label(bar.label, top))
        lines.append(f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{bar.colour}"/>')
        lines.append(f'<text x="{_LABEL + width + 6:.1f}" y="{top + 14}">{escape(bar.text)}</text>')
    return _figure(title, len(bars) * (_BAR + _GAP), lines)


def range_plot(title: str, ranges: Sequence[Range]) -> str:
    """A dot and its interval for each, below each other, on one scale from 0."""
    if not ranges:
        return ""
    scale = (_WIDTH - _LABEL - _TEXT) / (max(one.high for one in ranges) or 1.0)
    lines = []
    for index, one in enumerate(ranges):
        top, middle = index * (_BAR + _GAP), index * (_BAR + _GAP) + _BAR / 2
        low, at, high = (_LABEL + number * scale for number in (one.low, one.value, one.high))
        lines.append(_label(one.label, top))
        lines.append(
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="{GREY}" stroke-width="3"/>'
        )
        lines.append(f'<circle cx="{at:.1f}" cy="{middle}" r="6" fill="{one.colour}"/>')
        lines.append(f'<text x="{high + 8:.1f}" y="{top + 14}">{escape(one.text)}</text>')
    return _figure(title, len(ranges) * (_BAR + _GAP), lines)


def column_plot(title: str, columns: Mapping[str, Mapping[str, int]]) -> str:
    """A column for each label, stacked of parts; of more parts than there are colours the smallest are one, `other`."""
    if not columns:
        return ""
    totals: dict[str, int] = {}
    for parts in columns.values():
        for name, count in parts.items():
            totals[name] = totals.get(name, 0) + count
    shown = sorted(totals, key=lambda name: (-totals[name], name))
    if len(shown) > len(_PALETTE):
        rest = set(shown[len(_PALETTE) - 1 :])
        columns = {label: _together(parts, rest) for label, parts in columns.items()}
        # One of them may be called so itself.
        shown = [*(name for name in shown if name not in rest and name != _OTHER), _OTHER]
    most, height = max((sum(parts.values()) for parts in columns.values()), default=0) or 1, 200
    left, step = 40, (_WIDTH - 40) / len(columns)
    lines = [f'<text x="{left - 6}" y="14" text-anchor="end">{most:,}</text>']
    for index, (label, parts) in enumerate(columns.items()):
        foot, x = float(height), left + index * step
        for colour, name in zip(_PALETTE, shown, strict=False):
            size = parts.get(name, 0) / most * (height - 10)
            foot -= size
            if size:
                place = f'x="{x:.1f}" y="{foot:.1f}" width="{max(1.0, step - 1):.1f}" height="{size:.1f}"'
                lines.append(f'<rect {place} fill="{colour}"><title>{escape(label)} {escape(name)}</title></rect>')
        if index % 7 == 0:
            lines.append(f'<text x="{x:.1f}" y="{height + 16}" font-size="11">{escape(label[5:])}</text>')
    for index, (colour, name) in enumerate(zip(_PALETTE, shown, strict=False)):
        x, y = left + index % 4 * 200, height + 36 + index // 4 * 20
        lines.append(f'<rect x="{x}" y="{y - 11}" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="{y}">{escape(name)}</text>')
    return _figure(title, height + 66, lines)


def _together(parts: Mapping[str, int], some: Container[str]) -> dict[str, int]:
    """The same parts, some of them as one."""
    found: dict[str, int] = {}
    for name, count in parts.items():
        key = _OTHER if name in some else name
        found[key] = found.get(key, 0) + count
    return found


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts."""
    lines = ["<table>", "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def _label(text: str, top: float) -> str:
    return f'<text x="{_LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(text)}</text>'


def _figure(title: str, height: int, lines: Sequence[str]) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    begin = f'<svg {size} role="img" font-size="13" font-family="system-ui,sans-serif"><title>{escape(title)}</title>'
    return "\n".join([f"<h2>{escape(title)}</h2>", begin, *lines, "</svg>"])
