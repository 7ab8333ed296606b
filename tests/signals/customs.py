"""A river with signals of its own, and events that carry what ingest would have marked them with."""

from __future__ import annotations

from signals.event import Event, EventType
from signals.formats.meanings import Meanings
from tests.signals.builders import River, event


class CustomRiver(River):
    """A river with the given stanzas under `custom`."""

    def __init__(self, custom: dict[str, object], **settings: object) -> None:
        super().__init__({"custom": custom, **settings})
        self._meanings = Meanings(self.engine.config.events, self.engine.config.custom)

    def named(self, name: str, user: str | None = "ann", workspace: str | None = "acme", *, on: int) -> Event:
        """A track event of this name, with what the name means."""
        made, meaning = event(user, workspace, on=on, name=name), self._meanings.of(name)
        assert made.type is EventType.TRACK
        made.roles, made.passive, made.matched, made.customs = (
            meaning.roles,
            meaning.passive,
            meaning.matched,
            meaning.customs,
        )
        return made

    def do(self, name: str, user: str | None = "ann", workspace: str | None = "acme", *, on: int) -> list[str]:
        """Feed such an event; the config's own signals that it raised."""
        return [one.signal for one in self.feed(self.named(name, user, workspace, on=on)) if self.is_own(one.signal)]

    def is_own(self, signal: str) -> bool:
        return signal in self.engine.config.custom
