"""The part of the reference about what users do over time: habits, and sign-ups that lead nowhere, by brute force."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from signals.event import Event, EventType, Role
from signals.units import DAY_MS

# Active days further back than this from the newest are forgotten (docs/contract.md, Bounds).
_KEPT_DAYS = 120


@dataclass
class UserNumbers:
    """The parameters."""

    habit_days: int = 3
    habit_within: int = 7
    stalled_after: int = DAY_MS


@dataclass
class Life:
    """What a user did that matters here."""

    signed_up: Event | None = None
    has_activated: bool = False
    has_habit: bool = False
    # The sign-up that waits for an activation.
    waits: Event | None = None
    days: set[int] = field(default_factory=set)


class UserReference:
    """Fed by `Reference`, which settles duplicates and who is internal."""

    def __init__(self, numbers: UserNumbers, fired: list[tuple[str, str, str, int]]) -> None:
        self.numbers = numbers
        self.fired = fired
        self.lives: dict[str, Life] = defaultdict(Life)

    def tick(self, time: int) -> None:
        """Time has come to `time`: what is due then or before it fires."""
        for user in self.lives:
            self._fire_due(user, time)

    def event_comes(self, user: str, time: int) -> None:
        """What was due before an event fires before it."""
        self._fire_due(user, time - 1)

    def is_internal(self, user: str) -> None:
        """Nobody waits for one of our own."""
        self.lives[user].waits = None

    def user_event(self, event: Event, roles: tuple[Role, ...]) -> None:
        """What a known user who is not internal did."""
        user = event.user_id or ""
        life = self.lives[user]
        life.has_activated |= Role.ACTIVATED in roles
        if Role.SIGNED_UP in roles and life.signed_up is None:
            life.signed_up = life.waits = event
        if life.has_activated:
            life.waits = None
        if event.type is EventType.TRACK and not event.passive:
            newest = max([*life.days, event.time // DAY_MS])
            life.days = {day for day in {*life.days, event.time // DAY_MS} if newest - day < _KEPT_DAYS}
        if life.signed_up is not None and not life.has_habit:
            since = [day - life.signed_up.time // DAY_MS for day in life.days]
            if sum(0 <= number < self.numbers.habit_within for number in since) >= self.numbers.habit_days:
                life.has_habit = True
                self.fired.append(("habit_formed", user, event.id, event.time))

    def _fire_due(self, user: str, until: int) -> None:
        waits = self.lives[user].waits
        if waits is not None and waits.time + self.numbers.stalled_after <= until:
            self.lives[user].waits = None
            self.fired.append(("activation_stalled", user, waits.id, waits.time + self.numbers.stalled_after))
