"""`plg demo` shows the whole river on this machine, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.river.harness import wait_for

pytestmark = pytest.mark.river
MARK = "PLG_TEST_MARK"
# Of somebody whose own bus is locked: the demo has its own servers, which ask for nothing.
_LOCKED = {"PLG_KAFKA_SECURITY": "sasl_ssl", "PLG_KAFKA_PASSWORD_FILE": "/nowhere", "PLG_REDIS_PASSWORD": "secret"}


@pytest.fixture
def mark() -> Iterator[str]:
    """A value in the environment of the demo and of all its children, by which they are found."""
    value = uuid.uuid4().hex
    yield value
    for process in _marked(value):
        os.kill(process, signal.SIGKILL)


@pytest.mark.timeout(150)
def test_the_demo_ends_by_itself_with_alerts_in_redis(tmp_path: Path, mark: str, report: Callable[[str], None]) -> None:
    with _demo(tmp_path, mark, "--for", "25s") as demo:
        errors = demo.communicate(timeout=120)[1]

    output = (tmp_path / "stdout").read_text()
    assert demo.returncode == 0, output + errors
    assert "Traceback" not in errors
    assert "why: " in output, output
    assert _marked(mark) == []
    report(output.splitlines()[-1])


@pytest.mark.timeout(120)
def test_ctrl_c_ends_the_demo_and_all_it_started(tmp_path: Path, mark: str, report: Callable[[str], None]) -> None:
    output = tmp_path / "stdout"
    with _demo(tmp_path, mark) as demo:
        wait_for(
            lambda: "why: " in output.read_text() or demo.poll() is not None,
            60,
            lambda: f"no alert: {output.read_text()}",
        )
        assert demo.poll() is None, output.read_text()
        children = len(_marked(mark)) - 1
        started = time.monotonic()

        demo.send_signal(signal.SIGINT)
        errors = demo.communicate(timeout=20)[1]

        seconds = time.monotonic() - started
        assert demo.returncode == 0, output.read_text() + errors
        assert "Traceback" not in errors, errors
        assert _marked(mark) == []
        report(f"Ctrl-C ended the demo and its {children} children in {seconds:.1f} s")


def _demo(folder: Path, mark: str, *arguments: str) -> subprocess.Popen[str]:
    with (folder / "stdout").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "demo", "--plain", *arguments],
            env={**os.environ, **_LOCKED, MARK: mark, "PYTHONUNBUFFERED": "1"},
            cwd=folder,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )


def _marked(mark: str) -> list[int]:
    """The processes with the mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue  # gone, or somebody else's
            if f"{MARK}={mark}".encode() in environment:
                found.append(int(folder.name))
    return found
