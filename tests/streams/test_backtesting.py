"""A backtest of several configs, by hand and over a simulated product; and how it is shown."""

from __future__ import annotations

import gzip
import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from typer.testing import CliRunner

from signals.codec import encode_record
from signals.config import Config
from signals.event import Source, Tick
from signals.moments import iso
from signals.pages import column_plot
from simulator import Scenario, simulate
from streams.backtest_html import report_html
from streams.backtest_report import BacktestReport
from streams.backtest_text import report_text
from streams.backtest_variants import read_sweep, variants
from streams.backtesting import Plan, backtest
from streams.cli import app
from streams.config_source import check_text
from streams.replaying import ReplayFailed, read_lines
from tests.signals.builders import day, track

TEXT = """
events:
  activated: [Report Shared]
  core: [Dashboard Viewed, Data Imported, Project Created, Report Shared]
plans: {order: [team, business]}
"""
SWEEP = "signals.multi_user.active_users=4..7"


def team(group: str, people: int, on: int) -> list[bytes]:
    """A workspace in which one person more is at work with each hour of a day, the first of whom activates."""
    lines = [track(f"{group}-0", "Workspace Created", on, group), track(f"{group}-0", "Report Shared", on + 1, group)]
    return lines + [track(f"{group}-{n}", "Dashboard Viewed", on + n * 3_600_000, group) for n in range(1, people)]


def small() -> list[bytes]:
    """
    Three workspaces created on day 1: `six` has six people and pays on day 5, `five` has five and never pays, `four`
    has four and pays on day 9; then nothing but somebody at work on day 20.
    """
    return [
        *team("six", 6, day(1)),
        *team("five", 5, day(1)),
        *team("four", 4, day(1)),
        *(track(f"{group}-0", "Plan Changed", day(1, 23), group, plan="free") for group in ("six", "five", "four")),
        track("six-0", "Plan Changed", day(5), "six", plan="team"),
        track("four-0", "Plan Changed", day(9), "four", plan="team"),
        track("five-0", "Dashboard Viewed", day(20), "five"),
    ]


@cache
def simulated() -> tuple[bytes, ...]:
    scenario = Scenario(seed=5, days=32, workspaces=16, large=0)
    return tuple(msgspec.json.encode(event) for event in simulate(scenario))


def run(lines: list[bytes] | tuple[bytes, ...], plan: Plan) -> BacktestReport:
    return backtest(plan, lambda _tell: ((one, Source("file", 0, number), None) for number, one in enumerate(lines)))


def planned(*sweeps: str, against: str | None = None, about: str | None = "multi_user", **more: Any) -> Plan:
    file = check_text(TEXT, "plg.yaml")
    read = [read_sweep(sweep) for sweep in sweeps]
    tried, left_out = variants(file, read) if read else ([], [])
    old = None if against is None else check_text(TEXT + against, "old.yaml").config
    return Plan(file.config, old, read, tried, left_out, about, **more)


def test_a_sweep_of_a_small_history_is_what_one_counts_by_hand() -> None:
    report = run(small(), planned(SWEEP, horizon=check_text("", "").config.alerts.cooldown))

    assert report.sweep is not None
    shown = [
        (row.values, row.is_own, row.quality.alerts, row.quality.precision.reached, row.quality.precision.of,
         row.quality.recall.reached, row.quality.recall.of)
        for row in report.sweep.rows
    ]  # fmt: skip
    # Within 7 days of its alert on day 1 only `six` pays; `four` pays on day 9.
    assert shown == [
        (["4"], False, 3, 1, 3, 1, 2),
        (["5"], True, 2, 1, 2, 1, 2),
        (["6"], False, 1, 1, 1, 1, 2),
        (["7"], False, 0, 0, 0, 0, 2),
    ]
    by_value = {row.values[0]: row.quality for row in report.sweep.rows}
    # The sixth person comes at 17:00 of day 1, the payment at noon of day 5.
    assert by_value["6"].lead_s == 3 * 86_400 + 19 * 3_600
    # Of the other two, created three weeks ago, neither paid within a week of its beginning.
    assert (by_value["6"].base.reached, by_value["6"].base.of) == (0, 2)


