"""What has been redriven already, read back from where it went: the memory of `plg dlq redrive` is the topics."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from confluent_kafka import Message

from streams.letters import REDRIVEN_FROM, Letter, headers_of, read_letter
from streams.reading import read_topic
from streams.settings import Settings
from streams.topics import Topics


class _Alert(msgspec.Struct):
    """What tells the records of one alert apart."""

    id: str
    status: str = "open"
    signal_ids: list[str] = []

    @property
    def version(self) -> tuple[str, int]:
        return self.status, len(self.signal_ids)


class Redriven:
    """
    The letters that have left, and what the alerts' topic says of those still here.

    Args:
        topics: Names.
        settings: For the broker.
    """

    def __init__(self, topics: Topics, settings: Settings) -> None:
        self._topics = topics
        self._settings = settings
        self._left: set[bytes] = set()
        # By partition and alert: the newest record that we wrote anew, none of them a redriven copy.
        self._newest: dict[tuple[int, str], tuple[int, tuple[str, int]]] = {}

    def read(self, on_record: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        """
        Read both topics that letters are redriven to.

        Raises:
            ReadingFailed: One does not exist, or the broker stops answering.
        """
        for message in read_topic(self._topics.redrive, self._settings, on_record):
            self._note(message)
        for message in read_topic(self._topics.alerts, self._settings, on_record):
            if not self._note(message):
                self._note_alert(message)

    def __contains__(self, letter: Letter) -> bool:
        return letter.identity in self._left

    def is_overtaken(self, letter: Letter) -> bool:
        """
        Whether a parked alert has a newer record of the same alert behind it.

        Redriven, it would open again what was closed meanwhile.
        """
        alert = _alert(letter.value)
        if alert is None:
            return False
        offset, version = self._newest.get((letter.partition, alert.id), (-1, alert.version))
        return offset > letter.offset and version != alert.version

    def _note(self, message: Message) -> bool:
        is_redriven = REDRIVEN_FROM in headers_of(message)
        if is_redriven:
            self._left.add(read_letter(message).identity)
        return is_redriven

    def _note_alert(self, message: Message) -> None:
        alert = _alert(message.value())
        if alert is not None:
            self._newest[message.partition(), alert.id] = (message.offset(), alert.version)


def _alert(value: bytes | None) -> _Alert | None:
    try:
        return msgspec.json.decode(value or b"", type=_Alert)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
