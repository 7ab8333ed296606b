"""What the funnel is told besides signals: rolling days from sign-up and activation, invitations, who has joined."""

from __future__ import annotations

import pytest

from signals.engine import Outputs
from signals.event import Event, EventType, Role, Tick
from signals.facts import Firing
from signals.rule import Kind, Scope
from tests.signals.builders import ACTIVATION, HOUR, River, day, event

OURS = {**ACTIVATION, "internal": {"user_ids": ["boss"], "domains": ["oursaas.example"]}}
START = day(1)


class Funnel(River):
    """A river that keeps the measures."""

    def __init__(self, settings: dict[str, object] | None = None) -> None:
        super().__init__(settings or OURS)
        self.measures: list[Firing] = []

    def _collect(self, out: Outputs) -> None:
        super()._collect(out)
        self.measures += out.measures

    def told(self, *records: Event | Tick) -> list[str]:
        """Their names, but for who joined."""
        before = len(self.measures)
        self.feed(*records)
        return [measure.signal for measure in self.measures[before:] if measure.signal != "joined"]


def signed_up(on: int = START) -> Event:
    return event("ann", "acme", on=on, roles=[Role.SIGNED_UP])


def active(hours: float, less_ms: int = 0) -> Event:
    return event("ann", "acme", on=START + int(hours * HOUR) - less_ms)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (active(24, 1), []),
        (active(24), ["active_week_1"]),
        (active(48, 1), ["active_week_1"]),
        (active(48), ["active_day_2", "active_week_1"]),
        (active(72, 1), ["active_day_2", "active_week_1"]),
        (active(72), ["active_week_1"]),
        (active(192, 1), ["active_week_1"]),
        (active(192), []),
        (active(-1), []),
    ],
)
def test_days_roll_from_the_sign_up(made: Event, told: list[str]) -> None:
    funnel = Funnel()
    funnel.feed(signed_up())
    made.source = event().source

    assert funnel.told(made) == told


@pytest.mark.parametrize(
    ("hours", "less", "is_told"), [(168, 1, False), (168, 0, True), (192, 1, True), (192, 0, False)]
)
def test_day_seven_rolls_from_the_activation(hours: float, less: int, is_told: bool) -> None:
    funnel = Funnel()
    funnel.feed(event("ann", "acme", on=START, roles=[Role.ACTIVATED]))

    assert funnel.told(active(hours, less)) == (["active_day_7"] if is_told else [])


def test_each_is_told_once() -> None:
    funnel = Funnel()
    funnel.feed(signed_up())

    assert funnel.told(*[active(hours) for hours in range(1, 400)]) == ["active_week_1", "active_day_2"]
    assert funnel.user("ann").measurable_until == 0


def test_what_came_before_the_sign_up_was_seen_counts_nothing() -> None:
    assert Funnel().told(active(50), signed_up()) == []


def test_page_calls_are_no_activity() -> None:
    funnel = Funnel()
    funnel.feed(signed_up())

    assert funnel.told(event("ann", "acme", on=START + 50 * HOUR, kind=EventType.PAGE)) == []


def test_each_invitation_is_told_with_its_number() -> None:
    funnel = Funnel()
    funnel.feed(*[event("ann", "acme", on=START, roles=[Role.INVITE_SENT]) for _ in range(3)])

    invited = [measure for measure in funnel.measures if measure.signal == "invited"]
    assert [measure.n for measure in invited] == [1, 2, 3]
    assert len({measure.id for measure in invited}) == 3
    assert {(measure.kind, measure.scope, measure.workspace_id) for measure in invited} == {
        (Kind.MEASURE, Scope.USER, "acme")
    }


def test_who_joins_a_real_workspace_is_told_once_for_each() -> None:
    funnel = Funnel()
    funnel.feed(
        event("ann", None, on=START, roles=[Role.SIGNED_UP]),
        event("ann", "acme", on=START + 1),
        event("ann", "acme", on=START + 2, roles=[Role.MEMBER_REMOVED]),
        event("ann", "acme", on=START + 3, roles=[Role.MEMBER_JOINED]),
        event("ann", "other", on=START + 4, kind=EventType.IDENTIFY),
        event("ann", "other", on=START + 5),
    )

    joined = [measure for measure in funnel.measures if measure.signal == "joined"]
    assert [(measure.workspace_id, measure.key, measure.time) for measure in joined] == [
        ("acme", "acme", START + 1),
        ("other", "other", START + 5),
    ]


def test_our_own_people_are_no_part_of_the_funnel() -> None:
    funnel = Funnel()
    roles = ([Role.SIGNED_UP], [Role.INVITE_SENT], [Role.MEMBER_JOINED], [])
    funnel.feed(*[event("boss", "acme", on=START + n * 30 * HOUR, roles=each) for n, each in enumerate(roles)])

    assert funnel.measures == []


def test_measures_get_no_verdict() -> None:
    funnel = Funnel()
    funnel.feed(signed_up(), active(50))

    judged = {verdict.signal_id for verdict in funnel.verdicts}
    assert judged.isdisjoint(measure.id for measure in funnel.measures)
    assert len(funnel.measures) == 3
