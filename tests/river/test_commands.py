"""Commands over files: a file that cannot be used is named, and a Ctrl-C leaves nothing half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.river.commands import interrupted
from tests.river.comparing import check_one_message
from tests.river.harness import River, river
from tests.servers import KafkaServer


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("missing.jsonl", None, "No such file"), ("broken.gz", b"\x1f\x8b\x08broken", "")],
    ids=["missing", "broken gzip"],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, kafka: KafkaServer, prefix: str, name: str, content: bytes | None, says: str
) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        file = made.folder / name
        if content is not None:
            file.write_bytes(content)
        out = made.folder / "out.jsonl"

        replayed = made.plg("replay", str(file))
        tested = made.plg("backtest", str(made.config_path), str(file), "--out", str(out))

        assert (replayed.returncode, tested.returncode) == (2, 2), replayed.stderr + tested.stderr
        check_one_message(replayed, name, says)
        check_one_message(tested, name, says)
        assert _leftovers(made) == []


@pytest.mark.river
def test_an_event_file_is_no_recording_of_facts(nowhere: River, story: Path) -> None:
    ran = nowhere.plg("backtest", "--facts", str(nowhere.config_path), str(story), "--out", "out.jsonl")

    assert ran.returncode == 2, ran.stderr
    check_one_message(ran, "line 1", "plg topics record")
    assert _leftovers(nowhere) == []


def _leftovers(made: River) -> list[str]:
    return [path.name for path in made.folder.iterdir() if path.name.startswith("out")]


# -- Ctrl-C


@pytest.mark.river
@pytest.mark.timeout(60)
def test_ctrl_c_in_a_backtest_leaves_no_file(nowhere: River, story: Path) -> None:
    # Long enough to be in the middle of it.
    files = [str(story)] * 20
    ran = interrupted(
        nowhere,
        "backtest",
        str(nowhere.config_path),
        *files,
        "--out",
        "out.jsonl",
        when=lambda: nowhere.folder.joinpath("out.jsonl.part").exists(),
    )

    assert ran.returncode == 130, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    assert _leftovers(nowhere) == []


@pytest.mark.timeout(60)
def test_ctrl_c_in_a_replay_ends_it_at_once(tmp_path: Path, kafka: KafkaServer, prefix: str, story: Path) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        [source] = made.config.source.topics
        ran = interrupted(made, "replay", "--rate", "500", str(story), when=lambda: sum(made.ends(source).values()) > 0)

        assert ran.returncode == 130, ran.stderr
        assert "Traceback" not in ran.stderr, ran.stderr
        sent = sum(made.ends(source).values())
        assert 0 < sent < 50_000
