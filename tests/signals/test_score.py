"""What a score is made of, and how it fades (SIGNALS 5)."""

from __future__ import annotations

from itertools import count, permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.domains import DomainKind
from signals.event import EventType, Role, Source
from signals.facts import Alert, Firing
from signals.rule import Kind, Scope
from signals.score import Company, Points, Scoring
from signals.units import DAY_MS
from signals.workspace import WorkspaceState
from tests.signals.builders import MONDAY, River, day, engine, event, team
from tests.signals.rules.billing_events import usage

SCORING = engine().scoring
AMONG_RIVALS = engine({"domains": {"competitors": ["rival.com"]}}).scoring
_numbers = count(1)


def fired(signal: str, on: int = MONDAY, kind: Kind = Kind.EXPANSION) -> Firing:
    number = next(_numbers)
    return Firing(f"s{number}", signal, kind, Scope.WORKSPACE, 1, on, f"e{number}", Source("events", 0, number))


def scored(*firings: Firing, scoring: Scoring = SCORING) -> WorkspaceState:
    workspace = WorkspaceState()
    for firing in firings:
        scoring.take(workspace, [firing], firing.time, None)
    return workspace


def score(workspace: WorkspaceState, on: int = MONDAY) -> float:
    return SCORING.standing(workspace, on).score


def test_a_signal_adds_its_weight_under_its_part() -> None:
    standing = SCORING.standing(scored(fired("multi_user"), fired("procurement", kind=Kind.INTENT)), MONDAY)

    assert standing.score == 45
    assert list(standing.parts.items()) == [("usage.multi_user", 15.0), ("intent.procurement", 30.0)]


def test_it_is_worth_half_after_exactly_14_days_and_a_quarter_after_28() -> None:
    workspace = scored(fired("multi_user"))

    assert [score(workspace, MONDAY + days * DAY_MS) for days in (0, 14, 28)] == [15.0, 7.5, 3.75]
    assert score(workspace, MONDAY - DAY_MS) == 15.0


@pytest.mark.parametrize(("times", "points"), [(1, 15.0), (2, 30.0), (3, 30.0)])
def test_one_signal_counts_for_no_more_than_the_cap(times: int, points: float) -> None:
    assert score(scored(*[fired("multi_user")] * times)) == points


def test_the_order_in_which_signals_are_applied_makes_no_difference_below_the_cap() -> None:
    firings = [fired("second_user", MONDAY + days * DAY_MS) for days in (0, 5, 14)]

    states = [scored(*order).score for order in permutations(firings)]

    assert states == [{"second_user": Points(states[0]["second_user"].points, MONDAY + 14 * DAY_MS)}] * 6
    assert states[0]["second_user"].points == pytest.approx(5 + 5 / 2 ** (9 / 14) + 2.5, abs=1e-5)


def test_risk_adds_nothing_whatever_the_signal_adds_otherwise() -> None:
    assert scored(fired("multi_user", kind=Kind.RISK), fired("usage_drop", kind=Kind.RISK)).score == {}


def test_a_weight_of_the_config_may_count_against() -> None:
    scoring = engine({"score": {"weights": {"usage_drop": -20.0}}}).scoring
    workspace = scored(fired("multi_user"), fired("usage_drop", kind=Kind.RISK), scoring=scoring)

    assert scoring.standing(workspace, MONDAY).parts == {"usage.multi_user": 15.0, "usage.usage_drop": -20.0}
    assert scoring.standing(workspace, MONDAY).score == 0


def test_what_has_faded_to_nothing_is_forgotten() -> None:
    workspace = scored(fired("multi_user"), fired("second_user", MONDAY + 200 * DAY_MS))

    assert list(workspace.score) == ["second_user"]


@pytest.mark.parametrize(
    ("company", "parts"),
    [
        (Company(None, None, None), {}),
        (Company("walmart.com", DomainKind.ENTERPRISE, None), {"fit.enterprise": 25.0}),
        (Company("acme.com", DomainKind.CORPORATE, 100), {"fit.corporate": 10.0}),
        (Company("acme.com", DomainKind.CORPORATE, 101), {"fit.corporate": 10.0, "fit.mid_market": 5.0}),
        (Company("acme.com", DomainKind.CORPORATE, 1_000), {"fit.corporate": 10.0, "fit.mid_market": 5.0}),
        (Company("acme.com", DomainKind.CORPORATE, 1_001), {"fit.corporate": 10.0, "fit.large": 10.0}),
        (Company("mit.edu", DomainKind.ACADEMIC, None), {"penalty.student": -40.0}),
        (Company(None, DomainKind.FREE_MAIL, None), {"penalty.free_mail": -20.0}),
        (Company(None, DomainKind.DISPOSABLE, None), {"penalty.free_mail": -20.0}),
        (Company("rival.com", DomainKind.CORPORATE, None), {"fit.corporate": 10.0, "penalty.competitor": -100.0}),
        (Company("ours.example", DomainKind.CORPORATE, None), {"fit.corporate": 10.0, "penalty.internal": -100.0}),
    ],
)
def test_the_company_adds_fit_or_takes_a_penalty(company: Company, parts: dict[str, float]) -> None:
    scoring = engine({"domains": {"competitors": ["rival.com"]}, "internal": {"domains": ["ours.example"]}}).scoring

    assert dict(scoring.standing(WorkspaceState(), MONDAY, company).parts) == parts


