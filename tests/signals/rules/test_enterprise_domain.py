"""The first user from each large company, by his last known address (SIGNALS A18 and A25)."""

from __future__ import annotations

import pytest

from signals.event import EventType
from tests.signals.builders import River, event


def test_user_from_a_company_of_the_list_raises_enterprise_domain() -> None:
    (signal,) = River().feed(event("ann", "acme", email="ann@labs.walmart.com"))

    assert signal.signal == "enterprise_domain"
    assert signal.evidence["domain"] == "walmart.com"
    assert signal.evidence["company"] == "Walmart"


@pytest.mark.parametrize("email", ["ann@gmail.com", "ann@small.example", "ann@mailinator.com"])
def test_other_addresses_raise_nothing(email: str) -> None:
    assert River().feed(event("ann", "acme", email=email)) == []


def test_enterprise_domain_is_said_once_per_workspace_and_domain() -> None:
    river = River()
    river.feed(event("ann", "acme", email="ann@walmart.com"))

    signals = river.feed(
        event("bob", "acme", email="bob@walmart.com", kind=EventType.PAGE),
        event("cem", "acme", email="cem@ge.com", kind=EventType.PAGE),
        event("ann", "other"),
    )

    assert [(s.workspace_id, s.evidence["domain"]) for s in signals] == [("acme", "ge.com"), ("other", "walmart.com")]


def test_address_known_from_before_counts_at_the_first_event_in_the_workspace() -> None:
    river = River()
    river.feed(event("ann", None, email="ann@walmart.com", kind=EventType.IDENTIFY))

    signals = river.feed(event("ann", "acme", kind=EventType.PAGE))

    assert [(s.signal, s.workspace_id) for s in signals] == [("enterprise_domain", "acme")]
