"""Text of anybody's as a terminal may show it."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape what would move the cursor, begin a line, colour it or turn it around."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
