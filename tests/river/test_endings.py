"""Whatever is stuck, a worker ends in time after SIGTERM, ends itself when it no longer moves, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signals.moments import iso
from streams.endings import EXIT_FAILED
from tests.kafka_jars import KafkaJarsError, kafka_from_jars
from tests.river.harness import River, river
from tests.river.process import Process, wait_for
from tests.servers import KafkaServer

_STUCK = Path(__file__).with_name("stuck_worker.py")
# Short ones, so that the tests are; the defaults are 35 s and 120 s.
STOP_S = 4.0
PROGRESS_S = 3.0
# From the limit to the end of the process, on a slow machine too.
MARGIN_S = 4.0


class StuckProcess(Process):
    """A worker with something in it that never ends."""

    def __init__(self, made: River, what: str, **more: str) -> None:
        environment = made.environment | more
        self.log_path = made.folder / f"stuck-{what}.log"
        self._log = self.log_path.open("wb")
        self.popen = subprocess.Popen(
            [sys.executable, str(_STUCK), what, "worker"],
            env=environment | {"PYTHONPATH": str(_STUCK.parent.parent.parent)},
            cwd=made.folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        made.processes.append(self)


def ends_within(process: Process, limit_s: float) -> tuple[int, float]:
    """Send SIGTERM; the exit code, and the seconds it took."""
    started = time.monotonic()
    code = process.terminate(limit_s)
    return code, time.monotonic() - started


def send(made: River, name: str = "few", count: int = 5) -> None:
    """A few workspaces, each of which asks for a contract: so many alerts."""
    path = made.folder / f"{name}.jsonl"
    lines = [
        {
            "messageId": f"{name}-{number}",
            "type": "track",
            "event": "MSA Requested",
            "userId": f"{name}-{number}",
            "context": {"groupId": f"w-{name}-{number}"},
            "timestamp": iso(1_760_000_000_000 + number),
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = made.plg("replay", "--no-wait", str(path))
    assert ran.returncode == 0, ran.stderr


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("what", "clock", "said"),
    [
        ("step", "events", "stop.timeout"),
        ("agent", "events", "stop.timeout"),
        ("ticker", "wall", "stop.timeout"),
        ("start", "events", ""),
    ],
)
def test_sigterm_ends_a_worker_in_time_whatever_is_stuck_in_it(  # fixtures and the case
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None], what: str, clock: str, said: str
) -> None:
    with river(tmp_path, kafka.address, prefix, clock=clock) as made:
        made.extra["PLG_STOP_TIMEOUT_S"] = str(STOP_S)
        if what in {"step", "agent"}:
            send(made)
        worker = StuckProcess(made, what)
        worker.wait_for_log("stuck")

        code, took_s = ends_within(worker, STOP_S + MARGIN_S)

        report(f"stuck in the {what}: ended {took_s:.1f} s after SIGTERM with {code}, limit {STOP_S:g} s")
        # Before it has joined anything there is nothing to end in order.
        assert code == (EXIT_FAILED if said else -signal.SIGTERM)
        assert said in worker.log
        if what in {"step", "agent"}:
            after = made.worker()
            made.wait_until_settled()
            assert len({alert["id"] for alert in made.read_json(made.topics.alerts)}) == 5
            assert after.terminate() == 0


@pytest.mark.timeout(90)
@pytest.mark.parametrize("what", ["step", "agent"])
def test_a_worker_that_no_longer_moves_ends_itself_and_the_next_one_goes_on(
    tmp_path: Path, kafka: KafkaServer, prefix: str, what: str
) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        send(made)
        # Much more than an agent takes in advance: some of it stays on the broker, which is what lag is.
        send(made, "more", 25_000)
        worker = StuckProcess(made, what, PLG_PROGRESS_TIMEOUT_S=str(PROGRESS_S))
        worker.wait_for_log("stuck")

        code = worker.popen.wait(40)

        assert code == EXIT_FAILED
        assert "worker.stuck" in worker.log


class Broker:
    """A broker of our own that may be frozen."""

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self._pid = pid

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Frozen while inside."""
        os.kill(self._pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._pid, signal.SIGCONT)


@contextlib.contextmanager
def _own_kafka() -> Iterator[Broker]:
    before = _children()
    try:
        with kafka_from_jars() as address:
            [pid] = _children() - before
            yield Broker(address, pid)
    except KafkaJarsError as error:
        pytest.skip(str(error))


def _children() -> set[int]:
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "java"], capture_output=True, text=True, check=False)
    return {int(pid) for pid in found.stdout.split()}


@pytest.mark.apache_kafka
@pytest.mark.timeout(120)
def test_sigterm_ends_a_worker_in_time_whose_broker_has_frozen(
    tmp_path: Path, prefix: str, report: Callable[[str], None]
) -> None:
    with _own_kafka() as broker, river(tmp_path, broker.address, prefix) as made:
        made.extra |= {"PLG_STOP_TIMEOUT_S": str(STOP_S), "PLG_DRAIN_TIMEOUT_S": "60"}
        worker = made.worker()
        send(made)
        made.wait_until_settled()
        with broker.frozen():
            code, took_s = ends_within(worker, STOP_S + MARGIN_S)

        report(f"broker frozen: ended {took_s:.1f} s after SIGTERM with {code}, limit {STOP_S:g} s")
        assert took_s < STOP_S + MARGIN_S
        after = made.worker()
        send(made, "later")
        made.wait_until_settled()
        assert len({alert["id"] for alert in made.read_json(made.topics.alerts)}) == 10
        assert after.terminate() == 0


@pytest.mark.apache_kafka
@pytest.mark.timeout(120)
def test_a_send_that_is_not_acknowledged_ends_the_worker(tmp_path: Path, prefix: str) -> None:
    with _own_kafka() as broker, river(tmp_path, broker.address, prefix) as made:
        made.extra |= {"PLG_SEND_TIMEOUT_S": "2", "PLG_SESSION_TIMEOUT_S": "60", "PLG_CHECKPOINT_S": "0.1"}
        worker = made.worker()
        send(made)
        made.wait_until_settled()
        replay = made.start("replay", "--rate", "300", "--no-wait", str(_long(made)))
        wait_for(lambda: sum(made.committed(made.config.source.topics[0]).values()) > 100, 30, lambda: replay.log)
        with broker.frozen():
            code = worker.popen.wait(20)

        assert code == EXIT_FAILED
        assert "a send is not acknowledged" in worker.log


def _long(made: River) -> Path:
    path = made.folder / "long.jsonl"
    with path.open("w") as file:
        for number in range(10_000):
            line = {
                "messageId": f"long-{number}",
                "type": "track",
                "event": "Dashboard Viewed",
                "userId": f"u{number % 50}",
                "timestamp": iso(1_760_000_000_000 + number * 1_000),
            }
            file.write(json.dumps(line) + "\n")
    return path
