"""The funnel as people read it: a table with benchmarks beside it, and a page that holds no markup but ours."""

from __future__ import annotations

from datetime import UTC
from xml.etree import ElementTree as ET

import pytest

from signals.funnel import FunnelState
from signals.funnel_html import funnel_html
from signals.funnel_numbers import measure_funnel
from signals.funnel_table import duration, funnel_text, percent
from tests.signals.builders import MONDAY, day
from tests.signals.test_funnel import folded, funnel, revenue, signal, story


def test_the_table_shows_mature_and_immature_and_what_others_reach() -> None:
    text = funnel_text(measure_funnel(folded(story()), UTC, "UTC"))

    for words in ("mature", "immature", "2-5 %", "0.3-0.5", "110 %", "W1 (days 1-7", "before activation"):
        assert words in text, words
    assert max(map(len, text.splitlines())) < 135
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_a_share_is_shown_with_its_numbers() -> None:
    text = funnel_text(funnel(signal("signed_up", MONDAY), signal("activated", MONDAY + 1), now=day(60)))

    assert "100.0 % (1/1)" in text


def test_a_funnel_without_a_record_says_so() -> None:
    empty = measure_funnel(FunnelState(), UTC, "UTC")

    assert "empty" in funnel_text(empty)
    assert "empty" in funnel_html(empty)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0 s"), (59, "59 s"), (60, "1.0 min"), (3_600, "1.0 h"), (86_400, "1.0 d")],
)
def test_durations_are_written_as_people_say_them(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_no_share_is_not_zero_percent() -> None:
    assert (percent(None), percent(0.0)) == ("-", "0.0 %")


def test_the_page_is_well_formed_and_fetches_nothing() -> None:
    page = funnel_html(measure_funnel(folded(story()), UTC, "UTC"))

    for plot in page.split("<svg")[1:]:
        ET.fromstring("<svg" + plot.partition("</svg>")[0] + "</svg>")  # of our own making
    assert page.count("<svg") >= 6
    for word in ("http", "<script", "src=", "url("):
        assert word not in page, word


def test_what_events_carry_is_no_markup() -> None:
    broken = revenue(day(1), 100, 0)[1].replace(b'"USD"', b'"<b>"')

    page = funnel_html(measure_funnel(folded([("signals", broken)]), UTC, "UTC"))

    assert "<b>" not in page
    assert "&lt;b&gt;" in page
