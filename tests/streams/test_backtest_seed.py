"""A backtest that begins with what an import tells: the same as live, for every config of the pass."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from signals.config import Config
from signals.event import Source
from signals.moments import iso, parse_time
from signals.replay import Backtest
from streams.backtest_report import BacktestReport
from streams.backtest_seed import Seed, in_bytes
from streams.backtest_text import report_text
from streams.backtesting import Plan, backtest
from streams.cli import app
from streams.config_source import check_text
from streams.import_file import ImportRefused, read_import_file
from tests.signals.builders import day, track
from tests.streams.test_backtesting import planned, simulated

# The team pays nothing, has seats for ten, and has long been at work; of the other one nothing is told.
IMPORT = """workspace,plan,seats,activated_at,user,email
acme,free,10,2026-02-01,ann,ann@acme.example
acme,,,,bob,
"""
AT = "2026-03-01"
DROPPED = "signals: {multi_user: {active_users: 3, rearm_at: 2}}\n"


def history() -> list[bytes]:
    """Two teams alike: both work on day 2, a third joins on day 3 as calls run out, and both pay on day 5."""
    lines = []
    for group in ("acme", "globex"):
        ann, bob, cid = ("ann", "bob", "cid") if group == "acme" else ("gus", "hal", "ida")
        lines += [
            track(ann, "Dashboard Viewed", day(2), group),
            track(bob, "Dashboard Viewed", day(2, 13), group),
            track(cid, "Dashboard Viewed", day(3), group),
            track(ann, "Usage Reported", day(3, 13), group, metric="calls", used=96, limit=100),
            track(ann, "Plan Changed", day(5), group, plan="team"),
            track(ann, "Dashboard Viewed", day(40), group),
        ]
    return sorted(lines, key=lambda one: str(json.loads(one)["timestamp"]))


def written(tmp_path: Path, text: str = IMPORT) -> Path:
    path = tmp_path / "accounts.csv"
    path.write_text(text)
    return path


def run(plan: Plan, seed: Seed | None, lines: list[bytes] | tuple[bytes, ...] | None = None) -> BacktestReport:
    records = history() if lines is None else lines
    read = ((one, Source("file", 0, number), None) for number, one in enumerate(records))
    return backtest(plan, lambda _tell: read, seed=seed)


def fired(report: BacktestReport) -> dict[str, int]:
    return {row.signal: row.fired for row in report.run.signals}


def test_imported_team_is_no_news_and_what_it_does_from_then_on_counts(tmp_path: Path) -> None:
    plan = planned()

    without, seeded = run(plan, None), run(plan, Seed(written(tmp_path), plan.config, AT))

    # Of the team that was not imported nobody knows that it did not pay: it converts in neither.
    alike = {"usage_limit": 2, "expansion_ready": 2, "went_silent": 2}
    assert fired(without) == alike | {"second_user": 2}
    assert fired(seeded) == alike | {"second_user": 1, "converted_to_paid": 1}
    # The gate of the imported one is open.
    assert {row.signal: row.opened for row in seeded.run.signals if row.opened} == dict.fromkeys(alike, 1)
    assert without.run.quality.alerts == 0
    assert (without.run.conversions, seeded.run.conversions) == (0, 1)
    precision, recall = seeded.run.quality.precision, seeded.run.quality.recall
    assert (precision.reached, precision.of, recall.reached, recall.of) == (1, 1, 1, 1)


def test_the_ids_are_those_of_a_backtest_that_takes_the_records_one_by_one(tmp_path: Path) -> None:
    config, out = check_text("events: {activated: [Report Shared]}\n", "plg.yaml").config, tmp_path / "out.jsonl"
    file = written(tmp_path)
    records = ((one, Source("file", 0, number), None) for number, one in enumerate(history()))

    backtest(Plan(config), lambda _tell: records, out, Seed(file, config, AT))
    alone = Backtest(config)
    for record in read_import_file(file, config, parse_time(AT, UTC) or 0).records():
        alone.feed_import(record)
    expected = [found for one in history() for found in alone.feed(one)] + alone.finish()

    assert sorted(json.loads(one)["id"] for one in out.read_bytes().splitlines()) == sorted(
        str(one["id"]) for one in expected
    )


def test_both_sides_of_a_comparison_begin_with_it(tmp_path: Path) -> None:
    file, plan = written(tmp_path), planned(against=DROPPED)

    report = run(plan, Seed(file, plan.config, AT))

    assert report.old is not None
    assert plan.old is not None
    alone = run(Plan(plan.old), Seed(file, plan.old, AT))
    assert report.old.signals == alone.run.signals
    assert {row.signal: row.fired for row in report.old.signals}["converted_to_paid"] == 1
    assert report.difference is not None
    [change] = [one for one in report.difference.changes if one.signal == "multi_user"]
    # On day 3 the third one is at work; of the other team the gate is shut.
    assert (change.change.value, change.workspace_id) == ("vanished", "acme")


@pytest.mark.parametrize(
    "sweep",
    [
        "signals.multi_user.active_users=4..6",
        "alerts.show_email=true,false",
        "signals.power_user.active_days=3..5",
        "time_zone=UTC,Asia/Tokyo",
    ],
)
def test_every_row_of_a_sweep_equals_a_backtest_of_its_own_config(tmp_path: Path, sweep: str) -> None:
    told = {"plan": "free", "seats": 5, "activated_at": "2026-01-01"}
    groups = sorted(
        {event["context"]["groupId"] for event in map(json.loads, simulated()) if "groupId" in event["context"]}
    )
    rows = "".join(f"{json.dumps({'workspace': group} | told)}\n" for group in groups)
    file, plan = written(tmp_path, rows), planned(sweep, about=None)

    report = run(plan, Seed(file, plan.config, AT), simulated())

    assert report.sweep is not None
    assert len(plan.variants) > 1
    assert report.run != run(plan, None, simulated()).run
    for row, variant in zip(report.sweep.rows, plan.variants, strict=True):
        alone = run(Plan(variant.config), Seed(file, variant.config, AT), simulated())
        assert row.quality == alone.run.quality


def test_bare_times_are_in_the_zone_of_each_config(tmp_path: Path) -> None:
    config = Config.model_validate({"time_zone": "America/New_York"})
    file = written(tmp_path, "workspace,activated_at\nacme,2026-03-01\n")

    # Midnight in New York is later than the moment of the import.
    with pytest.raises(ImportRefused, match="activated_at: 2026-03-01T05:00:00"):
        run(Plan(Config(), old=config), Seed(file, Config(), "2026-03-01T00:00:00Z"))


def test_what_was_told_stands_in_the_report(tmp_path: Path) -> None:
    plan = planned()

    report = run(plan, Seed(written(tmp_path), plan.config, AT))

    assert report.seed is not None
    assert (report.seed.at, report.seed.workspaces, report.seed.members) == ("2026-03-01T00:00:00.000Z", 1, 2)
    said = "imported before the first event: 1 workspaces and 2 members (2 users), as of 2026-03-01 00:00 UTC"
    assert said in report_text(report, None)
    assert report.records == len(history())
    assert not any("import" in remark for remark in report.remarks)


@pytest.mark.parametrize(("counted_from", "is_said"), [(None, True), (day(3), True), (day(4), False)])
def test_an_import_from_the_midst_of_the_history_is_remarked_upon(
    tmp_path: Path, counted_from: int | None, is_said: bool
) -> None:
    plan = planned(counted_from=counted_from)

    report = run(plan, Seed(written(tmp_path), plan.config, iso(day(4))))

    assert any("the import speaks of 2026-03-05" in remark for remark in report.remarks) == is_said


@pytest.mark.parametrize("many", [0, 1, 5_000])
def test_an_import_alone_raises_nothing(tmp_path: Path, many: int) -> None:
    members = "".join(f"w{number % 50},u{number}\n" for number in range(many))
    plan = planned()

    report = run(plan, Seed(written(tmp_path, f"workspace,user\nacme,\n{members}"), plan.config, AT), [])

    assert (report.records, report.run.fired, report.run.quality.alerts) == (0, 0, 0)
    assert report.seed is not None
    assert report.seed.members == many


def test_a_bar_moves_by_the_bytes_of_the_file_once_however_many_read_it(tmp_path: Path) -> None:
    file = written(tmp_path, "workspace,user\n" + "".join(f"w{number % 50},u{number}\n" for number in range(4_000)))
    moved: list[int] = []
    plan = planned(against="time_zone: Asia/Tokyo\n")
    seed = Seed(file, plan.config, AT)
    seed.on_record = in_bytes(file, moved.append)

    run(plan, seed, [])

    assert sum(moved) == file.stat().st_size
    assert len(moved) == 5


# -- the command


def plg(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    config, events = tmp_path / "plg.yaml", tmp_path / "events.jsonl"
    config.write_text("events: {activated: [Report Shared]}\n")
    events.write_bytes(b"\n".join(history()))
    return config, events


def test_the_command_imports(files: tuple[Path, Path], tmp_path: Path) -> None:
    ran = plg(*files, "--import", written(tmp_path), "--import-at", AT, "--json")

    assert ran.exit_code == 0, ran.output
    numbers = json.loads(ran.stdout)
    assert numbers["seed"] == {"at": "2026-03-01T00:00:00.000Z", "workspaces": 1, "members": 2, "users": 2}
    assert numbers["run"]["conversions"] == 1


def test_without_a_moment_the_file_s_own_counts(files: tuple[Path, Path], tmp_path: Path) -> None:
    ran = plg(*files, "--import", written(tmp_path))

    assert ran.exit_code == 0, ran.output
    assert "the import speaks of" in ran.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--import-at", AT], "--import-at goes with --import"),
        (["--import", "gone.csv"], "gone.csv: No such file or directory"),
        (["--import", "accounts.csv", "--import-at", "soon"], "--import-at soon: not a time"),
        (["--import", "accounts.csv", "--import-at", "2026-01-01"], "line 2: activated_at: 2026-02-01"),
        (["--facts", "--out", "x", "--import", "accounts.csv"], "not with --import"),
    ],
)
def test_imports_that_cannot_be_say_what_to_do(
    files: tuple[Path, Path], tmp_path: Path, options: list[str], says: str
) -> None:
    file = written(tmp_path)

    ran = plg(*files, *(str(file) if one == file.name else one for one in options))

    assert ran.exit_code != 0
    assert says in str(ran.exception)