def test_against_another_threshold_the_small_history_changes_as_one_counts_by_hand() -> None:
    report = run(small(), planned(against="signals: {multi_user: {active_users: 6}}\n"))

    assert report.difference is not None
    changes = [(one.change.value, one.workspace_id, one.signal, one.differs) for one in report.difference.changes]
    assert ("appeared", "five", "multi_user", ()) in changes
    assert ("moved", "six", "multi_user", ("time",)) in changes
    moved = next(one for one in report.difference.changes if one.workspace_id == "six" and one.signal == "multi_user")
    assert moved.old is not None
    assert moved.new is not None
    assert (moved.old.at, moved.new.at) == (iso(day(1, 17)), iso(day(1, 16)))


def test_alerts_are_counted_by_signal_route_and_day() -> None:
    report = run(small(), planned())

    rows = {row.signal: row for row in report.run.signals}
    assert (rows["multi_user"].fired, rows["multi_user"].opened) == (2, 2)
    assert report.run.routes[0].route == "sales-assist"
    assert report.run.routes[0].alerts == report.run.quality.alerts == sum(row.opened for row in rows.values())
    assert report.run.days["2026-03-02"]["multi_user"] == 2
    assert len(report.run.days) == 20
    assert (report.records, report.run.conversions) == (len(small()), 2)


def test_alerts_before_counting_begins_are_left_out() -> None:
    report = run(small(), planned(SWEEP, counted_from=day(2)))

    assert report.sweep is not None
    assert [row.quality.alerts for row in report.sweep.rows] == [0, 0, 0, 0]
    assert report.span_days == 18.0


@pytest.mark.parametrize("prefix", ["", "prefix: other\n"])
def test_against_itself_nothing_changes(prefix: str) -> None:
    report = run(simulated(), planned(against=prefix))

    assert report.difference is not None
    assert (report.difference.changes, report.difference.signals) == ([], [])
    assert report.difference.same == report.run.quality.alerts > 5
    assert report.old is not None
    assert report.old.quality == report.run.quality


@pytest.mark.parametrize("sweep", [SWEEP, "signals.power_user.active_days=3..6", "time_zone=UTC,Asia/Tokyo"])
def test_the_row_of_the_own_value_equals_a_plain_backtest(sweep: str) -> None:
    swept = run(simulated(), planned(sweep, about=None))
    plain = run(simulated(), planned(about=None))

    assert swept.sweep is not None
    [own] = [row for row in swept.sweep.rows if row.is_own]
    assert own.quality == plain.run.quality
    assert own.config == plain.run.config
    assert swept.run == plain.run


def test_every_row_equals_a_backtest_of_its_own_config() -> None:
    plan = planned(SWEEP)

    swept = run(simulated(), plan)

    assert swept.sweep is not None
    for variant, row in zip(plan.variants, swept.sweep.rows, strict=True):
        alone = run(simulated(), Plan(variant.config, about="multi_user"))
        rows = {one.signal: one for one in alone.run.signals}
        assert row.quality.alerts == (rows["multi_user"].told if "multi_user" in rows else 0)
        assert row.all_alerts == alone.run.quality.alerts


def test_old_events_are_no_stale_news_here_and_that_is_said() -> None:
    report = run(small(), planned("alerts.max_age=1h,2h", about=None))

    assert any("nothing is stale" in remark for remark in report.remarks)


def test_without_events_there_is_a_report_all_the_same() -> None:
    report = run([b"{"], planned(SWEEP, against=""))

    text = report_text(report, None)
    assert "dead letters, invalid_json: 1" in text
    ET.fromstring(_page(report))


def test_no_event_and_a_day_to_go_to_make_no_history_of_fifty_years() -> None:
    report = run([], planned(until=day(5)))

    assert (report.span_days, report.run.days) == (0, {})


def test_history_ends_no_earlier_than_its_events() -> None:
    report, early = run(small(), planned()), run(small(), planned(until=day(3)))

    assert (early.until, early.span_days, [*early.run.days]) == (report.until, report.span_days, [*report.run.days])
    # Its last tick is that of day 3: the alerts that events bring count, over the time that they took.
    assert early.run.quality.per_week == round(early.run.quality.alerts * 7 / 19, 2)


def test_history_that_ends_before_counting_begins_says_so() -> None:
    report = run(small(), planned(counted_from=day(300)))

    assert (report.span_days, report.run.days, report.run.quality.alerts) == (0, {}, 0)
    assert any("--count-from is not before the end" in remark for remark in report.remarks)


