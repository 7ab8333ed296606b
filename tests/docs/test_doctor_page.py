"""docs/doctor.md shows what the doctor says; `python -m tests.docs.test_doctor_page` writes it anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from signals.config import Config
from signals.doctor import Doctor
from signals.domains import Domains
from simulator import Scenario, simulate
from streams.config_source import check_text, load_config
from streams.doctor_view import lines_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "doctor.md"
_BLOCK = re.compile(r"^```text\n.*?^```$", re.DOTALL | re.MULTILINE)
_RENAMED = {
    "Signed Up": "user_registered",
    "Workspace Created": "organization.created",
    "Invite Sent": "Workspace Invitation Sent",
    "Invite Accepted": "MemberAdded",
    "Plan Changed": "subscription_updated",
    "Trial Started": "trial.began",
    "Report Shared": "report.shared",
    "Data Imported": "import_finished",
    "Feature Gated": "Paywall Shown",
    "Contact Sales Clicked": "talk_to_sales_clicked",
    "Usage Reported": "usage_recorded",
}


def said(config: Config, records: Iterable[dict[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """What the doctor says of records, and its lines to paste."""
    doctor = Doctor(config, Domains(config.domains))
    for record in records:
        doctor.take(msgspec.json.encode(record))
    made = doctor.diagnosis()
    return "".join(f"{line}".rstrip() + "\n" for _, line in lines_of(made)), made.yaml


def renamed(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in events:
        yield event | {"event": _RENAMED.get(event["event"], event["event"])} if "event" in event else event


def as_cloud_events(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in events:
        if event["type"] == "track":
            name = event["event"].replace(" ", "_").lower()
            traits = event["context"].get("traits", {})
            yield {
                "specversion": "1.0",
                "id": event["messageId"],
                "source": "/app",
                "type": f"com.example.{name}",
                "time": event["timestamp"],
                "data": {
                    "user": {"id": event.get("userId"), "email": traits.get("email")},
                    "tenantId": event["context"].get("groupId"),
                    **event["properties"],
                },
            }


@cache
def shown() -> tuple[str, ...]:
    """The blocks of the page, in its order."""
    config = load_config(ROOT / "config" / "demo.yaml")
    events = [*simulate(Scenario(seed=7, days=14, workspaces=60, large=1))]
    other, pasted = said(config, as_cloud_events(events))
    identity = pasted_identity(config, pasted)
    return (
        said(config, events)[0],
        said(config, renamed(events))[0],
        other,
        said(identity, as_cloud_events(events))[0],
    )


def pasted_identity(config: Config, lines: tuple[str, ...]) -> Config:
    found = check_text("\n".join(lines) + "\n", "pasted").config
    return config.model_copy(update={"identity": found.identity})


def page() -> str:
    blocks = iter(shown())
    return _BLOCK.sub(lambda _: f"```text\n{next(blocks)}```", PAGE.read_text(encoding="utf-8"))


def test_the_page_shows_what_the_doctor_says() -> None:
    assert page() == PAGE.read_text(encoding="utf-8")
    assert len(_BLOCK.findall(PAGE.read_text(encoding="utf-8"))) == len(shown())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
