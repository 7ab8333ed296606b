"""`plg backtest`: a config tried on what has happened, held against another one, or over many values."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.common import (
    ConfigArgument,
    HtmlOption,
    bytes_progress,
    console,
    errors,
    progress,
    require_writable,
    show_report,
)
from streams.settings import read_settings

if TYPE_CHECKING:
    from signals.config import Config
    from streams.backtest_input import Records, Tell
    from streams.backtest_report import BacktestReport
    from streams.backtest_seed import Seed
    from streams.backtesting import Plan

_DEFAULT_HORIZON = "30d"
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def backtest(  # noqa: PLR0913  # options of a command
    config: ConfigArgument,
    files: Annotated[
        list[Path] | None, typer.Argument(help="JSON lines, plain or gzip, in the order they happened.")
    ] = None,
    *,
    from_topic: Annotated[
        bool, typer.Option("--from-topic", help="Read what the product's topics (`source` in CONFIG) still hold.")
    ] = False,
    since: Annotated[
        str, typer.Option(help="With --from-topic: only records that the bus took at or after this time.")
    ] = "",
    until: Annotated[
        str,
        typer.Option(
            help="Let time pass up to here at the end; the newest event without it. "
            "With --from-topic, later records are not read."
        ),
    ] = "",
    imported: Annotated[
        Path | None,
        typer.Option(
            "--import",
            metavar="FILE",
            help="What `plg import` told, or would have told: applied before the first event, as it would be live.",
        ),
    ] = None,
    import_at: Annotated[
        str,
        typer.Option(
            help="The moment of which that file speaks, as --at of `plg import`; without it, when it was written last.",
            show_default=False,
        ),
    ] = "",
    against: Annotated[
        Path | None, typer.Option("--against", help="A config file: list what appears, vanishes and moves from it.")
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option("--sweep", help="KEY=3..10, KEY=3,5,8, KEY=0.5..1..0.1 or KEY=3d,7d; several make a grid."),
    ] = None,
    about: Annotated[
        str,
        typer.Option(help="The signal whose alerts a sweep shows, or `all`; that of the swept key without it."),
    ] = "",
    horizon: Annotated[
        str, typer.Option(help="How long after an alert a conversion counts as its success.")
    ] = _DEFAULT_HORIZON,
    count_from: Annotated[
        str, typer.Option(help="Leave out alerts before this time: until then states only fill.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write one signal a line, with its verdict; .gz compresses it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All numbers as JSON, days and changes among them.")] = False,
    html: HtmlOption = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2,
            help="1 leaves a core to others; 2 is faster. Without it, 2 where there are two cores and enough to read.",
            show_default=False,
        ),
    ] = None,
    facts: Annotated[
        bool,
        typer.Option("--facts", help="The files are recordings of <prefix>.workspace-facts (`plg topics record`)."),
    ] = False,
    configs: Annotated[
        Path | None,
        typer.Option(
            "--configs", help="With --facts: a recording of <prefix>.config, to go by what was in force at each place."
        ),
    ] = None,
) -> None:
    """
    Try a config on what has happened: the same steps, rules and policy over files or topics, without touching a worker.

    Shown are alerts by signal, route and day; and whether they were right: of the workspaces told of, how many
    converted later in the same history (precision), how many of those that converted had been told of (recall), how
    that compares with the others (lift), and how long before (lead). Small numbers mislead, so each share has its n
    and an interval. The ids are the ones that a live worker gives to the same events.

    --against OLD.yaml lists by name which alerts would appear, vanish or move if CONFIG took the place of OLD.yaml.
    --sweep shows a row for each value of a threshold, all in one pass. docs/backtest.md explains every number.
    --import FILE starts every config from what `plg import FILE` tells, so that old teams do not look new: take an
    export from before the history.

    Examples:
      plg backtest plg.yaml events.jsonl.gz --out signals.jsonl
      plg backtest plg.yaml events.jsonl.gz --sweep signals.multi_user.active_users=3..10
      plg backtest plg.yaml events.jsonl.gz --import accounts.csv --import-at 2026-01-01
      plg backtest new.yaml --against plg.yaml --from-topic --since 2026-01-01 --html report.html
    """
    from streams.backtest_html import report_html
    from streams.backtest_text import report_text

    files = files or []
    _require_sensible(locals())
    for option, path in (("--out", out), ("--html", html)):
        require_writable(
            option, path, [config, *files, *(one for one in (against, configs, imported) if one is not None)]
        )
    if facts and out is not None:
        _backtest_facts(config, files, out, configs)
        return
    plan = _plan(config, against, sweep or [], about, horizon, until, count_from)
    seed = None if imported is None else _seed(imported, plan.config, import_at)
    report = _run(plan, files, out, since, seed, processes)
    show_report(report, lambda: report_text(report, out), lambda: report_html(report), html, as_json=as_json)


def _require_sensible(given: dict[str, Any]) -> None:
    """Refuse options that do not go together; `given` has them by the names of the command's arguments."""
    from streams.backtesting import BacktestFailed

    if given["facts"]:
        said = [name for name, value in _beside_facts(given).items() if value]
        if said:
            raise BacktestFailed(
                f"--facts goes with files and --out, not with {', '.join(said)}: a facts log holds its own ticks"
            )
        if given["out"] is None or not given["files"]:
            raise BacktestFailed("--facts needs files and --out")
        return
    if given["configs"] is not None:
        raise BacktestFailed("--configs goes with --facts: events name no config")
    if given["from_topic"] == bool(given["files"]):
        raise BacktestFailed("say what to read: event files, or --from-topic")
    if given["since"] and not given["from_topic"]:
        raise BacktestFailed("--since goes with --from-topic; of a file all is read, and --count-from says what counts")
    if given["against"] is not None and given["sweep"]:
        raise BacktestFailed("--against and --sweep: say one of them")
    if given["import_at"] and given["imported"] is None:
        raise BacktestFailed("--import-at goes with --import")
    if given["out"] is not None and given["html"] is not None and given["out"].absolute() == given["html"].absolute():
        raise BacktestFailed("--out and --html: name two files")


