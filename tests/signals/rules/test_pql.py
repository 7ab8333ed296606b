"""The score reaches a level (SIGNALS 4 and 5)."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from signals.config import Config
from signals.event import Event, EventType, Role, Tick
from signals.facts import AlertStatus, Decision
from signals.units import DAY_MS
from tests.signals.builders import HOUR, River, day, event
from tests.signals.rules.billing_events import of

# Each request weighs what a test gives it, and nothing else weighs anything.
WEIGHTS = dict.fromkeys(Config().score.weights, 0.0)


def river(weight: float = 50.0, pql: dict[str, object] | None = None, **settings: object) -> River:
    """Every procurement request weighs so much."""
    score = {"weights": WEIGHTS | {"procurement": weight}, "cap": 100.0}
    return River({"score": score, "signals": {"procurement": {"cooldown": "0s"}, "pql": pql or {}}} | settings)


def request(on: int, workspace: str = "acme", email: str | None = None) -> Event:
    return event("ann", workspace, on=on, roles=[Role.PROCUREMENT_REQUESTED], name="DPA Requested", email=email)


def levels(of_river: River) -> list[tuple[str, int]]:
    return [(firing.key, firing.time) for firing in of_river.signals if firing.signal == "pql"]


@pytest.mark.parametrize(
    ("weight", "level"), [(50, "attention"), (49.999999, None), (79.999999, "attention"), (80, "ready"), (100, "ready")]
)
def test_the_highest_level_reached_fires_alone(weight: float, level: str | None) -> None:
    scored = river(weight)

    scored.feed(request(day(1)))

    assert levels(scored) == ([(level, day(1))] if level else [])


def test_evidence_has_the_score_its_threshold_and_its_parts() -> None:
    scored = river(40.04)
    scored.feed(request(day(1), email="ann@acme.com"))

    (evidence,) = of("pql", scored.signals)

    assert evidence == {
        "level": "attention",
        "score": 50.0,
        "threshold": 50.0,
        "fit.corporate": 10.0,
        "intent.procurement": 40.0,
    }


def test_attention_may_be_followed_by_ready_and_not_the_other_way_round() -> None:
    scored = river(50)

    scored.feed(request(day(1)), request(day(1, 13)), request(day(5)))

    assert levels(scored) == [("attention", day(1)), ("ready", day(1, 13))]


def test_staying_above_a_level_says_nothing_again() -> None:
    scored = river(30)

    scored.feed(*(request(day(number)) for number in range(1, 60, 3)))

    assert [level for level, _ in levels(scored)] == ["attention", "ready"]


@pytest.mark.parametrize(("hysteresis", "fires"), [(24.9, True), (25.0, False), (25.1, False)])
def test_a_score_that_has_been_below_the_level_by_more_than_the_hysteresis_arms_it_again(
    hysteresis: float, fires: bool
) -> None:
    # 50 points are 25 after 14 days, just before the next request.
    scored = river(50, pql={"hysteresis": hysteresis})

    scored.feed(request(day(1)), request(day(15)))

    assert levels(scored) == [("attention", day(1)), ("attention", day(15))][: 1 + fires]


@pytest.mark.parametrize(("later", "fires"), [(14 * DAY_MS, True), (14 * DAY_MS - 1, False)])
def test_a_level_is_said_once_in_14_days(later: int, fires: bool) -> None:
    settings = {"half_life": "1d", "weights": WEIGHTS | {"procurement": 50.0}, "cap": 100.0}
    scored = river(score=settings)

    scored.feed(request(day(1)), request(day(1) + later))

    assert levels(scored) == [("attention", day(1)), ("attention", day(1) + later)][: 1 + fires]


def test_what_is_learnt_of_the_company_moves_the_score_too() -> None:
    scored = river(25)
    scored.feed(request(day(1)))
    assert levels(scored) == []

    scored.feed(event("bob", "acme", on=day(1, 13), email="bob@walmart.com"))

    assert [level for level, _ in levels(scored)] == []
    scored = river(26)
    scored.feed(request(day(1)), event("bob", "acme", on=day(1, 13), email="bob@walmart.com"))
    assert levels(scored) == [("attention", day(1, 13))]


def test_what_the_clock_tells_late_is_held_against_the_score_of_now() -> None:
    weights = WEIGHTS | {"procurement": 30.0, "first_invite": 34.0}
    scored = river(score={"weights": weights}, events={"activated": ["Report Shared"]})
    scored.feed(request(day(1)), event("bob", "acme", on=day(2), roles=[Role.SIGNED_UP]))
    # 15 are left of the 30 by then: 49 in all.
    scored.feed(event("ann", "acme", on=day(15), roles=[Role.INVITE_SENT]))

    fired = scored.feed(Tick(day(16)))

    # On the day on which he stalled it would have been 61, by points that came twelve days later.
    assert [(firing.signal, firing.time) for firing in fired] == [("activation_stalled", day(3))]


def test_how_low_it_was_before_the_company_was_known_arms_it_again() -> None:
    scored = river(50)
    scored.feed(request(day(1)))
    scored.feed(event("bob", "acme", on=day(12, 1), email="bob@walmart.com"))

    last = scored.workspace("acme").last_fired("pql", "attention")

    # 50 points after ten and a half days, without the 25 of the company.
    assert last is not None
    assert last.low == pytest.approx(50 / 2 ** ((10.5 - 1 / 24 + 2 / 24) / 14), abs=0.1)


def test_ready_is_one_step_more_urgent_than_the_route_says_and_not_cooled_down_by_attention() -> None:
    scored = river(50, routes=[{"name": "sdr", "signals": ["pql"]}])

    scored.feed(request(day(1)), request(day(2)))

    assert [(alert.priority, alert.status) for alert in scored.alerts] == [
        ("normal", AlertStatus.OPEN),
        ("high", AlertStatus.OPEN),
    ]


def test_attention_is_no_news_while_ready_is_open() -> None:
    scored = river(50, routes=[{"name": "sdr", "signals": ["pql"]}])
    scored.feed(request(day(1)), request(day(1)))
    assert [level for level, _ in levels(scored)] == ["attention", "ready"]

    # 100 points are less than 5 after nine weeks.
    scored.feed(request(day(64)))

    assert [level for level, _ in levels(scored)] == ["attention", "ready", "attention"]
    decided = [verdict.verdict for verdict in scored.verdicts if verdict.signal == "pql"]
    assert decided == [Decision.SENT, Decision.BUNDLED, Decision.SUPERSEDED]


def test_held_one_is_over_once_the_score_has_faded_and_the_gap_names_the_points() -> None:
    scored = river(50)
    scored.feed(request(day(1)))
    rule = scored.engine.by_name["pql"]

    assert rule.still_holds(scored.workspace("acme"), 0)
    assert rule.gap(scored.workspace("acme"), day(1), 0) == "30 more points for ready"  # type: ignore[attr-defined]
    scored.feed(event("ann", "acme", on=day(1) + HOUR, kind=EventType.PAGE))
    assert not rule.still_holds(scored.workspace("acme"), 0)
    assert rule.gap(scored.workspace("acme"), day(1) + HOUR, 0) == "0.2 more points for attention"  # type: ignore[attr-defined]


def test_ready_must_be_above_attention_and_pql_adds_nothing_to_itself() -> None:
    with pytest.raises(ValidationError, match="ready must be above attention"):
        Config.model_validate({"signals": {"pql": {"attention": 80, "ready": 80}}})
    with pytest.raises(ValidationError, match="adds nothing itself"):
        Config.model_validate({"score": {"weights": {"pql": 10}}})
