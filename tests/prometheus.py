"""
Prometheus and its judge `promtool`: found on the PATH, kept in `.cache`, or taken from Debian's package, no daemon run.

`.ci/run` installs them. Where it cannot be had its tests are skipped, and the run says so; PLG_TEST_REQUIRE=promtool
makes that a failure.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_CACHE = Path(__file__).parent.parent / ".cache" / "prometheus"
_PACKAGE = "prometheus"
_FETCH_LIMIT_S = 120
_RUN_LIMIT_S = 60


class PrometheusMissingError(Exception):
    """Prometheus cannot be had here; the text says why and what to do."""


class Judged(NamedTuple):
    """What promtool says of something."""

    ok: bool
    said: str


def program(name: str) -> Path:
    """
    Where `promtool` or `prometheus` is, fetched where it is not there yet.

    Raises:
        PrometheusMissingError: It is not on the PATH, and no Debian package can be fetched.
    """
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    kept = _CACHE / "bin"
    if not kept.exists():
        _fetch(kept)
    if not (kept / name).exists():
        raise PrometheusMissingError(f"the package {_PACKAGE} holds no usr/bin/{name}; install Prometheus")
    return kept / name


def judge(*arguments: str | Path, stdin: str | None = None) -> Judged:
    """Run promtool to its end."""
    done = subprocess.run(
        [program("promtool"), *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_RUN_LIMIT_S,
    )
    return Judged(done.returncode == 0, done.stdout)


def _fetch(kept: Path) -> None:
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        raise PrometheusMissingError(f"no promtool on the PATH and no {missing[0]} to fetch it; install Prometheus")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as name:
        folder = Path(name)
        _run(["apt-get", "download", "-qq", _PACKAGE], folder)
        packages = list(folder.glob("*.deb"))
        if not packages:
            raise PrometheusMissingError(f"apt-get has brought no package {_PACKAGE}; install Prometheus")
        _run(["dpkg-deb", "--extract", str(packages[0]), "unpacked"], folder)
        # Renamed only when complete; another run may have been first.
        with contextlib.suppress(OSError):
            (folder / "unpacked" / "usr" / "bin").rename(kept)


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_FETCH_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise PrometheusMissingError(f"{command[0]} took longer than {_FETCH_LIMIT_S} s") from error
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip())[-200:]
        raise PrometheusMissingError(f"no promtool on the PATH, and {command[0]} says: {reason}; try apt-get update")
