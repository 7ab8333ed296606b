"""Journeys of whole companies told as stories: what happened, what was found, what was decided, what sales heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TypeGuard

import msgspec

from signals.compiled import Engine
from signals.event import Event, Source, Tick
from signals.facts import Alert, AlertStatus, Firing, Verdict
from signals.formats.segment import SegmentDecoder
from signals.moments import parse_time
from signals.thresholds import Signals
from tests.signals.builders import River

JOURNEYS = Path(__file__).parent / "golden" / "journeys"
# The default config, but for what every product has to name itself, and one signal of its own.
SETTINGS: dict[str, object] = {
    "events": {
        "activated": ["Report Shared"],
        "core": ["Dashboard Viewed", "Data Imported", "Project Created", "Report Shared"],
    },
    "plans": {"order": ["team", "business"]},
    "custom": {
        "export_burst": {
            "rule": "count",
            "scope": "workspace",
            "events": ["Report Exported"],
            "threshold": 3,
            "window": "7d",
            "cooldown": "14d",
            "kind": "expansion",
            "title": "exports far more than before",
        }
    },
}
# So many events in a row that came to nothing are told in one line.
_SEVERAL = 3
_SAID = "with the default config, what the product has to name (activated, core, plans.order), and `export_burst`"


def tell(journey: Path) -> str:
    """The story of a journey."""
    return "\n".join(_lines(journey)) + "\n"


def happenings(journey: Path, rules: Engine) -> Iterator[Event | Tick]:
    """
    What happens in a journey, in its order.

    A line `{"until": "..."}` lets time pass until then without anybody doing anything: a tick.
    """
    decoder = SegmentDecoder(rules.config)
    for number, line in enumerate(journey.read_bytes().splitlines()):
        until = passes_until(line)
        yield decoder.decode(line, None, Source("events", 0, number)) if until is None else Tick(until)


def passes_until(line: bytes) -> int | None:
    """Until when a line of a journey lets time pass; None for an event."""
    value = msgspec.json.decode(line)
    return parse_time(value["until"], UTC) if value.keys() == {"until"} else None


def _lines(journey: Path) -> Iterator[str]:
    river = River(SETTINGS)
    yield f"{journey.stem}: {_SAID}"
    quiet: list[Event] = []
    for record in happenings(journey, river.engine):
        before = (len(river.signals), len(river.verdicts), len(river.alerts))
        river.feed(record)
        lines = list(_came_of(river, record, before))
        if not lines and _is_plain(record):
            quiet.append(record)
            continue
        yield from _passed(quiet)
        quiet = []
        yield ""
        yield _happened(record)
        yield from lines
    yield from _passed(quiet)


def _came_of(river: River, record: Event | Tick, before: tuple[int, int, int]) -> Iterator[str]:
    """What a record has led to, given how many signals, verdicts and alerts there were before it."""
    verdicts = {verdict.signal_id: verdict for verdict in river.verdicts[before[1] :]}
    for firing in river.signals[before[0] :]:
        yield f"    {_found(firing, record.time)} -> {_decided(verdicts.pop(firing.id, None))}"
    for verdict in verdicts.values():
        yield f"    {verdict.signal} from before -> {_decided(verdict)}"
    for alert in river.alerts[before[2] :]:
        yield from _heard(alert)


def _is_plain(record: Event | Tick) -> TypeGuard[Event]:
    """An event of which there is nothing to say but its name, as there are many in a row."""
    return isinstance(record, Event) and not record.properties and not record.traits and record.user_id is not None


def _passed(quiet: list[Event]) -> Iterator[str]:
    """Events that came to nothing: several in a row of one workspace in one line."""
    for _, row in groupby(quiet, key=lambda event: event.workspace_id):
        events = list(row)
        yield ""
        if len(events) < _SEVERAL:
            yield from (_happened(event) for event in events)
            continue
        users = ", ".join(dict.fromkeys(str(event.user_id) for event in events))
        names = Counter(event.name or event.type.value for event in events)
        said = ", ".join(f"{name} x{count}" if count > 1 else name for name, count in names.items())
        yield f"{_when(events[0].time)} to {_when(events[-1].time)}  {users}: {said}{_where(events[-1])}"


def _happened(record: Event | Tick) -> str:
    if isinstance(record, Tick):
        return f"{_when(record.time)}  time passes until here"
    what = record.name or record.type.value
    values = ", ".join(f"{name} {value}" for name, value in {**record.properties, **record.traits}.items())
    said = f"{_when(record.time)}  {record.user_id or 'billing'}: {what}"
    return said + (f" ({values})" if values else "") + _where(record)


def _when(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1_000, UTC):%a %d %b %H:%M}"


def _where(event: Event) -> str:
    return f" in {event.workspace_id}" if event.workspace_id else ""


def _found(firing: Firing, now: int) -> str:
    # What time has made fire carries its due time.
    due = f" at {_when(firing.time)}" if firing.time != now else ""
    evidence = ", ".join(f"{name} {value}" for name, value in firing.evidence.items())
    return firing.signal + due + (f" [{evidence}]" if evidence else "")


def _decided(verdict: Verdict | None) -> str:
    if verdict is None:
        return "waits for an answer"
    return verdict.verdict.value + (f": {verdict.reason}" if verdict.reason else "")


def _heard(alert: Alert) -> Iterator[str]:
    if alert.status is AlertStatus.CLOSED:
        yield f"  * CLOSED ({alert.reason}): {alert.title}"
        return
    yield f"  * {alert.status.value.upper()} [{alert.priority}] {alert.title}"
    for why in alert.why:
        threshold = "" if why.threshold is None else f" (threshold {why.threshold})"
        yield f"        {why.fact}: {why.value}{threshold}"
    yield f"        play: {alert.play}"


def alerts_of(journey: Path) -> list[tuple[str, str, str]]:
    """Id, status and title of the alerts of a journey, in order."""
    river = River(SETTINGS)
    for record in happenings(journey, river.engine):
        river.feed(record)
    return [(alert.id, alert.status.value, alert.title) for alert in river.alerts]


def counted(story: str) -> dict[str, int]:
    """How often each signal fires in a story."""
    names = [*Signals.model_fields, "export_burst"]
    return {name: count for name in names if (count := story.count(f"\n    {name} "))}


if __name__ == "__main__":
    for file in sorted(JOURNEYS.glob("*.jsonl")):
        file.with_suffix(".story.txt").write_text(tell(file), encoding="utf-8")
