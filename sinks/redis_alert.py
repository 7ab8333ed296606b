"""An alert as the Redis sink reads it from its topic: what the queue needs, and what makes two records copies."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from sinks.base import Refused

# The queue is read from the highest score down: the rank decides, the workspace's score orders within it.
PRIORITY_RANKS: Final = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
RANK_STEP: Final = 1_000

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_.:@-]{1,128}")


class QueuedAlert(msgspec.Struct):
    """What the queue needs to know of an alert (SIGNALS 7); everything else passes through untouched."""

    id: str
    priority: str
    workspace_id: str
    route: str
    score: float = 0.0
    status: str = "open"
    signal_ids: list[str] = []

    @property
    def queue_score(self) -> str:
        """Where it stands in the queue; empty for one that leaves it."""
        if self.status == "closed":
            return ""
        return repr(PRIORITY_RANKS[self.priority] * RANK_STEP + min(max(self.score, 0.0), RANK_STEP - 1.0))

    @property
    def step(self) -> int:
        """Which of two states of an open alert is the later one: each update speaks of more signals."""
        return len(self.signal_ids) if self.status == "updated" else 0

    @property
    def seen_part(self) -> bytes:
        """What makes two records copies of each other: the alert, what became of it, how many signals joined it."""
        if self.status == "closed":
            return self.closed_part
        return key_part(f"{self.id}:updated:{self.step}".encode() if self.status == "updated" else self.id.encode())

    @property
    def closed_part(self) -> bytes:
        """The same of its close, after which nothing opens it again."""
        return key_part(f"{self.id}:closed".encode())


_ALERT = msgspec.json.Decoder(QueuedAlert)


def decode_alert(value: bytes | None) -> QueuedAlert:
    """
    Read what the queue needs.

    Raises:
        Refused: It breaks the contract.
    """
    if value is None:
        raise Refused("bad_alert", "an alert has no value")
    try:
        alert = _ALERT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec names path and type, never the value.
        raise Refused("bad_alert", str(error)) from error
    if alert.priority not in PRIORITY_RANKS:
        raise Refused("bad_alert", f"priority is not one of {', '.join(PRIORITY_RANKS)}")
    if alert.status not in {"open", "updated", "closed"}:
        raise Refused("bad_alert", "status is not one of open, updated, closed")
    return alert


def key_part(text: bytes) -> bytes:
    """An id as part of a key: as it is where that is harmless, hashed where it is long, odd, or looks like a hash."""
    if _PLAIN.fullmatch(text) and not text.startswith(b"h:"):
        return text
    return b"h:" + hashlib.sha256(text).hexdigest().encode()
