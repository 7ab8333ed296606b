"""The first activation and the time it took (SIGNALS A28)."""

from __future__ import annotations

import pytest

from signals.event import EventType, Role
from tests.signals.builders import ACTIVATION, River, day, event, names


def activated_after(seconds: float, employees: float | str | bool | None = None) -> dict[str, object]:
    river = River(ACTIVATION)
    traits = {} if employees is None else {"employees": employees}
    river.feed(event("ann", "acme", on=day(1), kind=EventType.GROUP, traits=traits))
    river.feed(event("ann", "acme", on=day(1), roles=[Role.SIGNED_UP]))
    (signal,) = river.feed(event("ann", "acme", on=day(1) + int(seconds * 1_000), roles=[Role.ACTIVATED]))
    return dict(signal.evidence)


def test_activation_exactly_on_target_is_fast() -> None:
    assert activated_after(600) == {"time_to_value": 600, "target": 600, "fast": True}


def test_activation_one_millisecond_past_the_target_is_not_fast() -> None:
    assert activated_after(600.001) == {"time_to_value": 600.001, "target": 600, "fast": False}


def test_company_above_the_limit_has_the_mid_market_target() -> None:
    assert activated_after(600.001, employees=101) == {"time_to_value": 600.001, "target": 1800, "fast": True}


@pytest.mark.parametrize("employees", [100, "500", True])
def test_company_at_the_limit_or_of_unreadable_size_is_small(employees: float | str | bool) -> None:
    assert activated_after(1, employees)["target"] == 600


def test_activation_without_a_known_sign_up_has_no_time_to_value() -> None:
    (signal,) = River().feed(event("ann", "acme", roles=[Role.ACTIVATED]))

    assert signal.evidence == {"time_to_value": None, "target": 600, "fast": None}


def test_activation_before_the_sign_up_has_no_time_to_value() -> None:
    assert activated_after(-1)["time_to_value"] is None


def test_event_that_is_sign_up_and_activation_raises_both_in_order() -> None:
    signals = River().feed(event("ann", "acme", roles=[Role.ACTIVATED, Role.SIGNED_UP]))

    assert names(signals) == ["signed_up", "activated"]
    assert signals[1].evidence["time_to_value"] == 0
