"""Runs a command and presses Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

from tests.river.harness import River, wait_for


def interrupted(made: River, *arguments: str, when: Callable[[], bool]) -> subprocess.CompletedProcess[str]:
    """Run a command and press Ctrl-C once `when` is true."""
    command = [sys.executable, "-m", "streams.cli", *arguments]
    with subprocess.Popen(
        command, env=made.environment, cwd=made.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            wait_for(lambda: running.poll() is not None or when(), 30, lambda: f"{arguments[0]} did not begin")
            time.sleep(0.3)
            running.send_signal(signal.SIGINT)
            output, errors = running.communicate(timeout=15)
        finally:
            if running.poll() is None:
                running.kill()
    return subprocess.CompletedProcess(command, running.returncode, output, errors)
