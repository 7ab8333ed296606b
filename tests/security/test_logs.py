"""A log line stays one line whatever stands in its fields: no line of its own, no cursor moved, nothing coloured."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Callable

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import logs
from streams.logs import configure_logs

# The machine may be busy: no single example is timed.
FEW = settings(max_examples=40, deadline=None)
HOSTILE = ["a\r\nworker.stopped", "\x1b[2J\x1b[31mred", "\x9b31m", "a\u2028b", "\u202eevil", "\x00\x07\x08", "\ud800"]
CANARY = "pii-canary@example.com"
ANY_TEXT = st.one_of(st.text(st.characters(), max_size=80), st.sampled_from(HOSTILE))


class Stream(io.StringIO):
    """Standard error, be it a terminal or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def written(say: Callable[[], object], *, on_terminal: bool) -> str:
    """What arrives on standard error."""
    stream, real = Stream(is_terminal=on_terminal), sys.stderr
    sys.stderr = stream
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    hooks = sys.excepthook, threading.excepthook
    root.handlers.clear()
    try:
        configure_logs()
        say()
    finally:
        sys.stderr = real
        sys.excepthook, threading.excepthook = hooks
        root.handlers[:], root.level = handlers, level
        structlog.configure(**before)
    return stream.getvalue()


@FEW
@given(text=ANY_TEXT, name=ANY_TEXT)
def test_in_json_a_field_is_one_line_of_plain_ascii_and_reads_back(text: str, name: str) -> None:
    line = written(lambda: structlog.get_logger().info("x", **{f"a{name}": text}), on_terminal=False)

    assert line.endswith("\n")
    assert all(" " <= char <= "~" for char in line[:-1])
    assert json.loads(line)[f"a{name}"] == text


@FEW
@given(text=ANY_TEXT)
def test_on_a_terminal_a_field_moves_no_cursor_and_begins_no_line(text: str) -> None:
    def say() -> None:
        structlog.get_logger().info("x", reason=text, several=[text], deep={"a": text})

    seen = written(say, on_terminal=True)
    plain = written(lambda: structlog.get_logger().info("x", reason="", several=[""], deep={"a": ""}), on_terminal=True)

    assert seen.count("\n") == 1
    # What the renderer itself colours is there without the text, too.
    assert seen.count("\x1b") == plain.count("\x1b")
    assert all(char.isprintable() or char in "\x1b\n" for char in seen)


@FEW
@given(text=ANY_TEXT)
def test_a_library_speaks_in_lines_of_json_too(text: str) -> None:
    line = written(lambda: logging.getLogger("faust.agents").error("Cannot decode %s", text), on_terminal=False)

    assert line.count("\n") == 1
    assert all(" " <= char <= "~" for char in line[:-1])
    found = json.loads(line)
    assert (found["event"], found["logger"], found["level"]) == ("library.error", "faust.agents", "error")
    assert found["text"] == f"Cannot decode {text}"[: logs.MAX_LIBRARY_CHARS]


@pytest.mark.parametrize("on_terminal", [True, False])
def test_an_exception_of_a_library_is_told_by_type_and_place_not_by_its_text(*, on_terminal: bool) -> None:
    def say() -> None:
        try:
            int(CANARY)
        except ValueError as error:
            logging.getLogger("aiokafka").exception("fetching failed: %r", error)  # noqa: TRY401  # as libraries do

    line = written(say, on_terminal=on_terminal)

    assert CANARY not in line
    assert "ValueError" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize("on_terminal", [True, False])
def test_what_libraries_say_below_an_error_is_not_shown(*, on_terminal: bool) -> None:
    def say() -> None:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logging.getLogger("faust").log(level, CANARY)

    assert written(say, on_terminal=on_terminal) == ""


@pytest.mark.parametrize("on_terminal", [True, False])
def test_what_nobody_caught_is_told_by_type_and_place_too(*, on_terminal: bool) -> None:
    def say() -> None:
        with pytest.raises(ValueError, match=CANARY) as raised:
            int(CANARY)
        sys.excepthook(ValueError, raised.value, raised.tb)

    line = written(say, on_terminal=on_terminal)

    assert "process.failed" in line
    assert "ValueError" in line
    assert CANARY not in line
    assert line.count("\n") == 1


def test_a_thread_that_dies_says_so_in_a_line() -> None:
    def die() -> None:
        raise ZeroDivisionError

    def say() -> None:
        thread = threading.Thread(target=die)
        thread.start()
        thread.join()

    found = json.loads(written(say, on_terminal=False))

    assert (found["event"], found["error"]) == ("process.failed", "ZeroDivisionError")
