"""What is installed is what was looked at: every package by its hash, and nowhere a way around it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("lock", "fewest"),
    [("requirements.lock", 21), ("requirements-run.lock", 21), ("deploy/requirements-compile.txt", 2)],
)
def test_every_package_of_a_lock_has_a_version_and_a_hash(lock: str, fewest: int) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text(encoding="utf-8").strip())

    assert len(entries) >= fewest
    assert [entry for entry in entries if not re.match(r"[A-Za-z0-9._-]+==\S+", entry)] == []
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


@pytest.mark.parametrize(
    ("file", "lock"),
    [
        ("Dockerfile", "requirements-run.lock"),
        ("Dockerfile", "/build/requirements-compile.txt"),
        ("Makefile", "requirements.lock"),
    ],
)
def test_a_lock_is_installed_by_its_hashes(file: str, lock: str) -> None:
    lines = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if f"-r {lock}" in line]

    assert lines
    assert [line for line in lines if "--require-hashes" not in line] == []
    # A wheel is unpacked; a source distribution would run code of its own while it is built.
    assert file == "Makefile" or "--only-binary :all:" in lines[0]
