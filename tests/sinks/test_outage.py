"""The waiting of a sink: how long until the next attempt."""

from __future__ import annotations

from sinks.outage import Outage


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_waits_double_from_half_a_second_to_fifteen() -> None:
    clock = Clock()
    outage = Outage(clock)
    waits = []

    for _ in range(7):
        outage.extend()
        waits.append(outage.remaining())
        clock.now += outage.remaining()

    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_end_tells_the_length_and_the_next_outage_starts_small() -> None:
    clock = Clock()
    outage = Outage(clock)
    outage.extend()
    clock.now += 3
    outage.extend()

    seconds = outage.end()
    lasts_after_end = bool(outage)
    outage.extend()

    assert (seconds, lasts_after_end, outage.remaining()) == (3.0, False, 0.5)


def test_other_end_that_says_when_is_taken_at_its_word_and_the_growing_waits_stay_as_they_are() -> None:
    clock = Clock()
    outage = Outage(clock)
    waits = []

    for hint in (30.0, 0.1, None, 3_600.0, None):
        outage.extend(hint)
        waits.append(round(outage.remaining(), 6))
        clock.now += outage.remaining()

    assert waits == [30.0, 0.1, 0.5, 3_600.0, 1.0]


def test_its_age_is_that_of_its_first_failure_and_zero_without_one() -> None:
    clock = Clock()
    outage = Outage(clock)
    ages = [outage.age()]
    outage.extend()
    clock.now += 3
    outage.extend()
    ages.append(outage.age())
    outage.end()

    assert [*ages, outage.age()] == [0.0, 3.0, 0.0]
