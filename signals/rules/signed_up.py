"""Activation: somebody signed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.event import Role
from signals.rule import Evidence, Finding, Kind, RuleParams, UserRule, Why

if TYPE_CHECKING:
    from signals.event import Event
    from signals.user import Progress, UserState


class SignedUpParams(RuleParams):
    """Nothing to tune: the first sign-up of a user, once ever."""


class SignedUp(UserRule):
    """Fires at the first `signed_up` event of a user."""

    name = "signed_up"
    kind = Kind.ACTIVATION
    roles = frozenset({Role.SIGNED_UP})
    play = "Nothing yet: let the product do its work, and see whether they activate."

    def __init__(self, params: SignedUpParams) -> None:
        self.params = params

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:  # noqa: ARG002
        """Fire if this event was the user's first sign-up."""
        return Finding({}) if progress.signed_up else None

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002
        """A sign-up that has not been seen may still be told."""
        return "no sign-up seen yet" if user.signed_up_at is None else None

    def headline(self, evidence: Evidence) -> str:  # noqa: ARG002
        """Say it."""
        return "a new sign-up"

    def why(self, evidence: Evidence) -> list[Why]:  # noqa: ARG002
        """One sign-up is all there is to it."""
        return [Why("signed_up", value=True)]
