"""A second process of this program: forked from it, it sends messages, and neither outlives the other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from signals.errors import PlgError

_PR_SET_PDEATHSIG = 1
# As much as a pipe may hold without special rights: with the usual 64 kB both sides wait for each other more often.
_PIPE_BYTES = 1 << 20


class ChildDied(PlgError):
    """The second process has ended before it was done, by a signal or an exit of its own, or could not begin."""


class Child:
    """
    The other process, as the one that started it sees it.

    Args:
        name: What it does, for the text of an error.
        pid: Its process id.
        connection: What it writes to.
    """

    def __init__(self, name: str, pid: int, connection: Connection) -> None:
        self.pid = pid
        self._name = name
        self._connection = connection
        self._status: int | None = None

    def receive(self) -> bytes:
        """
        Its next message, once there is one.

        Raises:
            ChildDied: It ended without another one.
        """
        try:
            return self._connection.recv_bytes()
        except EOFError:
            raise ChildDied(self._how_it_ended()) from None

    def end(self) -> None:
        """Let it be gone, whatever it is at."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._wait()

    def _wait(self) -> int:
        if self._status is None:
            self._status = os.waitpid(self.pid, 0)[1]
        return os.waitstatus_to_exitcode(self._status)

    def _how_it_ended(self) -> str:
        code = self._wait()
        how = f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            # Mostly the kernel, out of memory.
            how += ", as a process is when memory runs out"
        return f"the process that {self._name} {how}"


@contextmanager
def forked(name: str, work: Callable[[Connection], None]) -> Iterator[Child]:
    """
    Have a second process do some work; at the end of the block it is gone.

    It is a fork of this one, so it knows all that this one knows at that moment. Start it before there are threads, and
    before anybody has spoken to a broker: neither is there after a fork. Ctrl-C reaches only this process.

    Args:
        name: What it does, such as "reads the events".
        work: Is given what to write to. What it raises is a mistake of ours, seen on standard error.

    Raises:
        ChildDied: There can be no more processes.
    """
    reading, writing = Pipe(duplex=False)
    _widen(writing)
    # Found before the fork: the less is done after it, the better.
    bind_to_parent = die_with_parent()
    child = None
    try:
        # Between the fork and its first lines a Ctrl-C would be one for the child, too.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            child = Child(name, _fork(lambda: _run(work, reading, writing, bind_to_parent)), reading)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        writing.close()
        yield child
    finally:
        reading.close()
        writing.close()
        if child is not None:
            child.end()


def _run(
    work: Callable[[Connection], None],
    reading: Connection,
    writing: Connection,
    bind_to_parent: Callable[[], None] | None,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if bind_to_parent is not None:
        bind_to_parent()
    reading.close()
    # Nobody reads any more: the other one is gone, or will end us at once.
    with contextlib.suppress(BrokenPipeError):
        work(writing)


def _fork(run: Callable[[], None]) -> int:
    """
    Have a child run something to its end, past everything that this process would do on its way out.

    Returns:
        Its process id; in the child it does not return.
    """
    try:
        pid = os.fork()
    except OSError as error:
        raise ChildDied(f"no second process can be started: {error.strerror}; --processes 1 needs none") from error
    if pid:
        return pid
    code = 1
    try:
        run()
        code = 0
    except BaseException:  # noqa: BLE001  # nothing may get back into the other one's program
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)


def _widen(connection: Connection) -> None:
    if sys.platform == "linux":
        import fcntl

        # A machine may allow less.
        with contextlib.suppress(OSError):
            fcntl.fcntl(connection.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def die_with_parent() -> Callable[[], None] | None:
    """
    What a child runs, before its program, so that the kernel ends it with the thread that started it.

    Only Linux has such a thing; None elsewhere.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the call: then nobody will tell us any more.
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
