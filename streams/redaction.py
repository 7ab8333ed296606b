"""Takes what looks like a secret out of a text: somebody may have written one where it does not belong."""

from __future__ import annotations

import re

HIDDEN = "(hidden)"
# Slack's tokens, the part of a webhook that opens it, and a login in a URL.
_SECRET = re.compile(r"\bxox[a-z]+-[\w.%-]+|(?<=hooks\.slack\.com/)[^\s'\"]+|(?<=://)[^/\s'\"]*@")


def hidden(text: str) -> str:
    """The text with what looks like a secret left out."""
    return _SECRET.sub(HIDDEN, text)
