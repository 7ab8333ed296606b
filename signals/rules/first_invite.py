"""Expansion: a user asked a colleague in for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.event import Role
from signals.rule import Evidence, Finding, Kind, RuleParams, UserRule, Why

if TYPE_CHECKING:
    from signals.event import Event
    from signals.user import Progress, UserState


class FirstInviteParams(RuleParams):
    """Nothing to tune: the first invitation of a user, once ever."""


class FirstInvite(UserRule):
    """Fires at the first `invite_sent` event of a user."""

    name = "first_invite"
    kind = Kind.EXPANSION
    roles = frozenset({Role.INVITE_SENT})
    play = "Nothing yet: a team may be forming. See whether the colleague joins."

    def __init__(self, params: FirstInviteParams) -> None:
        self.params = params

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:  # noqa: ARG002
        """Fire if the user has never been seen to invite anybody."""
        return None if user.has_fired(self.name) else Finding({})

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002
        """The one thing that is missing."""
        return None if user.has_fired(self.name) else "not invited anybody yet"

    def headline(self, evidence: Evidence) -> str:  # noqa: ARG002
        """Say it."""
        return "a first colleague was invited"

    def why(self, evidence: Evidence) -> list[Why]:  # noqa: ARG002
        """One invitation is all there is to it."""
        return [Why("first_invite", value=True)]
