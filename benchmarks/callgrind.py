"""Counts the instructions of parts of a Python program: valgrind's callgrind, switched on and off from inside."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Valgrind's client request on x86-64, as valgrind/valgrind.h writes it: four rotations that leave %rdi as it was, and
# an exchange that does nothing, with the request in %rax. Outside of valgrind it is all of no effect.
_REQUEST = bytes.fromhex(
    "4889f8"  # mov %rdi,%rax: the first argument, where the request stands
    "31d2"  # xor %edx,%edx: what is answered without valgrind
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol $3, $13, $61, $51, %rdi
    "4887db"  # xchg %rbx,%rbx
    "89d0 c3"  # mov %edx,%eax; ret
)
# From valgrind/callgrind.h: the tool's base is its two letters.
_BASE = ord("C") << 24 | ord("T") << 16
_DUMP_AT, _START, _STOP = _BASE + 3, _BASE + 4, _BASE + 5
_MACHINE = "x86_64"
# A part's name, and further below what it took.
_PART = re.compile(r"^desc: Trigger: Client Request: (\S+)$.*?^totals: (\d+)$", re.MULTILINE | re.DOTALL)


class CountFailed(Exception):
    """The counted program ended badly or took too long."""


def why_not() -> str | None:
    """What stands in the way of counting here; None where nothing does."""
    if platform.machine() != _MACHINE:
        return f"instructions are counted on {_MACHINE}, this is {platform.machine()}"
    if shutil.which("valgrind") is None:
        return "no valgrind on the PATH; on Debian and Ubuntu: apt-get install valgrind"
    return None


class Counter:
    """Inside the program: says which of its parts are to be counted."""

    def __init__(self) -> None:
        self._code = mmap.mmap(-1, len(_REQUEST), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._code.write(_REQUEST)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        self._request = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_uint64))(address)

    @contextmanager
    def counting(self, part: str) -> Iterator[None]:
        """Count what happens in the block."""
        self._ask(_START)
        try:
            yield
        finally:
            name = ctypes.create_string_buffer(part.encode())
            # Dumping sets the counters to zero.
            self._ask(_DUMP_AT, ctypes.addressof(name))
            self._ask(_STOP)

    def _ask(self, *words: int) -> None:
        self._request((ctypes.c_uint64 * 6)(*words))


def count(arguments: Sequence[str], limit_s: float, folder: Path) -> dict[str, int]:
    """
    Run a Python program that uses `Counter`.

    Args:
        folder: Where it runs.

    Returns:
        The instructions of each of its parts.

    Raises:
        CountFailed: It ended badly, or took longer.
    """
    with tempfile.TemporaryDirectory(prefix="plg-callgrind-") as dumps:
        out = Path(dumps, "out")
        options = ["--tool=callgrind", "--instr-atstart=no", "--combine-dumps=yes", f"--callgrind-out-file={out}"]
        command = ["valgrind", *options, sys.executable, *arguments]
        # Nothing else of the environment: its size moves the stack, and what hashes to where is to stay.
        environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}
        try:
            done = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise CountFailed(f"{' '.join(arguments[:2])}: not done after {limit_s:g} s under valgrind") from None
        if done.returncode:
            raise CountFailed(f"{' '.join(arguments[:2])}: ended with code {done.returncode}\n{done.stderr[-2_000:]}")
        return parts_of(out.read_text())


def parts_of(dump: str) -> dict[str, int]:
    """The parts of a dump of callgrind."""
    return {name: int(instructions) for name, instructions in _PART.findall(dump)}
