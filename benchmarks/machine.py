"""The machine a run stands on: its cores, what is installed, and child processes that never stay behind."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import confluent_kafka

from streams.build import is_compiled

_STOP_S = 40.0
_TAIL_LINES = 15
# Processes that want a core, the average of a minute: above half of one, somebody else works here too.
_FREE_LOAD = 0.5


class ProgramFailed(Exception):
    """A program of the benchmark ended badly or took too long; the text holds the end of what it said."""


@dataclass(frozen=True)
class Cores:
    """Who runs where: the programs on one core, broker and benchmark on another; None where nobody can say."""

    program: int | None
    broker: int | None
    # A program without a broker may have the broker's core, too.
    has_both: bool = False

    @property
    def prefix(self) -> list[str]:
        """What a program's command begins with."""
        if self.program is None:
            return []
        return ["taskset", "-c", f"{self.program},{self.broker}" if self.has_both else str(self.program)]

    def both(self) -> Cores:
        """The same for a program that works without a broker."""
        return replace(self, has_both=True)

    @property
    def text(self) -> str:
        """For the head of the report."""
        count = os.cpu_count()
        if self.program is None:
            return f"{count} cores, nothing pinned: expect more noise"
        return f"{count} cores: programs on core {self.program}, broker on core {self.broker}"


def claim_cores() -> Cores:
    """
    Give the last two cores to the programs and to the broker.

    This process moves to the broker's core; what it starts from now on follows it there, unless started as a program.
    """
    if not hasattr(os, "sched_setaffinity") or shutil.which("taskset") is None:
        return Cores(None, None)
    ours = sorted(os.sched_getaffinity(0))
    if len(ours) < 2:  # noqa: PLR2004  # one for the program, one for the broker
        return Cores(None, None)
    os.sched_setaffinity(0, {ours[-2]})
    return Cores(program=ours[-1], broker=ours[-2])


def busy() -> str | None:
    """What else the machine is doing, if that is enough to spoil rates; None when it is free."""
    if not hasattr(os, "getloadavg"):
        return None
    waiting = os.getloadavg()[0]
    return f"load {waiting:.1f} on {os.cpu_count()} cores" if waiting > _FREE_LOAD else None


def _profile() -> str:
    """How the interpreter was built: as distributions and images do it, or without."""
    return "with" if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "") else "without"


def versions(kafka: str) -> dict[str, str]:
    """What the numbers depend on beside the machine."""
    return {
        "python": f"{platform.python_version()}, {_profile()} profile-guided optimisation",
        "steps": "compiled" if is_compiled() else "interpreted",
        "faust-streaming": version("faust-streaming"),
        "aiokafka": version("aiokafka"),
        "confluent-kafka": version("confluent-kafka"),
        "librdkafka": confluent_kafka.libversion()[0],
        "kafka": kafka,
    }


@contextlib.contextmanager
def running(
    arguments: Sequence[str],
    cores: Cores,
    log: Path,
    environment: dict[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run a Python program on the programs' core, with the interpreter `python`; at the end of the block it is gone.

    In a session of its own: Ctrl-C reaches only us, and we end it.
    """
    with log.open("wb") as out:
        child = subprocess.Popen(
            [*cores.prefix, python, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_STOP_S)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                child.kill()
                child.wait()


def run_to_end(arguments: Sequence[str], cores: Cores, log: Path, limit_s: float, python: str = sys.executable) -> str:
    """
    Run a Python program to its end.

    Returns:
        What it printed.

    Raises:
        ProgramFailed: It ended with another code than 0, or not in time.
    """
    with running(arguments, cores, log, python=python) as child:
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{' '.join(arguments[:2])}: not done after {limit_s:g} s\n{tail(log)}") from None
    if code:
        raise ProgramFailed(f"{' '.join(arguments[:2])}: ended with code {code}\n{tail(log)}")
    return log.read_text(errors="replace")


def tail(log: Path) -> str:
    """The end of what a program said."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])


def tree_of(pid: int) -> list[int]:
    """A process and its children, as far as there are any now."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


def child_named(name: str) -> int | None:
    """A child process of this one by the name of its program, such as a broker started for the run; None if none."""
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        return None
    found = (int(child) for child in children if _program_of(child) == name)
    return next(found, None)


def _program_of(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def resident_bytes(pid: int) -> int:
    """
    Memory that a process has in hand now.

    Raises:
        ProgramFailed: The system does not tell, or the process is gone.
    """
    return _memory(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The most that it has had in hand; raises like `resident_bytes`."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is None:
        raise ProgramFailed(f"nobody can say how much memory process {pid} has")
    return int(found[1]) * 1_024


def cpu_seconds(pid: int) -> float | None:
    """CPU time that a process has used so far, all threads; None where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name may hold blanks; the fields are counted from behind it. utime and stime are 14 and 15 of all.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
