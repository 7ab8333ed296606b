"""A process that was told to stop is gone in time, whatever it is stuck in."""

from __future__ import annotations

import subprocess
import sys
import time

from streams.endings import EXIT_FAILED


def _run(program: str) -> tuple[int, float, str]:
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    return ran.returncode, time.monotonic() - started, ran.stdout + ran.stderr


def test_a_process_that_goes_on_after_its_stop_is_ended() -> None:
    program = "import time; from streams.endings import ends_in_time; ends_in_time(0.3).set(); time.sleep(20)"

    code, took_s, said = _run(program)

    assert code == EXIT_FAILED
    assert took_s < 15
    assert "stop.timeout" in said


def test_a_process_that_was_not_told_to_stop_goes_on() -> None:
    program = "import time; from streams.endings import ends_in_time; stop = ends_in_time(0.1); time.sleep(0.5)"

    code, _, said = _run(program)

    assert (code, said) == (0, "")
