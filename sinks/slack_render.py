"""What a rep reads in Slack: an alert as blocks, within Slack's limits, with nothing in it that acts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from signals.contract import Alert, WhyItem
from sinks.slack_text import clean, escape

MAX_BLOCKS: Final = 50
MAX_HEADER_CHARS: Final = 150
MAX_SECTION_CHARS: Final = 3_000
MAX_FIELD_CHARS: Final = 300
# Slack refuses a message whose blocks together are much longer, and nobody reads one.
MAX_WHY_CHARS: Final = 2_500
MAX_PLAY_CHARS: Final = 1_000
MAX_LINKED_ID_CHARS: Final = 600
MAX_REASONS: Final = 30
MAX_SCORE_PARTS: Final = 6
EVENT_TYPE: Final = "plg_alert"

_REPEATED: Final = "Sent again: Slack did not confirm the first attempt, so this alert may be here twice."
_CLOSED: Final[Mapping[str, str]] = {
    "converted": "Closed: the workspace pays now. No need to call or write about this any more.",
    "moved": "Closed: its user works in a workspace of his company now. You will hear of that one instead.",
}

Block = dict[str, object]


class Links(msgspec.Struct, frozen=True):
    """What links begin with; None: there is no such link. They come from the config alone, never from an alert."""

    workspace: str | None = None
    user: str | None = None


class Message(msgspec.Struct, frozen=True):
    """One message: `text` is what a notification shows, `metadata` what a later read-back finds it by."""

    text: str
    blocks: list[Block]
    metadata: dict[str, object]


def message_key(alert_id: str, status: str, signals: int) -> str:
    """What makes two messages copies of each other: the alert, what became of it, how much has joined it."""
    return f"{alert_id} {status} {signals if status == 'updated' else 1}"


def render(alert: Alert, links: Links, *, is_repeat: bool = False) -> Message:
    """
    Put an alert into words.

    Args:
        alert: Everything in it may be written by a stranger.
        links: Where to.
        is_repeat: Say that an attempt before may have arrived, too.
    """
    headline = _headline(alert)
    blocks = [_header(headline), _who(alert), *_story(alert), *_links(alert, links), _context(alert)]
    if is_repeat:
        blocks.append({"type": "context", "elements": [_plain(_REPEATED, MAX_FIELD_CHARS)]})
    # A close is no reason to hurry, however urgent the alert was.
    urgency = "" if alert.status == "closed" else f"[{alert.priority}] "
    text = urgency + headline + (" (sent again)" if is_repeat else "")
    payload = {"alert_id": alert.id, "status": alert.status, "signals": len(alert.signal_ids)}
    return Message(
        escape(text, MAX_SECTION_CHARS), blocks[:MAX_BLOCKS], {"event_type": EVENT_TYPE, "event_payload": payload}
    )


def _headline(alert: Alert) -> str:
    title = clean(alert.title) or clean(alert.signal) or "Alert"
    return {"open": "", "updated": "Update: ", "closed": "Closed: "}[alert.status] + title


def _header(headline: str) -> Block:
    return {"type": "header", "text": _plain(headline, MAX_HEADER_CHARS)}


def _who(alert: Alert) -> Block:
    workspace = clean(alert.workspace_id)
    name = clean(alert.workspace_name or "")
    facts = {
        "Priority": "" if alert.status == "closed" else alert.priority,
        "Workspace": f"{name} ({workspace})" if name else workspace,
        "Domain": clean(alert.domain or ""),
        "User": clean(alert.user_id or ""),
        "E-mail": clean(alert.email or ""),
        # An alert whose workspace nobody scored has no parts.
        "Score": _number(alert.score) + " of 100" if alert.score_parts else "",
    }
    return {
        "type": "section",
        # Plain text: a name such as *urgent* or `rm` stays what it is.
        "fields": [_plain(f"{label}: {value}", MAX_FIELD_CHARS) for label, value in facts.items() if value],
    }


def _story(alert: Alert) -> Iterator[Block]:
    reason = clean(alert.reason or "").rstrip(".")
    if alert.status == "closed":
        by_hand = f"Closed: {reason}. Nothing is left to do." if reason else "Closed. Nothing is left to do."
        yield _section(_CLOSED.get(alert.reason or "", by_hand), MAX_PLAY_CHARS)
        return
    if alert.status == "updated":
        joined = f"more has happened since the first message, {len(alert.signal_ids)} signals by now"
        yield _section(f"Update: {reason or joined}. All reasons so far:", MAX_PLAY_CHARS)
    if alert.why:
        yield _section(_why(alert.why), MAX_WHY_CHARS)
    if alert.score_parts:
        yield _section(_score(alert.score_parts), MAX_PLAY_CHARS)
    if play := clean(alert.play):
        yield _section(f"What to do: {play}", MAX_PLAY_CHARS)


def _why(reasons: list[WhyItem]) -> str:
    lines = ["Why:"]
    # The budget counts escapes, too; the last line says what did not fit.
    room = MAX_WHY_CHARS - 100
    for index, reason in enumerate(reasons):
        line = f"• {_reason(reason)}"
        room -= len(escape(line, MAX_SECTION_CHARS)) + 1
        if room < 0 or index == MAX_REASONS:
            return "\n".join([*lines, f"• and {len(reasons) - index} more"])
        lines.append(line)
    return "\n".join(lines)


def _reason(reason: WhyItem) -> str:
    # A fact's name comes from a rule, its value perhaps from a stranger.
    text = clean(reason.fact).replace("_", " ")
    if reason.value is not None:
        text += f": {_value(reason.value)}"
    if reason.threshold is not None:
        text += f" (threshold {_value(reason.threshold)})"
    # One long reason must not push out the others.
    return text if len(text) <= MAX_FIELD_CHARS else text[: MAX_FIELD_CHARS - 1] + "…"


def _score(parts: Mapping[str, float]) -> str:
    # The heaviest first; equal ones by name, so that a copy reads the same.
    ordered = sorted(parts.items(), key=lambda part: (-abs(part[1]), part[0]))[:MAX_SCORE_PARTS]
    return "Score: " + ", ".join(f"{_part(name)} {value:+.3g}" for name, value in ordered)


def _part(name: str) -> str:
    # The signal or the fact; which part of the score it belongs to interests nobody who is in a hurry.
    return clean(name.partition(".")[2] or name).replace("_", " ")


def _links(alert: Alert, links: Links) -> Iterator[Block]:
    wanted = (("Open the workspace", links.workspace, alert.workspace_id), ("Open the user", links.user, alert.user_id))
    # Quoted, an id is one harmless step of a path; one that is too long to be known to a page gets no link.
    urls = [
        f"<{base.replace('&', '&amp;')}{quoted}|{label}>"
        for label, base, identity in wanted
        if base and identity and len(quoted := quote(identity, safe="", errors="replace")) <= MAX_LINKED_ID_CHARS
    ]
    if urls:
        yield {"type": "section", "text": {"type": "mrkdwn", "text": "  ".join(urls), "verbatim": True}}


def _context(alert: Alert) -> Block:
    when = alert.occurred_at.strftime("%Y-%m-%d %H:%M %Z")
    text = f"{clean(alert.signal).replace('_', ' ')} · {when} · alert {clean(alert.id)}"
    return {"type": "context", "elements": [_plain(text, MAX_FIELD_CHARS)]}


def _section(text: str, limit: int) -> Block:
    return {"type": "section", "text": _plain(text, limit)}


def _plain(text: str, limit: int) -> Block:
    # emoji off: `:fire:` in a name stays text.
    return {"type": "plain_text", "text": escape(text, limit), "emoji": False}


def _value(value: str | float | bool) -> str:  # noqa: FBT001  (a value of the contract, not a switch)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"  # noqa: PLR2004