def test_signal_called_other_has_a_column_beside_those_that_are_put_together() -> None:
    few = column_plot("alerts", {"2026-03-02": {"other": 5}})
    many = column_plot("alerts", {"2026-03-02": {"other": 5} | {f"signal_{n}": 10 + n for n in range(9)}})

    assert "<title>2026-03-02 other</title>" in few
    assert many.count("<title>2026-03-02 other</title>") == 1
    assert 'height="' in many


def test_signals_are_off_that_precision_needs() -> None:
    config = Config.model_validate({"signals": {"converted_to_paid": {"enabled": False}}})

    assert "converted_to_paid is off" in run(small(), Plan(config)).remarks[0]


@pytest.mark.parametrize(
    ("sweeps", "against", "words"),
    [
        ([], None, ["alerts a day", "route sales-assist", "multi_user", "verdicts: ", "left out: "]),
        ([SWEEP], None, ["5 <- now", "precision", "day-7 lift", "sweep of signals.multi_user.active_users"]),
        (
            [],
            "signals: {multi_user: {active_users: 4}}\n",
            ["appeared", "vanished", "moved", "the same", "five  multi_user: 2026-03-02 15:00 -> 2026-03-02 16:00"],
        ),
    ],
)
def test_what_a_person_reads(sweeps: list[str], against: str | None, words: list[str]) -> None:
    report = run(small(), planned(*sweeps, against=against))

    text = report_text(report, Path("signals.jsonl"))

    assert [word for word in words if word not in text] == []
    assert not any(line.endswith(" ") for line in text.splitlines())
    assert "signals in signals.jsonl" in text
    page = _page(report)
    assert ET.fromstring(page).tag == "html"
    assert "http" not in page.replace("http://www.w3.org", "")


def test_names_of_the_product_are_no_markup() -> None:
    lines = [*small(), json.dumps({"type": "group", "userId": "five-0", "groupId": "five", "messageId": "g",
        "traits": {"name": "<script>alert(1)</script>"}, "timestamp": iso(day(20))}).encode()]  # fmt: skip

    page = _page(run(lines, planned(against="signals: {multi_user: {active_users: 4}}\n")))

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_names_of_the_product_do_not_write_to_the_terminal() -> None:
    named = {"type": "group", "userId": "six-0", "messageId": "g", "groupId": "six",
             "traits": {"name": "Ev\u00efl\nvanished: \x1b[2J"}, "timestamp": iso(day(1, 1))}  # fmt: skip
    lines = [*small(), json.dumps(named).encode()]

    text = report_text(run(lines, planned(against="signals: {multi_user: {active_users: 6}}\n")), None)

    assert "\x1b" not in text
    assert "Ev\u00efl" in text
    assert not any(line.startswith("vanished: ") for line in text.splitlines())


def _page(report: BacktestReport) -> str:
    return report_html(report).replace("<!doctype html>\n", "").replace('<meta charset="utf-8">', "")


# -- the command


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    config, events = tmp_path / "plg.yaml", tmp_path / "events.jsonl"
    config.write_text(TEXT)
    events.write_bytes(b"\n".join(small()))
    return config, events


def plg(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


def test_the_command_writes_signals_numbers_and_a_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    out, html = tmp_path / "out.jsonl", tmp_path / "page.html"

    ran = plg(*files, "--out", out, "--json", "--html", html, "--sweep", SWEEP, "--horizon", "7d")

    assert ran.exit_code == 0, ran.output
    numbers = json.loads(ran.stdout)
    assert [row["values"] for row in numbers["sweep"]["rows"]] == [["4"], ["5"], ["6"], ["7"]]
    assert numbers["sweep"]["signal"] == "multi_user"
    assert len(out.read_bytes().splitlines()) == numbers["run"]["fired"]
    assert "<svg" in html.read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--from-topic"], "say what to read"),
        (["--since", "2026-01-01"], "--since goes with --from-topic"),
        (["--until", "soon"], "--until soon: not a time"),
        (["--count-from", "soon"], "--count-from soon: not a time"),
        (["--horizon", "30"], "--horizon: a duration"),
        (["--about", "multi_usr"], "did you mean multi_user"),
        (["--against", "plg.yaml", "--sweep", SWEEP], "say one of them"),
        (["--sweep", "signals.multi_user.active_users=0"], "must be at least 1, got 0"),
        (["--horizon", "0s"], "--horizon: must be longer than 0s"),
        (["--horizon", "99999999999d"], "--horizon: a duration is some years at most"),
        (["--html", "nowhere/page.html"], "--html nowhere/page.html: there is no folder nowhere"),
        (["--out", "/"], "--out /: is a folder"),
        (["--out", "x" * 5_000], "File name too long"),
        (["x" * 5_000], "File name too long"),
        (["--out", "x", "--html", "./x"], "--out and --html: name two files"),
        (["--facts"], "--facts needs files and --out"),
        (["--facts", "--out", "x", "--until", "2026-01-01"], "not with --until"),
    ],
)
def test_options_that_cannot_be_say_what_to_do(files: tuple[Path, Path], options: list[str], says: str) -> None:
    ran = plg(*files, *options)

    assert ran.exit_code != 0
    assert says in str(ran.exception)


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_what_is_read_is_not_written_over(files: tuple[Path, Path], option: str) -> None:
    for file in files:
        before = file.read_bytes()

        ran = plg(*files, option, file)

        assert "is read by this command" in str(ran.exception)
        assert file.read_bytes() == before


