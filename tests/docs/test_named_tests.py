"""docs/security.md names a test for each threat, docs/guarantees.md one for each promise; each of them exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
THREATS = ROW.findall(SECURITY.partition("## What is kept")[0])[1:]
PROMISES = ROW.findall(GUARANTEES.partition("## The limits")[0])[1:]
LIMITS = ROW.findall(GUARANTEES.partition("## The limits")[2])[1:]
TESTS = sorted(set(re.findall(r"`(tests/[^`]+)`", SECURITY + GUARANTEES)))


@cache
def names_in(file: str) -> frozenset[str]:
    """The tests of a file, nothing if there is no such file."""
    path = ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def exists(test: str) -> bool:
    """Whether `tests/file.py` has tests, or `tests/file.py::name` is one."""
    file, _, name = test.partition("::")
    tests = {found for found in names_in(file) if found.startswith("test_")}
    return name in tests if name else bool(tests)


@pytest.mark.parametrize("test", TESTS)
def test_a_test_of_the_pages_exists(test: str) -> None:
    assert exists(test)


@pytest.mark.parametrize("test", ["tests/docs/test_nothing.py", "tests/docs/test_named_tests.py::test_nothing"])
def test_a_test_that_does_not_exist_is_seen(test: str) -> None:
    assert not exists(test)


def test_each_threat_has_a_control_and_a_test() -> None:
    assert len(THREATS) >= 18
    assert [threat for threat, control, tests in THREATS if not control.strip() or "`tests/" not in tests] == []


def test_each_promise_has_a_way_and_a_test() -> None:
    assert len(PROMISES) >= 18
    assert [promise for promise, way, tests in PROMISES if not way.strip() or "`tests/" not in tests] == []


def test_each_limit_names_its_test_or_says_that_there_is_none() -> None:
    assert len(LIMITS) >= 13
    assert [limit for limit, _, shown in LIMITS if not re.search("`(tests/|make )|no test", shown)] == []


def test_each_test_of_security_is_on_the_page() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "security").glob("test_*.py")}

    assert {file for file in files if not any(test.startswith(file) for test in TESTS)} == set()
