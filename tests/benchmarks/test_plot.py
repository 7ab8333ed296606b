"""The picture of a run has a bar for everything that was measured."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from benchmarks.plot import draw, panels

_SVG = "{http://www.w3.org/2000/svg}"
_REFERENCE = {"programs": {"plain": {"median_per_s": 50_000.0}, "ours": {"median_per_s": 25_000.0}}}
_SIDE = {"p50_ms": 5.0, "p99_ms": 20.0, "p100_ms": 30.0}


def test_every_value_has_a_bar_as_long_as_its_share_of_the_largest() -> None:
    picture = ET.fromstring(draw(list(panels(_REFERENCE, None))))

    bars = [float(bar.get("width", 0)) for bar in picture.iter(f"{_SVG}rect")][1:]
    assert bars[1] / bars[0] == 0.5
    texts = [text.text for text in picture.iter(f"{_SVG}text")]
    assert texts[1:] == ["plain", "50,000", "ours", "25,000"]


def test_latencies_of_both_sides_stand_beside_each_other() -> None:
    loads = {"50%": {"ours": _SIDE, "relay": _SIDE}}

    [panel] = panels(None, {"loads": loads})

    assert [(bar.label, bar.value, bar.is_ours) for bar in panel.bars] == [
        ("ours, 50% of the maximum", 20.0, True),
        ("relay, 50% of the maximum", 20.0, False),
    ]
