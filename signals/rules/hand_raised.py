"""Intent: a user asked to talk to sales."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from signals.event import Role
from signals.rule import Evidence, Finding, Kind, RuleParams, UserRule, Why
from signals.units import Duration, milliseconds

if TYPE_CHECKING:
    from signals.event import Event
    from signals.user import Progress, UserState


class HandRaisedParams(RuleParams):
    """How long further requests of the same user stay one request."""

    cooldown: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(hours=24)


class HandRaised(UserRule):
    """Fires at each `sales_contacted`, at most once per user and cooldown, also before activation."""

    name = "hand_raised"
    kind = Kind.INTENT
    roles = frozenset({Role.SALES_CONTACTED})
    before_activation = True
    play = "They ask for you. Answer within the hour, in person, with what they do in the product at hand."

    def __init__(self, params: HandRaisedParams) -> None:
        self.params = params
        self._cooldown_ms = milliseconds(params.cooldown)

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:  # noqa: ARG002
        """Fire unless it fired for the user less than a cooldown before, in event time."""
        if user.is_cooling_down(self.name, event.time, self._cooldown_ms):
            return None
        return Finding({"request": event.matched or event.name or ""})

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002
        """The one thing that is missing, where a request would count."""
        if user.is_cooling_down(self.name, now, self._cooldown_ms):
            return None
        return "no request to talk to sales yet" if user.last_fired(self.name) is None else "no new request"

    def headline(self, evidence: Evidence) -> str:
        """Say it, by the name of the request."""
        return f"asked to talk to sales ({evidence['request']})"

    def why(self, evidence: Evidence) -> list[Why]:
        """Name the request; one is enough."""
        return [Why("sales_request", evidence["request"])]
