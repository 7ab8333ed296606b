"""A backtest in two processes finds, says and writes what it does in one, to the byte; neither outlives the other."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from confluent_kafka import KafkaException

from signals.config import Config
from signals.event import Source
from signals.lanes import Lane
from signals.moments import iso
from signals.one_pass import OnePass
from signals.outcomes import Findings
from signals.passing import Passed
from simulator import Scenario, simulate
from streams.backtest_input import Records, Tell, file_records, processes_for
from streams.backtest_pass import ReadingBroke, fold
from streams.backtest_seed import Seed, in_bytes
from streams.backtesting import Plan, backtest
from streams.config_source import check_text
from streams.forking import Child, ChildDied, forked
from streams.import_file import ImportRefused
from streams.reach import BrokerUnavailable
from streams.replaying import ReplayFailed
from tests.signals.builders import day, track
from tests.streams.fuzzing import encoded, good, mutants
from tests.streams.test_backtest_seed import AT, written
from tests.streams.test_backtesting import SWEEP, TEXT, planned, simulated

OF_USERS = "signals: {power_user: {active_days: 2, core_names: 2}}\n"
OF_READING = "time_zone: Asia/Tokyo\n"


def told_and_found(
    plan: Plan, files: list[Path], folder: Path, processes: int, imported: str | None = None
) -> tuple[bytes, bytes, list[tuple[int, ...]]]:
    """The report but for its times, the signals written, and what a bar is told."""
    told: list[tuple[int, ...]] = []
    out = folder / f"out-{processes}.jsonl"
    seed = None if imported is None else Seed(written(folder, imported), plan.config, AT)

    def read(tell: Tell) -> Records:
        if seed is not None:
            seed.on_record = in_bytes(seed.path, tell)
        return file_records(files, tell)

    @contextmanager
    def shown() -> Iterator[Tell]:
        yield lambda *numbers: told.append(numbers)

    report = backtest(plan, read, out, seed, processes=processes, shown=shown)
    report.seconds = report.cpu_seconds = 0
    return msgspec.json.encode(report), out.read_bytes(), told


def lines_of(kind: str) -> list[bytes]:
    """Simulated events, and what a product may do to them."""
    lines = list(simulated())
    r = random.Random(kind)
    if kind == "broken":
        for mutant in mutants(3, 120):
            lines.insert(r.randrange(len(lines)), (mutant.value or b"").replace(b"\n", b" ").replace(b"\r", b" "))
    elif kind == "copies":
        for _ in range(300):
            lines.insert(r.randrange(len(lines)), r.choice(lines))
    elif kind == "undated":
        for place in r.sample(range(len(lines)), 200):
            event = json.loads(lines[place])
            lines[place] = json.dumps(
                {key: value for key, value in event.items() if "imestamp" not in key and key != "receivedAt"}
            ).encode()
    elif kind == "out of order":
        for _ in range(500):
            lines.insert(r.randrange(len(lines)), lines.pop(r.randrange(len(lines))))
    return lines


@pytest.mark.parametrize("kind", ["as they are", "broken", "copies", "undated", "out of order"])
def test_both_ways_are_the_same_whatever_the_records_are_like(tmp_path: Path, kind: str) -> None:
    half = len(lines := lines_of(kind)) // 2
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_bytes(b"\n".join(lines[:half]) + b"\n\n  \n")
    packed.write_bytes(gzip.compress(b"\r\n".join(lines[half:])))

    in_one, in_two = (told_and_found(planned(), [plain, packed], tmp_path, processes) for processes in (1, 2))

    assert in_two == in_one
    assert len(in_one[1].splitlines()) > 100
    assert sum(numbers[0] for numbers in in_one[2]) == plain.stat().st_size + packed.stat().st_size


@pytest.mark.parametrize(
    ("sweeps", "against"),
    [
        ([SWEEP], None),
        (["signals.power_user.active_days=3..5", "alerts.max_per_workspace=1,3"], None),
        (["time_zone=UTC,Asia/Tokyo", SWEEP], None),
        ([], OF_USERS),
        ([], OF_READING),
        ([], "alerts: {show_email: true}\n"),
    ],
    ids=str,
)
@pytest.mark.parametrize("imported", [False, True])
def test_both_ways_are_the_same_for_several_configs(
    tmp_path: Path, sweeps: list[str], against: str | None, *, imported: bool
) -> None:
    file, plan = tmp_path / "events.jsonl", planned(*sweeps, against=against)
    file.write_bytes(b"\n".join(simulated()))
    groups = sorted({json.loads(line)["context"].get("groupId", "w") for line in simulated()})
    rows = "workspace,plan,seats,activated_at,user,email\n" + "".join(
        f"{group},free,{number},2026-02-01,u{number},u{number}@intel.com\n" for number, group in enumerate(groups)
    )

    in_one, in_two = (
        told_and_found(plan, [file], tmp_path, processes, rows if imported else None) for processes in (1, 2)
    )

    assert in_two == in_one
    assert len(in_one[1].splitlines()) > 100


def story(seed: int) -> list[bytes]:
    """Good records and bad ones of few users and workspaces, times and copies all over."""
    r = random.Random(seed)
    lines = [encoded(good(r) | {"timestamp": iso(day(r.randrange(1, 60), r.randrange(24)))}) for _ in range(300)]
    lines += [(mutant.value or b"") for mutant in mutants(seed, 60)]
    lines += r.sample(lines, 40)
    r.shuffle(lines)
    return lines


def folded(lines: list[bytes], processes: int) -> Any:
    """All that a pass over them leaves behind: three configs that read, and ask of users, differently."""
    configs = [check_text(TEXT + more, "plg.yaml").config for more in ("", OF_USERS, OF_READING)]
    everything = [Findings(keeps_signals=True) for _ in configs]
    lanes = [Lane(config, None, findings.take) for config, findings in zip(configs, everything, strict=True)]
    for lane, findings in zip(lanes, everything, strict=True):
        findings.is_paying = lane.is_paying
    records = [(line, Source("file", 0, number), None) for number, line in enumerate(lines)]
    done = fold(lanes, lambda _tell: records, processes=processes)
    states = [sorted((key, msgspec.json.encode(state)) for key, state in lane.workspaces()) for lane in lanes]
    found = [vars(one) | {"is_paying": None} for one in everything]
    return msgspec.structs.replace(done, seconds=0.0, cpu_s=0.0), found, states


@pytest.mark.parametrize("seed", range(4))
def test_every_state_and_every_finding_is_the_same(seed: int) -> None:
    lines = story(seed)

    in_one, in_two = folded(lines, 1), folded(lines, 2)

    assert in_two == in_one
    assert in_one[0].dead_letters
    assert len(in_one[2][0]) > 50


def test_both_ways_are_the_same_of_records_with_times_of_their_own() -> None:
    def read(_tell: Tell) -> Records:
        for number, event in enumerate(simulate(Scenario(seed=3, days=20, workspaces=8, large=0))):
            del event["timestamp"], event["receivedAt"]
            value = None if number % 50 == 0 else msgspec.json.encode(event)
            yield value, Source("events", number % 4, number), day(1) + number * 60_000

    reports = [backtest(planned(), read, processes=processes) for processes in (1, 2)]

    for report in reports:
        report.seconds = report.cpu_seconds = 0
    assert reports[1] == reports[0]
    assert reports[0].dead_letters["null_value"] == 10
    assert reports[0].run.fired > 50


def test_without_a_record_there_is_the_same_report() -> None:
    reports = [backtest(planned(until=day(5)), lambda _tell: (), processes=processes) for processes in (1, 2)]

    for report in reports:
        report.seconds = report.cpu_seconds = 0
    assert reports[1] == reports[0]


def test_what_users_tell_is_the_same_as_bytes() -> None:
    passed: list[Passed] = []
    run = OnePass([Lane(Config())], pass_on=passed.append)
    for number, line in enumerate(simulated()):
        run.feed(line, Source("file", 0, number))
    run.finish()

    assert len(passed) > 5
    for one in passed:
        read = msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Passed)
        assert [list(read.facts), list(read.told)] == [list(one.facts), list(one.told)]
        assert [*read.positions, *read.moments] == [*one.positions, *one.moments]


# -- what goes wrong


def failing(error: Exception) -> Any:
    def read(_tell: Tell) -> Records:
        for number, line in enumerate(simulated()[:1_000]):
            yield line, Source("file", 0, number), None
        raise error

    return read


@pytest.mark.parametrize(
    "error",
    [
        ReplayFailed("events.gz: CRC check failed"),
        BrokerUnavailable("no Kafka broker answers at nowhere:1"),
        KafkaException("Local: Timed out"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_the_reading_is_raised_here(tmp_path: Path, error: Exception, processes: int) -> None:
    with pytest.raises(type(error)) as raised:
        backtest(planned(), failing(error), tmp_path / "out.jsonl", processes=processes)

    assert str(raised.value) == str(error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_an_import_that_another_config_refuses_is_refused(tmp_path: Path, processes: int) -> None:
    file = written(tmp_path, "workspace,activated_at\nacme,2026-03-01\n")
    old = Config.model_validate({"time_zone": "America/New_York"})

    with pytest.raises(ImportRefused, match="activated_at: 2026-03-01T05:00:00"):
        backtest(
            Plan(Config(), old=old),
            failing(AssertionError()),
            seed=Seed(file, Config(), "2026-03-01T00:00:00Z"),
            processes=processes,
        )


def test_a_mistake_of_ours_is_seen_with_its_traceback() -> None:
    with pytest.raises(ReadingBroke, match=r"(?s)Traceback.*in read\n.*ZeroDivisionError: of ours"):
        backtest(planned(), failing(ZeroDivisionError("of ours")), processes=2)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was ended by SIGKILL, as a process is when memory runs out"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "was ended by SIGTERM"),
        (lambda: os._exit(3), "ended with code 3"),
    ],
    ids=["SIGKILL", "SIGTERM", "exit"],
)
def test_the_end_of_the_second_process_is_said(tmp_path: Path, end: Any, says: str) -> None:
    def read(_tell: Tell) -> Records:
        for number, line in enumerate(simulated()):
            if number == 1_000:
                end()
            yield line, Source("file", 0, number), None

    with pytest.raises(ChildDied, match=f"the process that reads the events {says}"):
        backtest(planned(), read, tmp_path / "out.jsonl", processes=2)

    assert list(tmp_path.iterdir()) == []


def test_where_there_can_be_no_second_process_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> NoReturn:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)

    with pytest.raises(ChildDied, match="can be started: Resource temporarily unavailable; --processes 1 needs none"):
        backtest(planned(), lambda _tell: (), processes=2)


def test_the_second_process_is_gone_when_this_one_fails() -> None:
    def send_for_ever(pipe: Any) -> NoReturn:
        while True:
            pipe.send_bytes(bytes(100_000))

    def fail() -> None:
        with forked("tells", send_for_ever) as child:
            gone.append(child)
            assert child.receive() == bytes(100_000)
            raise ZeroDivisionError

    gone: list[Child] = []
    with pytest.raises(ZeroDivisionError):
        fail()

    with pytest.raises(ProcessLookupError):
        os.kill(gone[0].pid, 0)


def test_the_second_process_waits_until_somebody_reads() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def send_and_count(pipe: Any) -> None:
        for _ in range(1_000):
            pipe.send_bytes(bytes(100_000))
            os.write(writing, b".")

    with forked("tells", send_and_count) as child:
        for _ in range(200):
            child.receive()
        sent = len(os.read(reading, 10_000))

    os.close(reading)
    os.close(writing)
    # What a pipe holds, and what it was at.
    assert sent <= 200 + (1 << 20) // 100_000 + 2


def test_records_of_the_second_process_do_not_touch_what_is_open_here(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w") as out:
        out.write("once")
        with forked("ends", lambda pipe: pipe.send_bytes(b"x")) as child:
            child.receive()
            with pytest.raises(ChildDied, match="that ends ended with code 0"):
                child.receive()

    assert path.read_text() == "once"


# -- the command


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    config, events = tmp_path / "plg.yaml", tmp_path / "events.jsonl"
    config.write_text(TEXT)
    events.write_bytes(b"\n".join(simulated()))
    return str(config), str(events)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "streams.cli", "backtest", *arguments]


def ran(folder: Path, *arguments: str, given: bytes | None = None) -> tuple[int, str, str]:
    done = subprocess.run(command(*arguments), cwd=folder, input=given, capture_output=True, timeout=100, check=False)
    shown = "\n".join(line for line in done.stdout.decode().splitlines() if "seconds" not in line)
    return done.returncode, shown, done.stderr.decode()


def both(folder: Path, *arguments: str, given: bytes | None = None) -> list[tuple[int, str, str]]:
    return [ran(folder, *arguments, "--processes", processes, given=given) for processes in ("1", "2")]


def test_the_command_says_the_same_in_both_ways(files: tuple[str, str], tmp_path: Path) -> None:
    config, events = files
    packed = gzip.compress(Path(events).read_bytes())
    (tmp_path / "whole.gz").write_bytes(packed)
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])

    in_one, in_two = both(tmp_path, config, "whole.gz", "--json", "--against", config)
    assert in_one == in_two
    assert in_one[0] == 0

    in_one, in_two = both(tmp_path, config, "/dev/stdin", "--json", given=packed)
    assert in_one == in_two
    assert json.loads(in_one[1])["run"]["fired"] > 100

    in_one, in_two = both(tmp_path, config, "cut.gz", "--out", "out.jsonl")
    assert in_one == in_two
    assert in_one[0] == 2
    assert in_one[2] == "plg: cut.gz: Compressed file ended before the end-of-stream marker was reached\n"
    assert not list(tmp_path.glob("out*"))


@contextmanager
def started(config: str, fifo: Path, processes: int = 2) -> Iterator[subprocess.Popen[bytes]]:
    """A backtest that has read some of a pipe and waits for more."""
    os.mkfifo(fifo)
    process = subprocess.Popen(
        command(config, str(fifo), "--processes", str(processes), "--out", str(fifo.with_name("out.jsonl"))),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    # Waits until somebody opens it to read: the second process, if there are two.
    with fifo.open("wb", buffering=0) as pipe:
        pipe.write(track("ann", "Report Shared", day(1), "acme") + b"\n")
        yield process


@pytest.mark.parametrize("whom", ["all", "this"])
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_ends_all_and_leaves_no_half_file(
    files: tuple[str, str], tmp_path: Path, processes: int, whom: str
) -> None:
    with started(files[0], tmp_path / "fifo", processes) as process:
        if whom == "all":
            # As a terminal does.
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        # Both hold standard output: it ends when both are gone.
        said, errors = process.communicate(timeout=60)

    # Where a module was just being imported, Python ends itself by the signal instead: 130 to a shell, too.
    assert process.returncode in {130, -signal.SIGINT}
    assert (said, errors) == (b"", b"")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_second_process_does_not_outlive_the_first(files: tuple[str, str], tmp_path: Path, how: int) -> None:
    with started(files[0], tmp_path / "fifo") as process:
        process.send_signal(how)

        assert process.communicate(timeout=60) == (b"", b"")

    assert process.returncode == -how


@pytest.mark.parametrize(
    ("cores", "sizes", "expected"),
    [
        ({0, 1}, [1 << 20], 2),
        ({0, 1}, [1 << 17, 1 << 17], 2),
        ({0, 1}, [1 << 17], 1),
        ({0}, [1 << 20], 1),
        ({0, 1}, [], 2),
        ({0}, [], 1),
    ],
)
def test_two_processes_where_there_are_cores_and_enough_to_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cores: set[int], sizes: list[int], expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: cores)
    files = []
    for number, size in enumerate(sizes):
        files.append(tmp_path / str(number))
        files[-1].write_bytes(bytes(size))

    assert processes_for(files) == expected


def test_of_a_pipe_nobody_knows_how_much_it_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    os.mkfifo(tmp_path / "fifo")

    assert processes_for([tmp_path / "fifo"]) == 2
    assert processes_for([tmp_path / "gone"]) == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processes_for([tmp_path / "fifo"]) == 1


def test_both_processes_are_in_the_time_of_the_report() -> None:
    def read(_tell: Tell) -> Records:
        began = time.process_time()
        while time.process_time() - began < 0.1:
            pass
        yield track("ann", "Report Shared", day(1), "acme"), Source("file", 0, 0), None

    done = fold([Lane(Config())], read, processes=2)

    assert done.cpu_s >= 0.1
    assert done.seconds >= 0.1
