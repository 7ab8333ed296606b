"""The simulator's command line: whole files or none, the same bytes each time, and a clear word when it cannot."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator import Scenario, __main__, simulate, truth

SMALL = ["--days", "10", "--workspaces", "10", "--large", "0"]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(__main__.app, list(arguments))
    return result.exit_code, result.output


def test_file_holds_every_event_and_the_labels_every_company(tmp_path: Path) -> None:
    events, labels = tmp_path / "events.jsonl", tmp_path / "labels.jsonl"

    code, _ = run(*SMALL, "--out", str(events), "--labels", str(labels))

    scenario = Scenario(days=10, workspaces=10, large=0)
    assert code == 0
    assert len(events.read_bytes().splitlines()) == sum(1 for _ in simulate(scenario))
    assert len(labels.read_bytes().splitlines()) == sum(1 for _ in truth(scenario)) == 10


def test_packed_file_has_the_same_bytes_each_time_and_the_same_events(tmp_path: Path) -> None:
    plain, first, second = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"

    for path in (plain, first, second):
        run(*SMALL, "--out", str(path))

    assert first.read_bytes() == second.read_bytes()
    assert gzip.decompress(first.read_bytes()) == plain.read_bytes()


def test_interruption_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(scenario: Scenario) -> Iterator[dict[str, object]]:
        yield next(simulate(scenario))
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "simulate", interrupted)
    out = tmp_path / "events.jsonl"
    out.write_text("old")

    code, said = run(*SMALL, "--out", str(out))

    assert (code, out.read_text(), list(tmp_path.iterdir())) == (130, "old", [out])
    assert "nothing was written" in said


def test_missing_folder_is_said_in_one_line(tmp_path: Path) -> None:
    code, said = run(*SMALL, "--out", str(tmp_path / "missing" / "events.jsonl"))

    assert code == 1
    assert "cannot write" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("end", ["yesterday", "2026-03-01T00:00:00"])
def test_end_without_a_time_or_a_zone_is_refused(tmp_path: Path, end: str) -> None:
    code, said = run(*SMALL, "--end", end, "--out", str(tmp_path / "events.jsonl"))

    assert code == 2
    assert "--end" in said


def test_number_of_events_can_be_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"

    run("--days", "10", "--events", "20000", "--large", "0", "--out", str(out))

    assert 14_000 < len(out.read_bytes().splitlines()) < 26_000
