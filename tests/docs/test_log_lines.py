"""Every log line has a constant name in one form, and docs/logs.md lists them all with their level and meaning."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.docs.log_lines import Line, lines_of, log_lines

PAGE = (Path(__file__).parents[2] / "docs" / "logs.md").read_text(encoding="utf-8")
LINES = log_lines()


def documented() -> dict[str, tuple[str, str]]:
    """Level and meaning of each event of the page."""
    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    found = {event: (level, meaning) for event, level, meaning in rows}
    assert len(found) == len(rows), "an event stands on the page twice"
    return found


def test_every_log_line_has_a_constant_name() -> None:
    assert len(LINES) > 40
    assert [line.place for line in LINES if line.event is None] == []


def test_names_are_of_one_form() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", line.event or "")] == []


def test_one_name_is_of_one_level() -> None:
    levels: dict[str | None, set[str]] = defaultdict(set)
    for line in LINES:
        levels[line.event].add(line.level)

    assert {event: found for event, found in levels.items() if len(found) > 1} == {}


def test_the_page_lists_every_event_with_its_level_and_no_other() -> None:
    assert {line.event: line.level for line in LINES} == {event: level for event, (level, _) in documented().items()}


@pytest.mark.parametrize("event", sorted(documented()))
def test_the_page_says_what_an_event_means(event: str) -> None:
    assert len(documented()[event][1]) > 15


def test_a_name_that_is_not_constant_is_seen() -> None:
    source = """
def run(topic, reason):
    log.info(f"{topic}.begun")
    self._log.warning("sink.waiting")
    fail_stop(reason)
    fail_stop("send.failed" if reason else "send.refused")
    name = "a.b" if reason else "a.c"
    structlog.get_logger().error(name)
    logging.getLogger("x").error("not ours")
"""

    assert list(lines_of(source, "f.py")) == [
        Line("f.py:3", None, "info"),
        Line("f.py:4", "sink.waiting", "warning"),
        Line("f.py:5", None, "critical"),
        Line("f.py:6", "send.failed", "critical"),
        Line("f.py:6", "send.refused", "critical"),
        Line("f.py:8", "a.b", "error"),
        Line("f.py:8", "a.c", "error"),
    ]
