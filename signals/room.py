"""How much room a state has: it stays smaller than this whatever producers send and whatever `limits` are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signals.config import Limits

# Of a stored state, its header included (DESIGN 4.9); a topic takes 1 MB by default.
MAX_STATE_BYTES = 64_000
UTF8_BYTES = 4
# What may be added to a workspace without anybody looking: rings, times and counts, its domain, its volume, the memory
# and the points of signals without a key; beside its name, its plan, where its user went and its newest active event.
_UNWATCHED_BYTES = 10_000


def workspace_room(limits: Limits) -> int:
    """How large the state of a workspace may be where it is looked at, in bytes."""
    texts = UTF8_BYTES * (2 * limits.max_text_chars + limits.max_id_chars)
    return MAX_STATE_BYTES - _UNWATCHED_BYTES - texts
