"""What a log says of an error that nobody foresaw: its type and where it was raised, never its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from faust.types import TP

from streams import agents, checkpoint
from streams.agents import River
from streams.endings import described
from tests.streams.virtual_time import run_virtually

ROOT = Path(__file__).parents[2]
CANARY = "pii-canary-7@example.com"


class Ended(BaseException):
    """The process would have ended."""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What the process says as it ends."""
    lines: list[dict[str, object]] = []

    def end(event: str, **fields: object) -> NoReturn:
        lines.append({"event": event, **fields})
        raise Ended

    for module in (agents, checkpoint):
        monkeypatch.setattr(module, "fail_stop", end)
    return lines


def test_an_agent_that_fails_quotes_no_record(said: list[dict[str, object]]) -> None:
    river: Any = SimpleNamespace(_still_owner=lambda: None)

    def apply(_records: object) -> None:
        # What encoding half a surrogate pair raises carries the whole text.
        f"{CANARY} \ud800".encode()

    with pytest.raises(Ended):
        run_virtually(River._in_one_go(river, apply, [SimpleNamespace()]))  # type: ignore[list-item]

    assert [(line["event"], line["error"]) for line in said] == [("worker.failed", "UnicodeEncodeError")]
    assert "in apply" in str(said[0]["trace"])
    assert CANARY not in str(said)


def test_a_checkpoint_that_fails_quotes_no_state(said: list[dict[str, object]]) -> None:
    async def commit(_offsets: Mapping[TP, int]) -> None:
        raise ValueError(CANARY)

    async def durable(_barrier: object) -> None:
        """Everything is."""

    outbox: Any = SimpleNamespace(barrier=lambda: None, durable=durable)
    made = checkpoint.Checkpoint(sender=outbox, tables={}, positions=dict, commit=commit)

    with pytest.raises(Ended):
        run_virtually(made._run_or_end())

    assert [(line["event"], line["error"]) for line in said] == [("checkpoint.failed", "ValueError")]
    assert CANARY not in str(said)


def test_an_error_is_described_with_its_place_and_without_its_text() -> None:
    with pytest.raises(ValueError, match=CANARY) as raised:
        int(CANARY)

    found = described(raised.value)

    assert found["error"] == "ValueError"
    assert "test_error_texts.py" in found["trace"]
    assert CANARY not in str(found)
    assert described(None) == {"error": "none", "trace": ""}


def said_of_errors(source: str) -> Iterator[int]:
    """Lines in which something is logged whole: by `repr`, with `exc_info`, or by `exception`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        is_log = name.rpartition(".")[0].endswith("log") or name == "fail_stop"
        if not is_log:
            continue
        whole = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "repr"]
        if whole or name.endswith(".exception") or any(keyword.arg == "exc_info" for keyword in node.keywords):
            yield node.lineno


@pytest.mark.parametrize("package", ["signals", "sinks", "streams"])
def test_no_log_line_shows_an_error_whole(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / package).rglob("*.py")
        for line in said_of_errors(path.read_text(encoding="utf-8"))
    }

    assert found == set()


@pytest.mark.parametrize(
    "line", ["log.error('x', error=repr(e))", "self._log.exception('x')", "fail_stop('x', why=f'{repr(e)}')"]
)
def test_a_line_that_shows_an_error_whole_is_seen(line: str) -> None:
    assert list(said_of_errors(line)) == [1]
