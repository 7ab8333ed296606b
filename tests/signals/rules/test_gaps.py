"""What is missing for a user's signal to fire, as people are told it; nothing where nothing can be said."""

from __future__ import annotations

from signals.event import Event, Role
from signals.rule import UserRule
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day, event


def rule(river: River, name: str) -> UserRule:
    found = river.engine.by_name[name]
    assert isinstance(found, UserRule)
    return found


def gap(name: str, *made: Event, on: int = day(3)) -> str | None:
    river = River(ACTIVATION)
    river.feed(*(made or [event("ann", "acme", on=day(1))]))
    return rule(river, name).gap(river.user("ann"), on, on // DAY_MS)


def did(role: Role, on: int = day(2)) -> Event:
    return event("ann", "acme", on=on, roles=[role])


def tried(feature: str, on: int = day(2)) -> Event:
    made = did(Role.FEATURE_GATED, on)
    made.properties = {"feature": feature}
    return made


def test_sign_up() -> None:
    assert gap("signed_up") == "no sign-up seen yet"
    assert gap("signed_up", did(Role.SIGNED_UP)) is None


def test_activation() -> None:
    assert gap("activated") == "not activated yet"
    assert gap("activated", did(Role.ACTIVATED)) is None


def test_first_invite() -> None:
    assert gap("first_invite") == "not invited anybody yet"
    assert gap("first_invite", did(Role.INVITE_SENT)) is None


def test_hand_raised_says_nothing_inside_its_cooldown() -> None:
    assert gap("hand_raised") == "no request to talk to sales yet"
    assert gap("hand_raised", did(Role.SALES_CONTACTED), on=day(2, 20)) is None
    assert gap("hand_raised", did(Role.SALES_CONTACTED), on=day(3)) == "no new request"


def test_gated_feature_names_the_feature_that_lacks_least() -> None:
    assert gap("gated_feature") == "2 attempts at the same feature within 7 days"
    assert gap("gated_feature", tried("export")) == "1 more attempt at export within 7 days"
    assert gap("gated_feature", tried("")) == "1 more attempt at a feature without a name within 7 days"
    assert gap("gated_feature", tried("export"), on=day(20)) == "2 attempts at the same feature within 7 days"


def test_gated_feature_leaves_out_what_has_just_fired() -> None:
    assert gap("gated_feature", tried("export"), tried("export")) == "2 attempts at the same feature within 7 days"