def test_out_is_whole_or_as_it_was_and_a_device_stays_one(files: tuple[Path, Path], tmp_path: Path) -> None:
    pipe, link, target = tmp_path / "pipe", tmp_path / "link", tmp_path / "target"
    os.mkfifo(pipe)
    link.symlink_to(target)
    target.write_text("before")
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert [plg(*files, "--out", out).exit_code for out in (pipe, link)] == [0, 0]
        assert os.read(reading, 1_000_000) == target.read_bytes()
    finally:
        os.close(reading)
    assert pipe.is_fifo()
    assert link.is_symlink()
    written = target.read_bytes()
    files[1].write_bytes(gzip.compress(b"{}\n" * 100_000)[:-9])
    assert plg(*files, "--out", target).exit_code != 0
    assert target.read_bytes() == written
    assert not list(tmp_path.glob("*.part"))


def test_equal_signals_are_equal_files_compressed_too(files: tuple[Path, Path], tmp_path: Path) -> None:
    plain, first, second = tmp_path / "a.jsonl", tmp_path / "a.gz", tmp_path / "b.gz"

    for out in (plain, first, second):
        assert plg(*files, "--out", out).exit_code == 0

    assert first.read_bytes() == second.read_bytes()
    assert gzip.decompress(first.read_bytes()) == plain.read_bytes()
    # The header's own time.
    assert first.read_bytes()[4:8] == bytes(4)


def test_record_of_a_facts_log_that_nobody_of_us_wrote_is_passed_over(files: tuple[Path, Path], tmp_path: Path) -> None:
    facts, out = tmp_path / "facts.jsonl", tmp_path / "out.jsonl"
    foreign = b'{"partition":0,"offset":0,"value":{"x":1}}\n'
    tick = b'{"partition":0,"offset":1,"value":' + encode_record(Tick(day(1))) + b"}\n"

    facts.write_bytes(foreign + tick)
    some = plg(files[0], facts, "--facts", "--out", out)
    facts.write_bytes(foreign)
    none = plg(files[0], facts, "--facts", "--out", out)

    assert "2 records, 1 of them not ours and passed over; 0 signals" in some.stdout
    assert "no record is a fact" in str(none.exception)


def test_report_is_shown_even_where_its_page_cannot_be_written(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "page.html").symlink_to("nowhere/page.html")

    ran = plg(*files, "--html", tmp_path / "page.html")

    assert ran.exit_code != 0
    assert "page.html: No such file" in str(ran.exception)
    assert "signals" in ran.stdout


def test_lines_come_out_of_a_pipe_and_a_broken_file_is_named(tmp_path: Path) -> None:
    lines = [b'{"number":%d}' % number for number in range(30_000)]
    whole = gzip.compress(b"\n".join(lines))
    path = tmp_path / "events.gz"
    path.write_bytes(whole[:5_000] + bytes(100) + whole[5_100:])
    reading, writing = os.pipe()
    os.write(writing, gzip.compress(b"\n".join(lines[:9])))
    os.close(writing)

    with pytest.raises(ReplayFailed, match=r"events\.gz"):
        list(read_lines([path]))
    try:
        assert [*read_lines([Path(f"/dev/fd/{reading}")])] == lines[:9]
    finally:
        os.close(reading)
