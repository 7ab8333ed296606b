"""What can happen to a Redis, each as a context: inside it lasts, at its end it is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import redis

from tests.sinks.projecting import ROUTE
from tests.sinks.redis_proxy import Proxy, Way
from tests.sinks.test_delivery import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.servers import RedisServer

# The suite does not wait a minute; a run that is to prove it sets 60.
OUTAGE_S = float(os.environ.get("PLG_TEST_REDIS_OUTAGE_S", "0"))
NOBODY = ("127.0.0.1", 1)


class Patient(NamedTuple):
    """The Redis that suffers, past the proxy through which the sink sees it, and what the sink says of it."""

    server: RedisServer
    proxy: Proxy
    prefix: str
    # What the sink has been told since the fault began, and what it has parked in all.
    complaints: list[str]
    parked: Callable[[], int]

    @property
    def client(self) -> Any:
        return redis.Redis.from_url(self.server.url)

    def wait_for_complaint(self, word: str) -> None:
        try:
            eventually(lambda: any(word in said for said in self.complaints), f"the complaint {word}")
        except AssertionError as error:
            raise AssertionError(f"{error}; instead: {set(self.complaints)}") from error


class Fault(NamedTuple):
    """A name, what makes it, and whether Redis has lost something afterwards that a rebuild must bring back."""

    name: str
    lasting: Callable[[Patient], AbstractContextManager[None]]
    needs_rebuild: bool = False


@contextlib.contextmanager
def stopped(patient: Patient) -> Iterator[None]:
    patient.server.stop()
    since = time.monotonic()
    patient.wait_for_complaint("ConnectionError")
    yield
    # Nothing to wait for but the time itself.
    time.sleep(max(0.0, since + OUTAGE_S - time.monotonic()))
    patient.server.start()


@contextlib.contextmanager
def loading(patient: Patient) -> Iterator[None]:
    # A server that loads answers after each 1,024 writes of its log: there must be many.
    if patient.client.incr("filler") == 1:
        with patient.client.pipeline(transaction=False) as many:
            for _ in range(60_000):
                many.incr("filler")
            many.execute()
    patient.server.stop()

    def hurry() -> None:
        patient.wait_for_complaint("BusyLoading")
        patient.client.config_set("key-load-delay", "0")

    hurrying = threading.Thread(target=hurry)
    hurrying.start()
    # Not in the thread: the server would end with it.
    patient.server.start_slowly(2)
    hurrying.join()
    assert [said for said in patient.complaints if "BusyLoading" in said], patient.complaints
    yield


@contextlib.contextmanager
def restarted_empty(patient: Patient) -> Iterator[None]:
    patient.server.stop()
    shutil.rmtree(patient.server.write_logs)
    patient.server.start()
    yield


@contextlib.contextmanager
def back_without_its_last_writes(patient: Patient) -> Iterator[None]:
    patient.server.stop()
    [log] = patient.server.write_logs.glob("*.incr.aof")
    # Between two scripts, as a replica that was behind has them. Redis keeps the beginning of a script that was torn on
    # disk, and a later restart applies it: that is for `plg rebuild redis --empty`.
    writes, end = log.read_bytes(), b"*1\r\n$4\r\nEXEC\r\n"
    whole = writes.rfind(end, 0, max(0, len(writes) - 40_000))
    os.truncate(log, 0 if whole < 0 else whole + len(end))
    patient.server.start()
    yield


@contextlib.contextmanager
def flushed(patient: Patient) -> Iterator[None]:
    patient.client.flushall()
    yield


@contextlib.contextmanager
def full(patient: Patient) -> Iterator[None]:
    patient.client.config_set("maxmemory-policy", "noeviction")
    patient.client.config_set("maxmemory", "1")
    patient.wait_for_complaint("OutOfMemory")
    yield
    patient.client.config_set("maxmemory", "0")


@contextlib.contextmanager
def read_only(patient: Patient) -> Iterator[None]:
    patient.client.replicaof(*NOBODY)
    patient.wait_for_complaint("ReadOnly")
    yield
    patient.client.replicaof("NO", "ONE")


@contextlib.contextmanager
def without_replicas(patient: Patient) -> Iterator[None]:
    patient.client.config_set("min-replicas-to-write", "1")
    patient.wait_for_complaint("NOREPLICAS")
    yield
    patient.client.config_set("min-replicas-to-write", "0")


@contextlib.contextmanager
def busy(patient: Patient) -> Iterator[None]:
    # A connection of its own from before: a busy server takes few commands.
    killing, looping = patient.client, patient.client
    killing.config_set("lua-time-limit", "20")

    def loop() -> None:
        with contextlib.suppress(redis.exceptions.ResponseError):
            looping.eval("while true do end", 0)

    thread = threading.Thread(target=loop)
    thread.start()
    patient.wait_for_complaint("BUSY")
    yield
    killing.script_kill()
    thread.join()


@contextlib.contextmanager
def wrong_type(patient: Patient) -> Iterator[None]:
    # Put aside and back: what somebody overwrites for good is a case for `plg rebuild redis --empty`.
    key = f"{{{patient.prefix}}}:queue-open:{ROUTE}:w3"
    before = patient.parked()
    with patient.client.pipeline() as both:
        both.rename(key, f"{key}-aside").rpush(key, "someone else's").execute()
    eventually(lambda: patient.parked() > before, "a record that is parked")
    yield
    patient.client.rename(f"{key}-aside", key)


@contextlib.contextmanager
def cut_before_the_answer(patient: Patient) -> Iterator[None]:
    before, patient.proxy.way = patient.proxy.hindered, Way.CUT
    patient.wait_for_complaint("ConnectionError")
    assert patient.proxy.hindered > before
    yield
    patient.proxy.way = Way.OPEN


@contextlib.contextmanager
def hanging(patient: Patient) -> Iterator[None]:
    patient.proxy.way = Way.HANGING
    patient.wait_for_complaint("Timeout")
    yield
    patient.proxy.way = Way.OPEN


@contextlib.contextmanager
def slow(patient: Patient) -> Iterator[None]:
    before, patient.proxy.way = patient.proxy.hindered, Way.SLOW
    eventually(lambda: patient.proxy.hindered >= before + 5, "five slow answers")
    yield
    patient.proxy.way = Way.OPEN


FAULTS = [
    Fault("stopped", stopped),
    Fault("loading", loading),
    Fault("restarted empty", restarted_empty, needs_rebuild=True),
    Fault("back without its last writes", back_without_its_last_writes, needs_rebuild=True),
    Fault("FLUSHALL", flushed, needs_rebuild=True),
    Fault("out of memory", full),
    Fault("read-only replica", read_only),
    Fault("too few replicas", without_replicas),
    Fault("busy with a script", busy),
    Fault("key of a wrong type", wrong_type, needs_rebuild=True),
    Fault("cut before the answer", cut_before_the_answer),
    Fault("hanging", hanging),
    Fault("slow", slow),
]
