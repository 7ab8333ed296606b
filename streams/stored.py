"""How states stand in a changelog: under which keys, and how one of them is found there."""

from __future__ import annotations

# No subject begins with NUL: subjects are `user:`, `workspace:`, `anon:` or workspace ids taken from JSON text, and
# a workspace id that does begin with it is stored behind `_ESCAPE`.
FENCE = b"\0fence"
_ESCAPE = b"\0\0"


def to_key(subject: str) -> bytes:
    """The key of a subject's state."""
    raw = subject.encode("utf-8", "surrogatepass")
    return _ESCAPE + raw if raw.startswith(b"\0") else raw


def to_subject(key: bytes) -> str:
    """The subject whose state stands under a key."""
    return key.removeprefix(_ESCAPE).decode("utf-8", "surrogatepass")
