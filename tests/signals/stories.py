"""Journeys of whole companies told as stories: what happened, what was found, what was decided, what sales heard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from signals.event import Event, Source
from signals.facts import Alert, AlertStatus, Firing, Verdict
from signals.formats.segment import SegmentDecoder
from tests.signals.builders import River

JOURNEYS = Path(__file__).parent / "golden" / "journeys"
# The default config, but for what every product has to name itself.
SETTINGS: dict[str, object] = {"events": {"activated": ["Report Shared"]}}


def tell(journey: Path) -> str:
    """The story of a journey."""
    return "\n".join(_lines(journey)) + "\n"


def _lines(journey: Path) -> Iterator[str]:
    river = River(SETTINGS)
    decoder = SegmentDecoder(river.engine.config)
    yield f"{journey.stem}: with the default config and `activated: [Report Shared]`"
    for number, line in enumerate(journey.read_bytes().splitlines()):
        event = decoder.decode(line, None, Source("events", 0, number))
        before = (len(river.signals), len(river.verdicts), len(river.alerts))
        river.feed(event)
        yield ""
        yield _happened(event)
        verdicts = {verdict.signal_id: verdict for verdict in river.verdicts[before[1] :]}
        for firing in river.signals[before[0] :]:
            yield f"    {_found(firing)} -> {_decided(verdicts.pop(firing.id, None))}"
        for verdict in verdicts.values():
            yield f"    {verdict.signal} from before -> {_decided(verdict)}"
        for alert in river.alerts[before[2] :]:
            yield from _heard(alert)


def _happened(event: Event) -> str:
    when = f"{datetime.fromtimestamp(event.time / 1_000, UTC):%a %d %b %H:%M}"
    what = event.name or event.type.value
    values = ", ".join(f"{name} {value}" for name, value in {**event.properties, **event.traits}.items())
    return f"{when}  {event.user_id or 'billing'}: {what}" + (f" ({values})" if values else "") + _where(event)


def _where(event: Event) -> str:
    return f" in {event.workspace_id}" if event.workspace_id else ""


def _found(firing: Firing) -> str:
    evidence = ", ".join(f"{name} {value}" for name, value in firing.evidence.items())
    return firing.signal + (f" [{evidence}]" if evidence else "")


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
    decoder = SegmentDecoder(river.engine.config)
    for number, line in enumerate(journey.read_bytes().splitlines()):
        river.feed(decoder.decode(line, None, Source("events", 0, number)))
    return [(alert.id, alert.status.value, alert.title) for alert in river.alerts]


if __name__ == "__main__":
    for file in sorted(JOURNEYS.glob("*.jsonl")):
        file.with_suffix(".story.txt").write_text(tell(file), encoding="utf-8")
