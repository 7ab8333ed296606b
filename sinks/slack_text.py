"""Text of other people made safe for Slack: no mention, no markup, no hidden character, never too long."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

# Joiners hold emoji together and are part of how some languages are written.
_KEPT_FORMATS: Final = frozenset("\u200c\u200d")
# Cc: controls. Cf: text that turns around, invisible signs. Cs: halves of a character. Co, Cn: nobody knows.
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# The three signs of Slack's markup; without them there is no <!channel>, no <@U1> and no <https://...|text>.
_ESCAPES: Final[Mapping[str, str]] = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MORE: Final = "…"


def clean(text: str) -> str:
    """One line without what cannot be seen: controls, directions, lone surrogates; runs of blanks become one."""
    spaced = " ".join(text.split())
    seen = "".join(sign for sign in spaced if sign in _KEPT_FORMATS or unicodedata.category(sign) not in _DROPPED)
    return " ".join(seen.split())


def escape(text: str, limit: int) -> str:
    """
    Escape what Slack reads as markup and cut to a limit of code points, never in the middle of an escape.

    Args:
        text: As people wrote it.
        limit: Counted after escaping, as Slack counts.
    """
    pieces = [_ESCAPES.get(sign, sign) for sign in text]
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    kept, room = [], limit - len(_MORE)
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + _MORE
