"""A product that keeps sending at a moderate rate, bad records and personal data among it, until it has sent enough."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from confluent_kafka import KafkaException

from signals.moments import iso
from streams.replaying import Replay
from tests.river.harness import River

# What must never be in a log.
CANARIES = ("canary.person@hidden.example", "Canaria Secreta", "+49 30 555 0199")
EVERY_BAD, EVERY_CANARY = 150, 400


class Load(threading.Thread):
    """
    Plays lines into the customer's topic while faults happen.

    `injected` counts the bad records that it has mixed in. Set `hurry` to let the rest come at full speed, `enough` to
    end here.

    Args:
        rate: Events a second, on a slow machine too, so that every fault finds work going on.
    """

    def __init__(self, made: River, lines: Iterable[bytes], rate: float) -> None:
        super().__init__(name="load", daemon=True)
        self.replay = _SteadyReplay(made.config, made.settings)
        self.injected: Counter[bytes] = Counter()
        self._bad = b""
        self.hurry, self.enough = threading.Event(), threading.Event()
        self._lines, self._rate = lines, rate
        self._error: Exception | None = None

    def run(self) -> None:
        """Send until the lines end or it is enough."""
        try:
            self.replay.play(self._paced())
        except Exception as error:  # noqa: BLE001  (raised again by `finish`)
            self._error = error

    def finish(self) -> None:
        """End the load; on return the broker has all of it."""
        self.enough.set()
        self.join(90)
        if self._error is not None:
            raise self._error
        assert not self.is_alive(), "the broker does not take the last events"

    def settle(self, timeout_s: float) -> bool:
        """Send a tick later than every tick before; returns whether it went through the river in time."""
        self.replay.report.newest_time += 1
        give_up_at = time.monotonic() + timeout_s
        while (left_s := give_up_at - time.monotonic()) > 0:
            with contextlib.suppress(KafkaException):
                return self.replay.settle(timeout_s=left_s)
        return False

    def _paced(self) -> Iterator[bytes]:
        started = time.monotonic()
        for number, line in enumerate(self._mixed()):
            self.hurry.wait(max(0.0, number / self._rate - (time.monotonic() - started)))
            if self.enough.is_set():
                return
            if line is self._bad:
                self.injected[line] += 1
            yield line

    def _mixed(self) -> Iterator[bytes]:
        for number, line in enumerate(self._lines):
            if number % EVERY_CANARY == 0:
                yield _canary(number, self.replay.report.newest_time)
            if number % EVERY_BAD == EVERY_BAD - 1:
                self._bad = bad_record(number)
                yield self._bad
            yield line


class _SteadyReplay(Replay):
    """A replay that outlives brokers: a tick that cannot be sent is one less, and time stands still meanwhile."""

    def _note(self) -> None:
        with contextlib.suppress(KafkaException):
            super()._note()


def bad_record(number: int) -> bytes:
    """A record that no decoder can take, another kind for each number, with personal data in it."""
    email, name, _ = CANARIES
    kinds = (
        b'{"type":"track","messageId":"bad-%d","traits":{"email":"%s"' % (number, email.encode()),
        b"\xff\xfe bad-%d %s" % (number, name.encode()),
        json.dumps({"type": "track", "event": "X", "messageId": f"bad-{number}", "traits": {"email": email}}).encode(),
        json.dumps({"userId": email, "messageId": f"bad-{number}", "properties": {"name": name}}).encode(),
        json.dumps([name, number]).encode(),
    )
    return kinds[number % len(kinds)]


def _canary(number: int, time_ms: int) -> bytes:
    email, name, phone = CANARIES
    event = {
        "type": "identify",
        "messageId": f"canary-{number}",
        "userId": f"canary-{number}",
        "traits": {"email": email, "name": name, "phone": phone},
        "context": {"groupId": f"canary-{number % 7}"},
        # Before the first event there is no newest time yet.
        "timestamp": iso(time_ms or 1_767_225_600_000),
    }
    return json.dumps(event).encode()
