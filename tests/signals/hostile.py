"""A producer that writes something new, as long as it may be, into every open field: what a careless one does."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from signals.config import Config
from signals.event import Event, Source
from signals.formats.segment import SegmentDecoder
from tests.signals.builders import HOUR, MONDAY

# Four bytes in UTF-8, and twelve in the JSON of a signal's key.
WIDE = "\U0001f600"
# Six bytes in any JSON, one in a state.
CONTROL = "\x01"
COMPANIES = ("amazon.com", "apple.com", "walmart.com", "exxonmobil.com", "microsoft.com", "intel.com", "oracle.com")

# What ops may raise every limit to.
LARGEST: dict[str, object] = {
    "max_id_chars": 1_024,
    "max_text_chars": 1_024,
    "workspaces_per_user": 1_000,
    "features_per_user": 1_000,
    "metrics_per_workspace": 1_000,
    "fired_keys": 10_000,
    "held_signals": 100,
    "quiet_signals": 1_000,
    "open_alerts": 100,
    "reasons_per_alert": 100,
    "companies_heard": 1_000,
    "recent_verdicts": 1_000,
}

Record = dict[str, object]


class Producer:
    """
    Writes records.

    Args:
        longest: How long ids and texts are.
        users, workspaces: How many different ones it writes; None for a new one each time.
    """

    def __init__(self, seed: int, longest: int, *, users: int | None = None, workspaces: int | None = None) -> None:
        self._random = random.Random(seed)
        self._longest = longest
        self._users = users
        self._workspaces = workspaces
        self._number = 0

    def new(self, start: str = "") -> str:
        """A time, as long as it may be; never the same twice."""
        self._number += 1
        text = f"{start}{1_700_000_000_000 + self._number}"
        return text + self._random.choice((WIDE, WIDE, CONTROL, "x")) * (self._longest - len(text))

    def records(self, count: int, *, step_ms: int) -> Iterator[Record]:
        """So many records, one each `step_ms` milliseconds."""
        for number in range(count):
            make = self._random.choice(self.kinds)
            yield {
                "type": "track",
                "messageId": self.new(),
                "timestamp": MONDAY + 12 * HOUR + number * step_ms,
                "userId": self._subject("u", self._users),
                "context": {
                    "groupId": self._subject("w", self._workspaces),
                    "traits": {"email": f"{number}{'y' * 50}@{self._random.choice(COMPANIES)}"},
                },
                **make(self),
            }

    def _subject(self, start: str, count: int | None) -> str:
        if count is None:
            return self.new(start)
        return f"{start}{self._random.randrange(count)}".ljust(self._longest, WIDE)

    def _name(self) -> Record:
        return {"event": self.new()}

    def _feature(self) -> Record:
        # Twice each, so that the signal fires.
        return {"event": "Feature Gated", "properties": {"feature": self._twice("feature")}}

    def _usage(self) -> Record:
        used = {"used": self._random.randrange(130), "limit": 100}
        return {"event": "Usage Reported", "properties": {"metric": self.new(), "period": self.new(), **used}}

    def _plan(self) -> Record:
        seats = self._random.randrange(1, 50)
        changed = {"plan": self.new(), "seats": seats, "mrr": self.new(), "currency": self.new()}
        return {"event": "Plan Changed", "properties": changed}

    def _trial(self) -> Record:
        self._number += 1
        end = (MONDAY + (self._number + 30) * 24 * HOUR) // 1_000
        return {"event": "Trial Started", "properties": {"trial_end_date": end, "trial_plan_name": self.new()}}

    def _group(self) -> Record:
        return {"type": "group", "groupId": self._subject("w", self._workspaces), "traits": {"name": self.new()}}

    def _role(self) -> Record:
        names = ("Signed Up", "Report Shared", "Invite Sent", "MSA Requested", "PO Requested", "Demo Requested")
        return {"event": self._random.choice(names)}

    def _member(self) -> Record:
        name = self._random.choice(("Account Added User", "Account Removed User"))
        return {"event": name, "properties": {"member_id": self._subject("u", self._users)}}

    def _twice(self, kind: str) -> str:
        waiting: dict[str, str] = self.__dict__.setdefault("_waiting", {})
        return waiting.pop(kind) if kind in waiting else waiting.setdefault(kind, self.new())

    kinds: tuple[Callable[[Producer], Record], ...] = (
        _name,
        _feature,
        _feature,
        _usage,
        _plan,
        _trial,
        _group,
        _role,
        _member,
    )


def events(config: Config, records: Iterator[Record]) -> Iterator[Event]:
    """Records as ingest passes them on."""
    decoder = SegmentDecoder(config)
    for offset, record in enumerate(records):
        yield decoder.decode(json.dumps(record).encode(), None, Source("hostile", 0, offset))
