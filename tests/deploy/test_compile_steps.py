"""Compiled for an image, the steps are the same program, and a working copy is never compiled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from deploy.compile_steps import MODULES, compile_in_place, sources
from tests.docs.test_deployment import DOCKERFILE

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "compile_steps.py"


def run(
    *arguments: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python on something; its packages are those below `cwd`."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_all_that_is_compiled_is_there_and_has_no_models_of_pydantic() -> None:
    files = sources(ROOT / "signals")

    assert len(files) > len(MODULES)
    assert [file for file in files if not file.is_file()] == []
    # The parameters of rules are models without functions of their own, which is all that pydantic minds.
    assert [file for file in files if "BaseModel" in file.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        (ROOT, "is a working copy, in which edits would be without effect"),
        (ROOT / "docs", "docs has no signals/user_step.py"),
        (ROOT / "none", "none has no signals/user_step.py"),
    ],
)
def test_what_is_no_copy_of_ours_is_refused(folder: Path, said: str, tmp_path: Path) -> None:
    if folder == ROOT:
        # Tests may run where there is none.
        (tmp_path / ".git").mkdir()
        shutil.copytree(ROOT / "signals", tmp_path / "signals", ignore=shutil.ignore_patterns("__pycache__"))
        folder = tmp_path
    done = run(SCRIPT, folder)

    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "signals", tmp_path / "signals", ignore=shutil.ignore_patterns("__pycache__"))
    done = run(SCRIPT, tmp_path, environment={"PATH": str(tmp_path)})

    assert done.returncode == 1
    assert "apt-get install gcc libc6-dev" in done.stderr


def test_the_image_has_its_steps_compiled_by_the_versions_that_are_tested() -> None:
    assert re.search(r"^ && /build/venv/bin/python /build/compile_steps.py /app ", DOCKERFILE, re.MULTILINE)
    pinned = (ROOT / "deploy" / "requirements-compile.in").read_text(encoding="utf-8").split()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert len(pinned) > 1
    assert [pin for pin in pinned if f'"{pin}"' not in project] == []


@pytest.mark.river
@pytest.mark.timeout(600)
def test_compiled_steps_find_what_the_sources_find(tmp_path: Path) -> None:
    """The steps themselves and what decides about firings: a backtest of a month says the same to the byte."""
    if shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None:
        pytest.skip("no C compiler on the PATH; on Debian and Ubuntu: apt-get install gcc libc6-dev")
    events, built = tmp_path / "events.jsonl", tmp_path / "built"
    arguments = ["--seed", "11", "--days", "30", "--workspaces", "20"]
    made = run("-m", "simulator", *arguments, "--out", events)
    assert made.returncode == 0, made.stderr
    for package in ("signals", "sinks", "streams", "simulator", "config"):
        shutil.copytree(ROOT / package, built / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    some = ("user_step", "workspace_step", "usual", "judging", "score")
    compile_in_place(built, [built / "signals" / f"{name}.py" for name in some])

    found = {}
    for folder in (ROOT, built):
        where = run("-c", "import signals.user_step as step; print(step.__file__)", cwd=folder)
        assert where.stdout.strip().endswith(".so") == (folder == built), where
        out = tmp_path / f"{folder.name}.jsonl"
        done = run("-m", "streams.cli", "backtest", "config/demo.yaml", events, "--out", out, cwd=folder)
        assert done.returncode == 0, done.stderr
        found[folder] = out.read_bytes()

    assert found[built].count(b"\n") > 100
    assert found[built] == found[ROOT]
