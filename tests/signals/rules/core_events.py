"""Facts as the user step tells them: core events by day, and people at work."""

from __future__ import annotations

from itertools import count

from signals.event import Source
from signals.facts import Fact, FactKind
from tests.signals.builders import FIRST_DAY, River, day

_places = count(1)


# Without core events the rules over volume are off.
SETTINGS: dict[str, object] = {"events": {"core": ["Report Exported"]}}


def core(on_day: int, events: int, *, at: int | None = None, user: str = "ann", active: bool = False) -> Fact:
    """So many more core events of `acme` on a day (day 1 is the Monday), told at noon unless said otherwise."""
    place = next(_places)
    return Fact(
        "acme",
        FactKind.OBSERVED,
        0,
        place,
        17,
        day(on_day) if at is None else at,
        f"f{place}",
        Source("events", 0, place),
        user_id=user,
        core=((FIRST_DAY + on_day - 1, events),) if events else (),
        day=FIRST_DAY + on_day - 1 if active else None,
        active=active,
    )


def usual(river: River, weekly: int, weeks: int = 4, from_day: int = 1) -> None:
    """Weeks of so many core events each, all on their first day."""
    for week in range(weeks):
        river.feed_fact(core(from_day + 7 * week, weekly))
