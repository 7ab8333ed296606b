"""The first sign-up, once ever."""

from __future__ import annotations

from signals.event import Role
from tests.signals.builders import River, day, event


def test_first_sign_up_raises_signed_up_with_its_workspace() -> None:
    river = River()

    (signal,) = river.feed(event("ann", "acme", on=day(1), roles=[Role.SIGNED_UP], name="Signed Up"))

    assert (signal.signal, signal.user_id, signal.workspace_id) == ("signed_up", "ann", "acme")
    assert signal.time == day(1)


def test_second_sign_up_raises_nothing_even_if_it_is_earlier() -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(2), roles=[Role.SIGNED_UP]))

    assert river.feed(event("ann", "acme", on=day(1), roles=[Role.SIGNED_UP])) == []


def test_anonymous_sign_up_raises_nothing() -> None:
    river = River()

    assert river.feed(event(None, None, anonymous="a1", roles=[Role.SIGNED_UP])) == []
    assert river.facts == []
