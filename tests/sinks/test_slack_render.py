"""What a rep reads: the words, Slack's limits, and nothing that acts whatever strangers call themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from signals.contract import Alert
from sinks.slack_render import Block, Links, Message, message_key, render
from sinks.slack_text import clean, escape
from tests.sinks.slacking import alert_values

GOLDEN = Path(__file__).parent / "slack_message.json"
LINKS = Links("https://crm.example.com/accounts/", "https://app.example.com/admin?tab=users&id=")


def rendered(*, is_repeat: bool = False, **fields: Any) -> Message:
    """The message about an alert."""
    return render(Alert.model_validate(alert_values(**fields)), LINKS, is_repeat=is_repeat)


def texts(message: Message) -> list[str]:
    """All that is shown, and what a notification shows."""

    def walk(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["text"]] if isinstance(value.get("text"), str) else []
            return own + [text for part in value.values() for text in walk(part)]
        return [text for part in value for text in walk(part)] if isinstance(value, list) else []

    return [message.text, *walk(message.blocks)]


def markup(message: Message) -> list[Block]:
    """The text objects in which Slack reads markup."""
    return [
        block["text"]
        for block in message.blocks
        if isinstance(block.get("text"), dict) and block["text"]["type"] != "plain_text"
    ]


def test_message_reads_as_in_the_golden_file() -> None:
    why = [
        {"fact": "active_users_7d", "value": 5, "threshold": 5},
        {"fact": "usage_ratio", "value": 0.9512345, "threshold": 0.95},
        {"fact": "activated", "value": "2026-03-02T08:59:58Z", "threshold": None},
    ]
    parts = {"multi_user": 30.0, "enterprise_domain": 25.0, "free_mail": -5.0}

    message = rendered(why=why, score=62.5, score_parts=parts)

    shown = json.dumps({"text": message.text, "blocks": message.blocks, "metadata": message.metadata}, indent=2)
    if os.environ.get("PLG_REGENERATE"):
        GOLDEN.write_text(shown + "\n")
    assert json.loads(shown) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(("email", "shown"), [("ann@acme.com", True), (None, False)])
def test_address_is_shown_where_the_alert_has_one(email: str | None, shown: bool) -> None:
    assert ("E-mail: ann@acme.com" in texts(rendered(email=email))) is shown


def test_alert_of_a_workspace_without_a_score_shows_none() -> None:
    assert not [text for text in texts(rendered()) if "Score" in text]


@pytest.mark.parametrize("priority", ["urgent", "high", "normal", "low"])
def test_priority_is_in_the_message_and_in_its_notification(priority: str) -> None:
    message = rendered(priority=priority)

    assert message.text.startswith(f"[{priority}] ")
    assert f"Priority: {priority}" in texts(message)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("converted", "Closed: the workspace pays now. No need to call or write about this any more."),
        (
            "moved",
            "Closed: its user works in a workspace of his company now. You will hear of that one instead.",
        ),
        ("spoke to them on Monday.", "Closed: spoke to them on Monday. Nothing is left to do."),
        (None, "Closed. Nothing is left to do."),
    ],
)
def test_closed_alert_says_why_and_asks_for_nothing(reason: str | None, words: str) -> None:
    message = rendered(status="closed", reason=reason, priority="urgent")
    shown = texts(message)

    assert words in shown
    assert message.text == "Closed: Acme Inc: 5 people active in 7 days"
    assert not [text for text in shown if "What to do" in text or "urgent" in text]


def test_updated_alert_says_so_and_shows_every_reason() -> None:
    why = [{"fact": "active_users_7d", "value": 5, "threshold": 5}, {"fact": "seats", "value": 8, "threshold": 10}]

    message = rendered(status="updated", signal_ids=["s1", "s2"], why=why)

    assert message.text == "[high] Update: Acme Inc: 5 people active in 7 days"
    assert "Update: more has happened since the first message, 2 signals by now. All reasons so far:" in texts(message)
    assert "Why:\n• active users 7d: 5 (threshold 5)\n• seats: 8 (threshold 10)" in texts(message)


@pytest.mark.parametrize(
    ("first", "second", "are_copies"),
    [
        (("open", 1), ("open", 1), True),
        # A copy may have been bundled otherwise; it still tells of the same alert.
        (("open", 1), ("open", 2), True),
        (("open", 2), ("updated", 2), False),
        (("updated", 2), ("updated", 2), True),
        (("updated", 2), ("updated", 3), False),
        (("updated", 3), ("closed", 3), False),
        (("closed", 3), ("closed", 1), True),
    ],
)
def test_messages_are_copies_by_alert_status_and_in_an_update_by_how_much_has_joined(
    first: tuple[str, int], second: tuple[str, int], are_copies: bool
) -> None:
    assert (message_key("a1", *first) == message_key("a1", *second)) is are_copies
    assert message_key("a1", *first) != message_key("a2", *first)


def test_links_come_from_the_config_with_quoted_ids() -> None:
    evil = "w1|click>https://evil.example/ <!channel>&x=?#"

    [text] = markup(rendered(workspace_id=evil, user_id="u/5"))

    quoted = "w1%7Cclick%3Ehttps%3A%2F%2Fevil.example%2F%20%3C%21channel%3E%26x%3D%3F%23"
    assert text["text"] == (
        f"<https://crm.example.com/accounts/{quoted}|Open the workspace>  "
        "<https://app.example.com/admin?tab=users&amp;id=u%2F5|Open the user>"
    )


def test_without_bases_there_are_no_links() -> None:
    assert not markup(render(Alert.model_validate(alert_values()), Links()))


@pytest.mark.parametrize(
    "evil",
    [
        "<!channel>",
        "<!here|x>",
        "<@U012AB3CD>",
        "<#C0123456789>",
        "<https://evil.example|Acme>",
        "<!date^1^x|y>",
        "&lt;!",
    ],
)
def test_no_name_becomes_a_mention_or_a_link(evil: str) -> None:
    every = ("title", "workspace_name", "domain", "user_id", "workspace_id", "play", "signal", "id")

    message = rendered(
        **dict.fromkeys(every, f"x {evil}"),
        why=[{"fact": evil, "value": evil, "threshold": evil}],
        score_parts={evil: 1.0},
        status="updated",
        reason=evil,
    )

    shown = [text for text in texts(message) if text not in {part["text"] for part in markup(message)}]
    assert not [text for text in shown if "<" in text or ">" in text]
    assert not [text for text in shown if "&" in text.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "")]


def test_names_are_plain_text_in_which_no_markup_and_no_emoji_code_counts() -> None:
    blocks = [block for block in rendered(workspace_name="*bold* :fire: `x`").blocks if block["type"] != "context"]

    named = [text for text in blocks[1]["fields"] if ":fire:" in text["text"]]  # type: ignore[attr-defined]
    assert [(text["type"], text["emoji"]) for text in named] == [("plain_text", False)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x07c\x1b[31m", "abc[31m"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\u2066b\u2069\u200f\u200b\ufeff", "ab"),
        ("one\r\n\n two\u2028three\t", "one two three"),
        ("tag\U000e0041\ud800", "tag"),
        ("👩\u200d💻 नमस्ते", "👩\u200d💻 नमस्ते"),
    ],
)
def test_what_cannot_be_seen_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "abcd…"),
        ("a&b", 7, "a&amp;b"),
        ("a&bc", 7, "a&amp;…"),
        ("a&bc", 6, "a…"),
        ("😀😀😀", 2, "😀…"),
    ],
)
def test_cut_counts_code_points_after_escaping_and_splits_no_escape(text: str, limit: int, shown: str) -> None:
    assert escape(text, limit) == shown


@pytest.mark.parametrize("filler", ["x", "&", "😀", "<!channel> "])
def test_message_of_any_alert_is_within_slacks_limits(filler: str) -> None:
    long = filler * 20_000
    every = ("title", "workspace_name", "domain", "user_id", "workspace_id", "play", "signal", "id")

    message = rendered(
        **dict.fromkeys(every, long),
        why=[{"fact": long, "value": long, "threshold": long}] * 500,
        score_parts={f"{n} {filler * 100}": n for n in range(500)},
        signal_ids=["s"] * 500,
        is_repeat=True,
    )

    assert len(message.blocks) <= 50
    assert len(message.blocks[0]["text"]["text"]) <= 150  # type: ignore[index]
    assert max(len(text) for text in texts(message)) <= 3_000
    # Slack counts the whole, too, without saying where it stops.
    assert sum(len(text) for text in texts(message)) <= 12_000


def test_alert_with_empty_names_still_has_no_empty_text() -> None:
    every = ("title", "workspace_name", "domain", "user_id", "workspace_id", "play", "signal", "id")

    message = rendered(**dict.fromkeys(every, "\u200b "), why=[])

    assert all(text.strip() for text in texts(message))


@pytest.mark.parametrize(("count", "last"), [(30, "• fact 29: 29"), (31, "• and 1 more")])
def test_thirty_reasons_are_listed_and_what_is_left_is_counted(count: int, last: str) -> None:
    why = [{"fact": f"fact_{n}", "value": n, "threshold": None} for n in range(count)]

    [section] = [text for text in texts(rendered(why=why)) if text.startswith("Why:")]

    assert section.splitlines()[-1] == last
