"""What group calls say of a company."""

from __future__ import annotations

import pytest

from signals.event import Scalar
from tests.signals.builders import River, day
from tests.signals.rules.billing_events import group


@pytest.mark.parametrize(
    ("said", "known"),
    [([120], 120), ([120, 80], 80), ([120, "many"], 120), ([True], None), (["120"], None), ([0.5], 0.5)],
)
def test_employees_are_the_number_of_the_newest_call_that_has_one(said: list[Scalar], known: float | None) -> None:
    river = River()
    river.feed(*(group(day(number), employees=value) for number, value in enumerate(said, 1)))

    assert river.workspace("acme").employees == known
