"""What is left to read is never less than nothing."""

from __future__ import annotations

import pytest

from streams.lag import behind


@pytest.mark.parametrize(("done", "end", "left"), [(0, 5, 5), (4, 5, 1), (5, 5, 0), (6, 5, 0)])
def test_who_is_past_the_end_that_a_broker_tells_has_nothing_left(done: int, end: int, left: int) -> None:
    assert behind(done, end) == left
