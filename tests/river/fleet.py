"""Processes under a supervisor, as in production: one that ends by itself is started again, and its log is kept."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterable

from tests.river.harness import River
from tests.river.process import Process

_CLEAN, _ENDED_ITSELF = 0, 70
_STOP_S = 45.0


class Fleet:
    """
    Workers and sinks of a river by name: `worker-0`, `worker-1` and so on, `redis`, `slack`.

    `endings` are those that nobody asked for, each with the exit code.
    """

    def __init__(self, river: River) -> None:
        self.endings: list[tuple[str, int]] = []
        self._river = river
        self._running: dict[str, Process] = {}

    def __getitem__(self, name: str) -> Process:
        return self._running[name]

    @property
    def workers(self) -> list[str]:
        """The names of the workers that run."""
        return sorted(name for name in self._running if name.startswith("worker"))

    def start(self, *names: str) -> None:
        """Start processes and do not wait for them."""
        for name in names:
            arguments = ("worker",) if name.startswith("worker") else ("sinks", name)
            self._running[name] = self._river.start(*arguments)

    def wait_until_started(self, timeout_s: float = 90.0) -> None:
        """Wait until everyone has said that it is at work."""
        said = {name: "worker.started" if name in self.workers else "sink.started" for name in self._running}
        self.wait(lambda: all(said[name] in each.log for name, each in self._running.items()), timeout_s)

    def is_alive(self, name: str) -> bool:
        """Whether it has not ended by itself."""
        return self._running[name].popen.poll() is None

    def kill(self, *names: str) -> float:
        """Like `kill -9`, all of them at one moment; returns the moment."""
        self.endings += [(name, self._running[name].popen.returncode) for name in names if not self.is_alive(name)]
        for name in names:
            self._running[name].popen.kill()
        at = time.monotonic()
        for name in names:
            self._running.pop(name).kill()
        return at

    def stop(self, *names: str) -> None:
        """Stop in good order, all at one moment; an end that is not clean is kept."""
        stopping = [(name, self._running.pop(name)) for name in names]
        for _, process in stopping:
            process.popen.terminate()
        for name, process in stopping:
            # Not asked twice: the second time might meet a process that listens no more.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(_STOP_S)
            process.kill()
            if process.popen.returncode != _CLEAN:
                self.endings.append((name, process.popen.returncode))

    def tend(self) -> None:
        """Start again whoever has ended."""
        for name, process in list(self._running.items()):
            code = process.popen.poll()
            if code is not None:
                self.endings.append((name, code))
                process.kill()
                self.start(name)

    def wait(self, condition: Callable[[], object], timeout_s: float) -> bool:
        """Tend until the condition holds; returns whether it did in time."""
        give_up_at = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > give_up_at:
                return False
            self.tend()
            time.sleep(0.1)
        return True

    def complaints(self, allowed: Iterable[str] = ()) -> list[str]:
        """
        What no everyday news is and the faults do not explain: log lines of all processes so far, and ends.

        Args:
            allowed: Texts of lines that the faults do explain. An end with 70 has said why by one of them.
        """
        expected = frozenset(allowed)
        lines = [line for each in self._river.processes for line in each.complaints]
        said = [line for line in lines if not any(text in line for text in expected)]
        codes = {_ENDED_ITSELF, *(int(each.removeprefix("exit ")) for each in expected if each.startswith("exit "))}
        return said + [f"{name} ended with {code}" for name, code in self.endings if code not in codes]

    def leaks(self, secrets: Iterable[str]) -> list[str]:
        """Which processes have said what nobody may say."""
        logs = [(each.log_path.name, each.log) for each in self._river.processes]
        return [f"{name}: {secret}" for secret in secrets for name, log in logs if secret in log]
