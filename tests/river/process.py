"""A `plg` process of a test, with its log: started, stopped, killed, frozen, waited for."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.forking import die_with_parent


class Process:
    """A `plg` process with its log."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str], folder: Path, number: int) -> None:
        self.log_path = folder / f"{number}-{arguments[0]}.log"
        self._log = self.log_path.open("wb")
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *arguments],
            env=environment,
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # A Ctrl-C in the terminal reaches the tests alone, which kill what they started; killed themselves they
            # leave nobody behind.
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  (one system call)
        )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def freeze(self) -> None:
        """Let it do nothing more until it is killed or thawed."""
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.popen.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Like `kill -9`."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(10)
        self._log.close()

    def terminate(self, timeout_s: float = 40.0) -> int:
        self.popen.send_signal(signal.SIGTERM)
        code = self.popen.wait(timeout_s)
        self._log.close()
        return code

    @property
    def complaints(self) -> list[str]:
        """Lines of its log that are no everyday news; a traceback with the line that says what was raised."""
        levels = ('"level": "error"', '"level": "critical"', '"level": "warning"', "Traceback")
        lines = self.log.splitlines()
        found = [(number, line) for number, line in enumerate(lines) if any(level in line for level in levels)]
        return [line if line.startswith("{") else f"{line} {_raised(lines[number + 1 :])}" for number, line in found]

    def health_address(self) -> str:
        """Where its health server listens; the river's PLG_HEALTH must let it choose a port."""
        self.wait_for_log("health.listening")
        [line] = [line for line in self.log.splitlines() if "health.listening" in line]
        return str(json.loads(line)["address"])

    def wait_for_log(self, text: str, timeout_s: float = 30.0) -> None:
        wait_for(lambda: text in self.log, timeout_s, lambda: f"{text!r} in the log:\n{self.log[-2_000:]}")


def _raised(lines: list[str]) -> str:
    """What the traceback that these lines go on with ends in."""
    return next((line for line in lines if line and not line.startswith(" ")), "")


def wait_for(condition: Callable[[], Any], timeout_s: float, seen: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {seen()}")
        time.sleep(0.1)
