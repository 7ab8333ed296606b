"""
The pass of a backtest over its records, in one process or in two.

Of two, the second one reads, decodes and applies the step of users; this one has the lanes, and with them all that is
found, shown and written. What comes of a record is the same, in the same order (docs/adr/0018).
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection

import msgspec
from confluent_kafka import KafkaError, KafkaException

from signals.errors import PlgError
from signals.lanes import Lane
from signals.one_pass import BATCH, OnePass
from signals.passing import Groups, Passed
from streams.backtest_input import Read, Tell
from streams.backtest_seed import Seed
from streams.forking import Child, forked


class Done(msgspec.Struct, tag=1, array_like=True):
    """
    What a pass says at its end: how many records there were, and of their events the first and the newest time.

    Times are Unix milliseconds; dead letters are counted by reason. Neither span holds what an import takes.
    """

    records: int
    started: int | None
    newest: int | None
    dead_letters: dict[str, int]
    seconds: float
    cpu_s: float


class _Begun(msgspec.Struct, tag=2, array_like=True):
    """What an import tells has been applied: the events begin."""


class _Reached(msgspec.Struct, tag=3, array_like=True):
    """What whoever shows progress is to be told."""

    numbers: tuple[int, ...]


class _Failed(msgspec.Struct, tag=4, array_like=True):
    """The reading has ended in an error: the name of its class, and its text."""

    error: str
    text: str


_Message = Passed | Done | _Begun | _Reached | _Failed
_decode = msgspec.msgpack.Decoder(list[_Message]).decode
_encode = msgspec.msgpack.Encoder().encode
_KAFKA = "KafkaException"


class ReadingBroke(Exception):
    """A mistake of ours in the second process, with its traceback."""


@contextmanager
def showing_nothing() -> Iterator[Tell]:
    """Nobody is shown how far a pass has come."""
    yield lambda *_numbers: None


def fold(
    lanes: Sequence[Lane],
    read: Read,
    *,
    seed: Seed | None = None,
    until: int | None = None,
    processes: int = 1,
    shown: Callable[[], AbstractContextManager[Tell]] = showing_nothing,
) -> Done:
    """
    Take records through lanes, to their end.

    Args:
        lanes: At least one.
        read: The records, in their order.
        seed: What is told before the first of them.
        until: As of `OnePass.finish`.
        processes: One, or two of which each does about half of the work.
        shown: Shows how far it has come, as `read` and the seed tell it; begun after the second process.

    Raises:
        PlgError: The records cannot be read, or the second process has died.
        KafkaException: A broker does not do what it should.
    """
    if processes == 1:
        with shown() as tell:
            return _fold(OnePass(lanes), read, seed, until, tell, lambda: None)
    with forked("reads the events", lambda pipe: _send(lanes, read, seed, until, pipe)) as child, shown() as tell:
        return _receive(child, Groups(lanes), tell)


def _fold(
    run: OnePass, read: Read, seed: Seed | None, until: int | None, tell: Tell, begin: Callable[[], None]
) -> Done:
    records = read(tell)
    if seed is not None:
        seed.plant(run)
    begin()
    began = time.monotonic(), time.process_time()
    feed = run.feed
    for value, source, record_time in records:
        feed(value, source, record_time)
    run.finish(until)
    spent = time.monotonic() - began[0], time.process_time() - began[1]
    return Done(run.records, run.started, run.newest, dict(run.dead_letters), *spent)


class _Sender:
    """Sends messages, about a batch of records at a time."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._waiting: list[_Message] = []
        self._records = 0

    def pass_on(self, passed: Passed) -> None:
        """Send what users tell; records without a time come one by one."""
        self._waiting.append(passed)
        self._records += 1 + len(passed.moments)
        if self._records > BATCH:
            self.flush()

    def put(self, message: _Message) -> None:
        """Send it with what comes next."""
        self._waiting.append(message)

    def flush(self) -> None:
        """Send what waits."""
        waiting, self._waiting, self._records = self._waiting, [], 0
        self._pipe.send_bytes(_encode(waiting))


def _send(lanes: Sequence[Lane], read: Read, seed: Seed | None, until: int | None, pipe: Connection) -> None:
    """What the second process does: the half of the work up to what users tell."""
    sender = _Sender(pipe)

    def begin() -> None:
        sender.put(_Begun())
        sender.flush()

    def tell(*numbers: int) -> None:
        sender.put(_Reached(numbers))

    try:
        sender.put(_fold(OnePass(lanes, pass_on=sender.pass_on), read, seed, until, tell, begin))
    except BrokenPipeError:
        raise
    except PlgError as error:
        sender.put(_Failed(type(error).__name__, str(error)))
    except KafkaException as error:
        reason = error.args[0]
        sender.put(_Failed(_KAFKA, reason.str() if isinstance(reason, KafkaError) else str(reason)))
    except Exception:  # noqa: BLE001  # it is the other process that says so
        sender.put(_Failed("", traceback.format_exc()))
    sender.flush()


def _receive(child: Child, groups: Groups, tell: Tell) -> Done:
    """What this process does: the other half, beginning with what users tell."""
    began = time.monotonic(), time.process_time()
    take = groups.take
    while True:
        for message in _decode(child.receive()):
            if type(message) is Passed:
                take(message)
            elif type(message) is _Reached:
                tell(*message.numbers)
            elif type(message) is _Begun:
                began = time.monotonic(), time.process_time()
            elif type(message) is _Failed:
                raise _error(message)
            elif type(message) is Done:
                message.seconds = time.monotonic() - began[0]
                message.cpu_s += time.process_time() - began[1]
                return message


def _error(failed: _Failed) -> Exception:
    """What the other process would have raised here."""
    if failed.error == _KAFKA:
        trouble: Exception = KafkaException(failed.text)
        return trouble
    if not failed.error:
        return ReadingBroke(failed.text)
    kinds: list[type[PlgError]] = [PlgError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    kind = next((kind for kind in kinds if kind.__name__ == failed.error), PlgError)
    error: PlgError = kind.__new__(kind)
    # Past a constructor that makes the text itself.
    Exception.__init__(error, failed.text)
    return error
