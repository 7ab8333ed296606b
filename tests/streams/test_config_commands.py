"""`plg check` and `plg config`: what they print, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli import app
from streams.replaying import ReplayFailed

ROOT = Path(__file__).parents[2]


def plg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_check_prints_a_line_for_each_mistake_that_begins_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "plg.yaml"
    file.write_text(
        "prefx: plg\n"
        "clock: sun\n"
        "clock: wall\n"
        "signals: {multi_user: {active_users: 0}}\n"
        "routes: [{signals: [procurment]}]\n"
    )

    ran = plg("check", file)

    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert ran.stderr.splitlines() == [
        f"{file}:1:1 prefx: there is no such key; did you mean prefix?",
        f"{file}:2:1 clock: must be 'wall' or 'events', got 'sun'",
        f"{file}:3:1 clock: is in line 2 already; keep one of the two",
        f"{file}:4:24 signals.multi_user.active_users: must be at least 1, got 0",
        f"{file}:5:21 routes.0.signals.0: there is no signal 'procurment'; did you mean procurement?",
    ]


def test_check_says_what_can_do_nothing_and_passes(tmp_path: Path) -> None:
    file = tmp_path / "plg.yaml"
    file.write_text("events:\n  activated: [Report Shared]\n  core: [Export]\nplans: {order: [team]}\n")

    ran = plg("check", file)

    assert ran.exit_code == 0
    assert ran.stdout.startswith(f"{file}: ok, config ")
    [line] = ran.stderr.splitlines()
    assert line.startswith(f"warning: {file}:4:9 plans.order: names one paid plan: plan_upgraded and plan_downgraded ")


def test_check_looks_at_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLG_CHECKPOINT_S", "never")
    file = tmp_path / "plg.yaml"
    file.write_text("prefix: plg\n")

    assert plg("check", file).exit_code == 0


def test_replay_refuses_a_pattern_since_it_names_no_topic_to_write_to(tmp_path: Path) -> None:
    file = tmp_path / "plg.yaml"
    file.write_text("source: {pattern: app.*}\n")

    ran = plg("replay", tmp_path / "events.jsonl", "--config", file)

    assert isinstance(ran.exception, ReplayFailed)
    assert "replay with a copy of the config that lists the topic" in str(ran.exception)


def test_show_prints_a_config_that_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "plg.yaml"
    file.write_text("prefix: acme\nsignals: {multi_user: {active_users: 4}}\n")

    first = plg("config", "show", "--config", file)
    file.write_text(first.stdout)
    second = plg("config", "show", "--config", file)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "active_users: 4 # default: 5" in first.stdout
    assert second.stdout == first.stdout


def test_schema_writes_the_published_file(tmp_path: Path) -> None:
    published = (ROOT / "docs" / "schemas" / "config.json").read_text(encoding="utf-8")
    out = tmp_path / "config.json"

    printed = plg("config", "schema")
    written = plg("config", "schema", "--out", out)

    assert printed.stdout == published
    assert written.exit_code == 0
    assert out.read_text(encoding="utf-8") == published
