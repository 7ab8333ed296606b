"""What a process opens to the network: its health server and nothing else, Faust's own web server least of all."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.river.harness import river
from tests.servers import KafkaServer, RedisServer

PROC = Path("/proc/self/net/tcp")
# As the kernel writes it.
LISTEN = "0A"


def listening(pid: int) -> set[int]:
    """The TCP ports on which a process listens."""
    links = [path.readlink().as_posix() for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    rows = [
        row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN and row[9] in inodes}


@pytest.mark.skipif(not PROC.exists(), reason="needs Linux's /proc")
def test_a_socket_that_listens_is_seen() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert server.getsockname()[1] in listening(os.getpid())


@pytest.mark.timeout(90)
@pytest.mark.skipif(not PROC.exists(), reason="needs Linux's /proc")
def test_a_process_opens_its_health_port_and_no_other(
    tmp_path: Path, kafka: KafkaServer, redis_server: RedisServer, prefix: str
) -> None:
    few = "topics: {partitions: 2}\n"
    with river(tmp_path, kafka.address, prefix, redis_url=redis_server.url, overrides=few) as made:
        made.extra["PLG_HEALTH"] = "127.0.0.1:0"
        processes = [made.worker(), made.redis_sink()]
        processes[0].wait_for_log("worker.started")
        processes[1].wait_for_log("sink.started")

        opened = [listening(process.popen.pid) for process in processes]

        ports = [int(process.health_address().rpartition(":")[2]) for process in processes]
        assert opened == [{port} for port in ports]
        assert not {6066} & set().union(*opened)
