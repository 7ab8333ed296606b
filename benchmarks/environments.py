"""The peers that the project does not depend on: each in an environment of its own, made when it is first wanted."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_CACHE = _ROOT / ".cache" / "peers"
_LIMIT_S = 600.0
_TAIL_CHARS = 300


class PeerMissing(Exception):
    """A peer cannot be installed here, most often because there is no network; the text says why."""


@dataclass(frozen=True)
class Peer:
    """A peer with pinned requirements: its folder below benchmarks/peers, its package, what people call it."""

    name: str
    package: str
    title: str

    @property
    def version(self) -> str:
        """The version that the comparison is made with."""
        pin = next(line for line in self._requirements.read_text().splitlines() if line.startswith(f"{self.package}=="))
        return pin.removeprefix(f"{self.package}==").split()[0]

    @property
    def is_installed(self) -> bool:
        """Whether its environment is here and has what the requirements say."""
        return self._stamp.exists()

    @property
    def python(self) -> str:
        """The interpreter of its environment."""
        return str(self._folder / "bin" / "python")

    def install(self, show: Callable[[str], None]) -> None:
        """
        Make its environment, unless it is here.

        Raises:
            PeerMissing: It cannot be installed.
        """
        if self.is_installed:
            return
        show(f"installing {self.title} {self.version} for the comparison, once")
        pip = [self.python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(self._folder)],
            [*pip, "install", "--require-hashes", "--requirement", str(self._requirements)],
        ):
            self._run(command)
        self._stamp.touch()

    @property
    def _requirements(self) -> Path:
        return _ROOT / "benchmarks" / "peers" / self.name / "requirements.txt"

    @property
    def _folder(self) -> Path:
        return _CACHE / self.name

    @property
    def _stamp(self) -> Path:
        # Old as soon as the requirements change; making the environment anew removes it.
        return self._folder / f".installed-{hashlib.sha256(self._requirements.read_bytes()).hexdigest()[:12]}"

    def _run(self, command: list[str]) -> None:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as failed:
            raise PeerMissing(f"{self.title} cannot be installed: {failed}") from failed
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-_TAIL_CHARS:]
            raise PeerMissing(f"{self.title} {self.version} cannot be installed: {said}")


QUIX = Peer("quix", "quixstreams", "Quix Streams")
BYTEWAX = Peer("bytewax", "bytewax", "Bytewax")
PEERS = (QUIX, BYTEWAX)
