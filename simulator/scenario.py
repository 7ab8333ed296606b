"""Scenario: what a run of the simulator is asked for; everything else follows from it and its seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

# Measured over several seeds at 20 to 60 days. From 500 workspaces up a run is within a tenth of it; a large company
# has anything between 50 and 300 users, so a run of few companies can be far off.
EVENTS_PER_WORKSPACE_DAY = 4.0
EVENTS_PER_LARGE_WORKSPACE_DAY = 200.0

DEFAULT_END = datetime(2026, 3, 1, tzinfo=UTC)


class Scenario(BaseModel):
    """
    One run. Events are about `days x (4 x workspaces + 200 x large)`: the default is about 500,000.

    Args:
        seed: Another seed is another world; the same seed is the same one, byte for byte.
        days: How long the run is; it covers the time from `end - days` to `end`.
        end: The newest moment of the run. A fixed date by default: a run never reads the clock.
        workspaces: Companies whose life is told, those that stall before they make a workspace included.
        large: How many of them have `large_users` users instead of `users` (all of them at most).
        users: Fewest and most users a company grows to, if it lives long enough.
        large_users: The same for the large ones.
        existing: Share of the ordinary companies that were customers before the run began.
        duplicates: Share of events that are delivered twice, with the same `messageId`.
        late: Share of events that are delivered late: most within 36 hours, a tenth within 10 days.
        visitors: Anonymous visitors of the website per workspace and day, who never sign up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 7
    days: int = Field(default=60, ge=1, le=3_650)
    end: AwareDatetime = DEFAULT_END
    workspaces: int = Field(default=2_000, ge=1)
    large: int = Field(default=3, ge=0)
    users: tuple[int, int] = (2, 8)
    large_users: tuple[int, int] = (50, 300)
    existing: float = Field(default=0.2, ge=0, le=1)
    duplicates: float = Field(default=0.02, ge=0, le=1)
    late: float = Field(default=0.03, ge=0, le=1)
    visitors: float = Field(default=0.05, ge=0)

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name, (fewest, most) in (("users", self.users), ("large_users", self.large_users)):
            if not 1 <= fewest <= most:
                raise ValueError(f"{name} is the fewest and the most, at least 1 each; got {fewest}, {most}")
        return self

    @classmethod
    def for_events(
        cls, events: int, *, seed: int = 7, days: int = 60, end: datetime = DEFAULT_END, large: int = 3
    ) -> Scenario:
        """
        The scenario that gives about `events` events (from 100,000 up within a fifth), by its number of workspaces.

        Large companies have at most half of the events; where that is too few for `large` of them, there are fewer.
        """
        a_day = events / days
        large = min(large, int(a_day / 2 / EVENTS_PER_LARGE_WORKSPACE_DAY))
        ordinary = round((a_day - large * EVENTS_PER_LARGE_WORKSPACE_DAY) / EVENTS_PER_WORKSPACE_DAY)
        return cls(seed=seed, days=days, end=end, workspaces=large + max(1, ordinary), large=large)

    @property
    def end_ms(self) -> int:
        """The newest moment, Unix milliseconds."""
        return int(self.end.timestamp() * 1_000)

    @property
    def start_ms(self) -> int:
        """The first moment, Unix milliseconds."""
        return self.end_ms - self.days * (timedelta(days=1) // timedelta(milliseconds=1))
