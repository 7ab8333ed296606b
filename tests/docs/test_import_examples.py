"""The files of examples/ for `plg import` say the same, and docs/seeding.md and the help name every column."""

from __future__ import annotations

from pathlib import Path

from signals.config import Config
from signals.import_rows import COLUMNS
from streams.commands.seeding import import_
from streams.import_file import read_import_file

ROOT = Path(__file__).parents[2]
AT = 1_772_409_600_000


def test_both_examples_say_the_same() -> None:
    table, lines = (
        [*read_import_file(ROOT / "examples" / name, Config(), AT).records()] for name in ("import.csv", "import.jsonl")
    )

    assert table == lines
    assert len(table) == 5


def test_the_page_names_every_column() -> None:
    page = (ROOT / "docs" / "seeding.md").read_text(encoding="utf-8")

    assert [name for name in COLUMNS if f"`{name}`" not in page] == []


def test_the_example_of_the_help_can_be_imported(tmp_path: Path) -> None:
    help_text = import_.__doc__ or ""
    table = [line.strip() for line in help_text.splitlines() if line.strip().startswith(("workspace,", "acme,"))]
    [lines] = [line.strip() for line in help_text.splitlines() if line.strip().startswith("{")]
    (tmp_path / "a.csv").write_text("\n".join(table))
    (tmp_path / "a.jsonl").write_text(lines)

    assert [len(read_import_file(tmp_path / name, Config(), AT)) for name in ("a.csv", "a.jsonl")] == [3, 3]