def _beside_facts(given: dict[str, object]) -> dict[str, object]:
    return {
        "--until": given["until"],
        "--since": given["since"],
        "--from-topic": given["from_topic"],
        "--import": given["imported"],
        "--import-at": given["import_at"],
        "--against": given["against"],
        "--sweep": given["sweep"],
        "--about": given["about"],
        "--count-from": given["count_from"],
        "--horizon": given["horizon"] != _DEFAULT_HORIZON,
        "--processes": given["processes"] is not None,
        "--json": given["as_json"],
        "--html": given["html"],
    }


def _backtest_facts(config: Path, files: list[Path], out: Path, configs: Path | None) -> None:
    from streams.backtest_facts import backtest_facts
    from streams.config_source import load_config

    with bytes_progress(files) as advance:
        found = backtest_facts(load_config(config), files, out, on_bytes=advance, configs=configs)
    foreign = f", {found.foreign:,} of them not ours and passed over" if found.foreign else ""
    total = f"{found.records:,} records{foreign}; {found.signals.total():,} signals in {out}"
    console.print(total, soft_wrap=True, markup=False)
    for (signal, verdict), count in sorted(found.signals.items()):
        console.print(f"  {signal}, {verdict}: {count:,}")


def _plan(
    path: Path, against: Path | None, sweep: list[str], about: str, horizon: str, until: str, count_from: str
) -> Plan:
    from signals.units import parse_duration
    from streams.backtest_variants import read_sweep, variants
    from streams.backtesting import BacktestFailed, Plan, read_moment
    from streams.config_source import load_config, read_config

    file = read_config(path)
    try:
        span = parse_duration(horizon)
    except ValueError as error:
        raise BacktestFailed(f"--horizon: {error}") from None
    if not span:
        raise BacktestFailed("--horizon: must be longer than 0s, since an alert comes before its conversion")
    sweeps = [read_sweep(text) for text in sweep]
    tried, left_out = variants(file, sweeps) if sweeps else ([], [])
    return Plan(
        file.config,
        old=None if against is None else load_config(against),
        sweeps=sweeps,
        variants=tried,
        left_out=left_out,
        about=_about(about, file.config, [each.signal for each in sweeps]),
        horizon=span,
        until=read_moment("--until", until, file.config),
        counted_from=read_moment("--count-from", count_from, file.config),
    )


def _about(said: str, config: Config, swept: list[str | None]) -> str | None:
    from signals.thresholds import check_signal
    from streams.backtesting import BacktestFailed

    if said == "all":
        return None
    if said:
        try:
            check_signal(said, config.custom)
        except ValueError as error:
            raise BacktestFailed(f"--about: {error}") from None
        return said
    return swept[0] if len(set(swept)) == 1 else None


def _seed(file: Path, config: Config, at: str) -> Seed:
    from streams.backtest_seed import Seed

    with bytes_progress([file]) as advance:
        seed = Seed(file, config, at, advance)
    for warning in seed.rows.warnings():
        errors.print(f"warning: {warning}", soft_wrap=True, markup=False)
    return seed


def _run(
    plan: Plan, files: list[Path], out: Path | None, since: str, seed: Seed | None, processes: int | None
) -> BacktestReport:
    from streams.backtest_input import file_records, processes_for, topic_records
    from streams.backtest_seed import in_bytes
    from streams.backtesting import BacktestFailed, backtest, read_moment

    # A backtest holds millions of objects that live to its end: as in a worker (streams/worker.py), whose imports are
    # not needed here. What a second process has in common with this one stays so.
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    count = processes_for(files) if processes is None else processes
    if files:

        def read_files(tell: Tell) -> Records:
            if seed is not None:
                seed.on_record = in_bytes(seed.path, tell)
            return file_records(files, tell)

        every = [*files, *([seed.path] if seed is not None else [])]
        return backtest(plan, read_files, out, seed, processes=count, shown=lambda: bytes_progress(every))
    begin = read_moment("--since", since, plan.config)
    if begin is not None and plan.until is not None and begin > plan.until:
        raise BacktestFailed("--since is after --until: nothing is between them")
    settings = read_settings()

    def read_topics(tell: Tell) -> Records:
        if seed is not None:
            seed.on_record = tell
        return topic_records(plan.config, settings, since=begin, until=plan.until, on_record=tell)

    return backtest(plan, read_topics, out, seed, processes=count, shown=lambda: progress("reading"))