def test_people_of_free_mail_count_against_until_somebody_writes_from_a_company() -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(1), email="ann@gmail.com"))
    assert river.workspace("acme").domain_kind is DomainKind.FREE_MAIL
    assert river.workspace("acme").domain is None

    for address, domain in (
        ("bob@mit.edu", "mit.edu"),
        ("cid@acme.com", "acme.com"),
        ("dan@walmart.com", "walmart.com"),
    ):
        river.feed(event(address[:3], "acme", on=day(2), email=address))
        assert river.workspace("acme").domain == domain
    river.feed(event("eve", "acme", on=day(3), email="eve@gmail.com"))
    assert river.workspace("acme").domain_kind is DomainKind.ENTERPRISE


def test_our_own_people_are_not_the_company_of_a_customer() -> None:
    river = River({"internal": {"domains": ["ours.example"]}})

    river.feed(event("me", "acme", roles=[Role.PLAN_CHANGED], email="me@ours.example"))

    assert (river.workspace("acme").domain, river.workspace("acme").domain_kind) == (None, None)


def test_a_large_company_with_a_team_at_a_limit_deserves_attention_and_is_ready_once_it_asks() -> None:
    river = River()
    river.feed(
        *team("acme", 4, day(1)), event("eve", "acme", on=day(1), email="eve@walmart.com"), usage(day(1), used=80)
    )
    levels = [firing.key for firing in river.signals if firing.signal == "pql"]

    river.feed(event("eve", "acme", on=day(8), roles=[Role.SALES_CONTACTED], name="Demo Requested"))

    assert levels == ["attention"]
    assert [firing.key for firing in river.signals if firing.signal == "pql"] == ["attention", "ready"]


def test_an_alert_shows_the_score_and_what_it_is_made_of() -> None:
    river = River()
    river.feed(event("eve", "acme", on=day(1), email="eve@walmart.com"))

    (alert,) = river.alerts

    assert (alert.score, alert.score_parts) == (35.0, {"fit.enterprise": 25.0, "intent.enterprise_domain": 10.0})


def test_a_group_call_without_news_about_the_company_asks_nothing() -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(1), kind=EventType.GROUP, traits={"name": "Acme"}))

    assert river.workspace("acme").score == {}


_signals = st.sampled_from([*engine().config.score.weights, "cancelled", "usage_drop", "unknown"])
_firings = st.lists(st.tuples(_signals, st.integers(0, 60 * DAY_MS)), max_size=30)
_companies = st.builds(
    Company,
    st.sampled_from([None, "acme.com", "rival.com"]),
    st.none() | st.sampled_from(DomainKind),
    st.none() | st.integers(0, 10_000),
)


@given(_firings, _companies, st.integers(-DAY_MS, 400 * DAY_MS))
def test_a_score_is_its_parts_summed_within_0_and_100(
    firings: list[tuple[str, int]], company: Company, later: int
) -> None:
    scoring = AMONG_RIVALS
    workspace = scored(*(fired(signal, MONDAY + at) for signal, at in firings), scoring=scoring)

    standing = scoring.standing(workspace, MONDAY + later, company)

    assert 0 <= standing.score <= 100
    assert standing.score == pytest.approx(min(max(sum(standing.parts.values()), 0), 100), abs=1e-5)
    assert all(abs(points) <= 30 for name, points in standing.parts.items() if name.startswith(("usage.", "intent.")))
    assert scoring.standing(workspace, MONDAY + later, company) == standing


def test_an_alert_that_was_stored_before_there_were_scores_is_read() -> None:
    river = River()
    river.feed(event("eve", "acme", on=day(1), email="eve@walmart.com"))
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(river.alerts[0]))

    older = msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:-2]), type=Alert)

    assert (older.id, older.score, older.score_parts) == (river.alerts[0].id, 0.0, {})
