"""The sizes of states: what is counted, and that the command measures a small world."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.population import Population, Sealed
from benchmarks.state_sizes import measure, sizes_of

_ROOT = Path(__file__).parents[2]


def test_p50_p99_and_max_are_sizes_that_states_have() -> None:
    states = [Sealed(f"user:{size}".encode(), b"x" * size) for size in range(1, 101)]

    assert sizes_of("user", states) == ("user", 100, 50.5, 50, 99, 100, "user:100")
    assert sizes_of("user", states[:1]) == ("user", 1, 1, 1, 1, 1, "user:1")


def test_visitors_are_no_users_and_personal_workspaces_stand_apart() -> None:
    users = [Sealed(b"user:ann", b"123"), Sealed(b"anon:x", b"1")]
    workspaces = [Sealed(b"acme", b"12345"), Sealed(b"user:ann", b"12")]

    found = measure(Population(users, workspaces))

    assert [(sizes.kind, sizes.count, sizes.most) for sizes in found] == [
        ("user", 1, 3),
        ("workspace", 1, 5),
        ("personal workspace", 1, 2),
    ]


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(ValueError, match="workspace: no state"):
        sizes_of("workspace", [])


def test_command_prints_a_line_for_each_kind_of_a_small_world() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks.state_sizes", "--workspaces", "30", "--days", "10", "--large", "0"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "bytes of state after 10 days of 30 companies" in shown
    assert [kind for kind in ("user", "workspace", "personal workspace") if kind not in shown] == []
