"""Whatever people call themselves, their workspace or their events: in Slack nothing of it acts, hides or overflows."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from signals.contract import Alert
from sinks.slack_render import Links, Message, render
from tests.sinks.slacking import alert_values
from tests.sinks.test_slack_render import markup, texts

# The machine may be busy: no single example is timed.
FEW = settings(max_examples=40, deadline=None)
LINKS = Links("https://crm.example.com/accounts/", "https://app.example.com/user?id=")
HOSTILE = st.sampled_from(
    [
        "<!channel>",
        "<!here|x>",
        "<!subteam^S1>",
        "<@U012AB3CD>",
        "<#C0123456789|x>",
        "<https://evil.example|Acme>",
        "<mailto:a@evil.example|x>",
        "&lt;!channel&gt;",
        "\u202ecod.live",
        "\u2066\u2067\u2069",
        "\u200b\u2060\ufeff",
        "\u00ad",
        "\x00\x1b[31m\x7f\x9b",
        "\r\n\u2028\u2029",
        "*bold* _x_ ~x~ `x`",
        ":fire:",
        "👩\u200d💻",
        "x" * 4_000,
        "&" * 4_000,
        "\U000e0041",
    ]
)
NAMES = st.lists(st.one_of(HOSTILE, st.text(max_size=40)), max_size=4).map("".join)
SCALARS = st.one_of(NAMES, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.booleans(), st.none())
WHY = st.lists(st.fixed_dictionaries({"fact": NAMES, "value": SCALARS, "threshold": SCALARS}), max_size=5)
# Slack's own limits.
LONGEST = {"header": 150, "section": 3_000, "context": 2_000}


def message(name: str, why: list[dict[str, Any]], status: str = "open") -> Message:
    """A message with the name in each field that a stranger can choose."""
    fields = ("title", "workspace_id", "workspace_name", "domain", "user_id", "email", "play", "signal", "id", "reason")
    return render(Alert.model_validate(alert_values(**dict.fromkeys(fields, name), why=why, status=status)), LINKS)


def own(shown: Message) -> list[str]:
    """All texts but those in which markup is ours."""
    ours = {part["text"] for part in markup(shown)}
    return [text for text in texts(shown) if text not in ours]


@FEW
@given(name=NAMES, why=WHY, status=st.sampled_from(["open", "updated", "closed"]))
@example(name="<!channel>" * 1_000, why=[], status="open")
def test_no_mention_and_no_link_comes_of_a_name(name: str, why: list[dict[str, Any]], status: str) -> None:
    shown = message(name, why, status)

    for text in own(shown):
        assert "<" not in text
        assert ">" not in text
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)


@FEW
@given(name=NAMES, why=WHY)
def test_nothing_in_it_is_hidden_or_turned_around(name: str, why: list[dict[str, Any]]) -> None:
    for text in own(message(name, why)):
        seen = text.replace("\n", "")
        bad = {sign for sign in seen if unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
        # Joiners hold emoji together.
        assert bad <= {"\u200c", "\u200d"}


@FEW
@given(name=NAMES, why=WHY, status=st.sampled_from(["open", "updated", "closed"]))
def test_it_is_within_slacks_limits(name: str, why: list[dict[str, Any]], status: str) -> None:
    shown = message(name, why, status)

    assert 0 < len(shown.blocks) <= 50
    assert all(text.strip() for text in texts(shown))
    for block in shown.blocks:
        inner = texts(Message("x", [block], {}))
        assert max(map(len, inner)) <= LONGEST[str(block["type"])]


@FEW
@given(name=NAMES)
def test_a_link_leads_where_the_config_says_whatever_the_id_is(name: str) -> None:
    for part in markup(message(name, [])):
        text = str(part["text"])
        links = re.findall(r"<([^|<>]*)\|([^|<>]*)>", text)
        assert "  ".join(f"<{address}|{label}>" for address, label in links) == text
        assert all(
            re.fullmatch(r"https://(crm\.example\.com/accounts/|app\.example\.com/user\?id=)[A-Za-z0-9_.~%-]*", address)
            for address, _ in links
        )
        assert {label for _, label in links} <= {"Open the workspace", "Open the user"}
