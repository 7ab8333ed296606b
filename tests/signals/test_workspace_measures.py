"""What a workspace tells the funnel: its creation, and each change of its revenue, in the order that A4 gives plans."""

from __future__ import annotations

import pytest

from signals.event import Event, Role, Scalar
from signals.facts import Firing, Outputs
from signals.rule import Kind, Scope
from tests.signals.builders import River, day, event


class Measuring(River):
    """A river that also keeps the measures."""

    def __init__(self) -> None:
        super().__init__()
        self.measures: list[Firing] = []

    def _collect(self, out: Outputs) -> None:
        super()._collect(out)
        self.measures += out.measures

    def told(self, name: str) -> list[Firing]:
        return [one for one in self.measures if one.signal == name]

    def revenue(self) -> list[tuple[Scalar | None, Scalar | None]]:
        """Each change: from what, to what."""
        return [(one.evidence["previous_mrr"], one.evidence["mrr"]) for one in self.told("revenue")]


def created(on: int = day(1)) -> Event:
    return event("ann", "acme", on=on, roles=[Role.WORKSPACE_CREATED], name="Workspace Created")


def billed(on: int, plan: str | None = "pro", name: str = "Plan Changed", **more: Scalar) -> Event:
    made = event(None, "acme", on=on, roles=[Role.PLAN_CHANGED], name=name)
    made.properties = {**({} if plan is None else {"plan": plan}), **more}
    return made


def test_a_workspace_is_created_once() -> None:
    river = Measuring()

    river.feed(created(), created(day(2)))

    [measure] = river.told("workspace_created")
    assert (measure.kind, measure.scope, measure.subject, measure.time) == (
        Kind.MEASURE,
        Scope.WORKSPACE,
        "acme",
        day(1),
    )
    assert river.verdicts == []


def test_the_first_revenue_of_a_workspace_that_we_saw_come_into_being_is_new() -> None:
    river = Measuring()

    river.feed(created(), billed(day(2), mrr=100, currency="usd"))

    [measure] = river.told("revenue")
    assert measure.evidence == {"mrr": 100, "previous_mrr": 0, "currency": "USD", "change": 1}


def test_the_first_revenue_of_an_older_workspace_is_a_baseline() -> None:
    river = Measuring()

    river.feed(billed(day(2), mrr=100))

    assert river.revenue() == [(None, 100)]


def test_the_first_revenue_after_a_free_plan_is_new() -> None:
    river = Measuring()

    river.feed(billed(day(1), "free"), billed(day(2), mrr=100))

    assert river.revenue() == [(0, 100)]


def test_each_change_is_told_with_an_id_of_its_own_and_the_same_amount_is_none() -> None:
    river = Measuring()

    river.feed(created(), *(billed(day(2 + n), mrr=mrr) for n, mrr in enumerate([100, 100, 150, 100])))

    assert river.revenue() == [(0, 100), (100, 150), (150, 100)]
    assert len({one.id for one in river.told("revenue")}) == 3
    assert [one.n for one in river.told("revenue")] == [1, 2, 3]


def test_of_two_changes_the_earlier_is_ignored_and_one_at_the_same_time_counts() -> None:
    river = Measuring()

    river.feed(created(), billed(day(5), mrr=100), billed(day(5) - 1, mrr=50), billed(day(5), mrr=70))

    assert river.revenue() == [(0, 100), (100, 70)]


@pytest.mark.parametrize(("plan", "name"), [("free", "Plan Changed"), (None, "Subscription Cancelled")])
def test_who_goes_to_a_free_plan_pays_nothing_even_if_the_event_says_nothing_of_it(plan: str | None, name: str) -> None:
    river = Measuring()

    river.feed(created(), billed(day(2), mrr=100), billed(day(9), plan, name))

    assert river.revenue() == [(0, 100), (100, 0)]


def test_a_change_of_seats_without_an_amount_leaves_the_revenue_as_it_was() -> None:
    river = Measuring()

    river.feed(created(), billed(day(2), mrr=100), billed(day(3), seats=9))

    assert river.revenue() == [(0, 100)]


def test_amounts_in_two_currencies_are_no_difference() -> None:
    river = Measuring()

    river.feed(created(), billed(day(2), mrr=100, currency="USD"), billed(day(3), mrr=90, currency="EUR"))

    assert river.revenue() == [(0, 100), (None, 90)]


@pytest.mark.parametrize("mrr", [-1, "100", True])
def test_what_is_no_amount_is_as_if_absent(mrr: Scalar) -> None:
    river = Measuring()

    river.feed(created(), billed(day(2), mrr=mrr))

    assert river.revenue() == []


@pytest.mark.parametrize("currency", ["dollars", "U$", "", 7])
def test_what_is_no_code_of_a_currency_is_as_if_absent(currency: Scalar) -> None:
    river = Measuring()

    river.feed(created(), billed(day(2), mrr=100, currency=currency))

    assert river.told("revenue")[0].evidence["currency"] is None
