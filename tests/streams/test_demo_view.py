"""The view of the demo: a screen for a person, and lines for a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from streams.demo_view import Progress, alert_line, screen, status_line

ALERT: dict[str, object] = {
    "status": "open",
    "priority": "high",
    "title": "Acme: 5 people active in 7 days",
    "occurred_at": "2026-03-02T12:00:00.000Z",
    "why": [
        {"fact": "active_users_7d", "value": 5, "threshold": 5},
        {"fact": "plan", "value": "free", "threshold": None},
    ],
    "play": "Offer a team plan.",
}


def shown(progress: Progress) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(screen(progress))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_alert_says_how_urgent_who_why_and_what_to_do() -> None:
    assert alert_line(ALERT).plain == (
        "[high] Acme: 5 people active in 7 days   2026-03-02T12:00   "
        "why: active_users_7d 5 (threshold 5); plan free   -> Offer a team plan."
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"status": "closed", "reason": "converted"}, "[closed: converted] Acme: 5 people active in 7 days"),
        ({"status": "updated"}, "[high] update: Acme: 5 people active in 7 days"),
    ],
)
def test_what_became_of_an_alert_is_said_first(fields: dict[str, object], line: str) -> None:
    assert alert_line(ALERT | fields).plain.startswith(line)


def test_screen_shows_speed_lag_funnel_decisions_and_the_newest_alerts_first() -> None:
    progress = Progress(produced=1_000, applied=900, lag=100, per_s=2_000.0)
    progress.signals.update({"signed_up": 40, "activated": 20})
    progress.verdicts.update({"cooling_down": 3})
    progress.alerts = [ALERT, ALERT | {"status": "closed"}, ALERT | {"title": "Initech: asked to talk to sales"}]

    text = shown(progress)

    assert "2,000 events/s   900 of 1,000 events applied   lag 100   alerts 2" in text
    assert "60 signals, 2 alerts" in text
    assert "cooling down" in text
    assert text.index("Initech") < text.index("Acme")
    assert text.count("Acme") == 1


def test_status_says_when_there_is_nothing_more_to_play() -> None:
    assert status_line(Progress(finished=True)).startswith("history played; waiting")


def test_screen_before_anything_has_happened_can_be_shown() -> None:
    text = shown(Progress())

    assert "0 signals, 0 alerts" in text
    assert "nothing yet" in text
