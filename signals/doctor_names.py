"""Which role a name reads like: by the words of the names that products usually give their events."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec

from signals.event import Role
from signals.names import normal_name
from signals.product import EventNames

# A likeness below this is none.
LIKE = 0.72
# How such events are called beside the default names. There are none for `activated` and `core`: every product has its
# own, which no list can know.
_USUAL: Mapping[Role, tuple[str, ...]] = {
    Role.SIGNED_UP: ("signup", "user registered", "account registered", "registration completed", "user created"),
    Role.WORKSPACE_CREATED: (
        "organization created",
        "organisation created",
        "team created",
        "company created",
        "tenant created",
        "group created",
    ),
    Role.INVITE_SENT: ("invitation sent", "member invited", "invite teammate", "invited user", "collaborator invited"),
    Role.MEMBER_JOINED: (
        "member added",
        "member joined",
        "joined team",
        "team joined",
        "invitation accepted",
        "joined workspace",
        "organization joined",
    ),
    Role.MEMBER_REMOVED: (
        "member removed",
        "user deactivated",
        "left team",
        "left workspace",
        "removed user",
        "seat removed",
    ),
    Role.TRIAL_STARTED: ("trial began", "trial start"),
    Role.TRIAL_ENDED: ("trial expired", "trial finished", "trial end"),
    Role.PLAN_CHANGED: (
        "subscription created",
        "subscription changed",
        "subscription canceled",
        "subscription upgraded",
        "subscription downgraded",
        "subscription updated",
        "plan upgraded",
        "plan downgraded",
        "plan updated",
        "subscription renewed",
    ),
    Role.USAGE_REPORTED: ("usage recorded", "usage metered", "usage measured", "quota updated", "quota reported"),
    Role.FEATURE_GATED: (
        "paywall shown",
        "upgrade prompt shown",
        "upgrade modal viewed",
        "feature locked",
        "feature blocked",
    ),
    Role.PROCUREMENT_REQUESTED: (
        "security questionnaire requested",
        "invoice requested",
        "purchase order requested",
        "dpa",
        "msa",
        "security review",
    ),
    Role.SALES_CONTACTED: (
        "contact sales",
        "talk to sales",
        "demo booked",
        "request demo",
        "demo request",
        "sales call booked",
    ),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "e", "d")
# Two words that are often written as one.
_JOINED = {("sign", "up"): "signup", ("register", ""): "register"}
# What a text of YAML may be without quotes, of what products name their events.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _.\-/]*[A-Za-z0-9]|[A-Za-z]")
_NO_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


class Likeness(msgspec.Struct, frozen=True):
    """What a name reads like, and how much (0 to 1)."""

    role: Role
    like: str
    likeness: float


def nearest_role(name: str) -> Likeness | None:
    """
    The role that a name reads like, None if it reads like none.

    Words count more than letters: `workspace.user_invited` has all words of User Invited; `Project Created` has but one
    of Account Created.
    """
    words, letters = _words(name), normal_name(name)
    best: Likeness | None = None
    for role, like, their_words, their_letters in _known():
        likeness = _likeness(words, letters, their_words, their_letters)
        if likeness >= LIKE and (best is None or likeness > best.likeness):
            best = Likeness(role, like, round(likeness, 2))
    return best


def yaml_line(role: Role, names: Iterable[str]) -> str:
    """A line to paste below `events:`."""
    return f"{role.value}: [{', '.join(map(yaml_text, names))}]"


def yaml_text(text: str) -> str:
    """A text as YAML takes it, in quotes where it needs them."""
    is_plain = _PLAIN.fullmatch(text) is not None and text.casefold() not in _NO_TEXT
    if is_plain:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    # What a terminal would obey instead of showing it.
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in quoted)


@cache
def _known() -> tuple[tuple[Role, str, frozenset[str], str], ...]:
    defaults = EventNames()
    return tuple(
        (role, name, _words(name), normal_name(name))
        for role in Role
        for name in (*defaults.of(role), *_USUAL.get(role, ()))
    )


def _likeness(words: frozenset[str], letters: str, theirs: frozenset[str], their_letters: str) -> float:
    if not words or not theirs:
        return 0.0
    shared = len(words & theirs)
    # All of theirs, and little besides.
    by_words = 0.6 + 0.4 * shared / len(words) if shared == len(theirs) else 0.0
    by_letters = 0.0
    if abs(len(letters) - len(their_letters)) <= 3:  # noqa: PLR2004  # a slip of the keys, no other word
        ratio = difflib.SequenceMatcher(None, letters, their_letters, autojunk=False).ratio()
        # Half of their words at least: "Trial Started" is not "Trail Started", but neither is "Project Created"
        # "Product Created".
        by_letters = ratio if ratio >= 0.9 else 0.0  # noqa: PLR2004  # as above
    return max(by_words, by_letters)


def _words(name: str) -> frozenset[str]:
    found = [word.casefold() for word in _WORD.findall(name)]
    joined: list[str] = []
    for word in found:
        if joined and (joined[-1], word) in _JOINED:
            joined[-1] = _JOINED[joined[-1], word]
        elif joined and word == "up" and joined[-1] == "signed":
            joined[-1] = "signup"
        else:
            joined.append(word)
    return frozenset(_stem(word) for word in joined)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:  # noqa: PLR2004  # what is shorter is no word
            return word[: -len(ending)]
    return word
