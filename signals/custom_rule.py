"""What the rules of the config's own signals share: each stanza makes one, with its own name, kind and words."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from signals.rule import Evidence, Kind, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.custom import CustomAbsence, CustomCount, CustomDistinctUsers
    from signals.event import Scalar

_PLAY = "This signal is your own. See what they do in the product, and offer what helps them on."


class CustomRule(Rule):
    """
    The rule of one stanza.

    What it fired may have waited while the stanza was changed to another rule: where it speaks of evidence, it must
    take what is there.
    """

    def __init__(self, name: str, stanza: CustomCount | CustomDistinctUsers | CustomAbsence) -> None:
        self.name = name
        self.kind = Kind(stanza.kind)
        self.play = stanza.play or _PLAY
        self._title = stanza.title

    def headline(self, evidence: Evidence) -> str:
        """The stanza's title, else what happened in numbers."""
        return self._title or self.in_numbers(evidence)

    @abstractmethod
    def in_numbers(self, evidence: Evidence) -> str:
        """Say what happened, where the stanza has no title."""


def in_days(days: Scalar | None) -> str:
    """A window for people."""
    return "in one day" if days == 1 else f"in {days} days"


def any_of(names: Sequence[str]) -> str:
    """Names of events, of which each is enough."""
    return " or ".join(names)
