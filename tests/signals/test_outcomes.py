"""What alerts were worth, over histories small enough to count by hand."""

from __future__ import annotations

from typing import Any

import pytest

from signals.config import Config
from signals.event import Source
from signals.lanes import Lane
from signals.one_pass import OnePass
from signals.outcomes import Account, Findings, Histories, SeenAlert, account_of
from signals.outcomes_measured import Quality, Rate, Ratio, quality_of, rate, ratio
from signals.units import DAY_MS
from tests.signals.builders import day, track

WEEK_MS = 7 * DAY_MS
UNTIL = day(30)


def account(name: str, born: int = 1, *, paying: bool = False, moved_to: str | None = None) -> Account:
    """A workspace created on a day."""
    return Account(name, name.title(), None, day(born), True, True, paying, moved_to)


def alert(
    workspace: str, on: int, signal: str = "multi_user", *, was_paying: bool = False, also: str = ""
) -> SeenAlert:
    """An alert of a day."""
    signals = {f"{signal}-{workspace}-{on}": signal} | ({f"{also}-{workspace}-{on}": also} if also else {})
    return SeenAlert(
        f"{workspace}-{on}-{signal}",
        signal,
        next(iter(signals)),
        "sales",
        "high",
        workspace,
        day(on),
        was_paying,
        signals,
    )


def quality(
    accounts: list[Account],
    alerts: list[SeenAlert],
    converted: dict[str, int] | None = None,
    *,
    customer_since: dict[str, int] | None = None,
    until: int = UNTIL,
    since: int = 0,
) -> Quality:
    """Their worth with a horizon of a week; `converted` and `customer_since` map workspaces to days."""
    findings = Findings()
    findings.converted = {name: day(on) for name, on in (converted or {}).items()}
    findings.customer_since = {name: day(on) for name, on in (customer_since or {}).items()}
    histories = Histories(accounts, findings, until, since)
    return quality_of(alerts, histories, horizon_ms=WEEK_MS, span_ms=4 * WEEK_MS)


def counts(share: Rate) -> tuple[int, int]:
    return share.reached, share.of


def test_a_workspace_that_converts_within_the_horizon_of_its_first_alert_is_a_success() -> None:
    found = quality(
        [account("acme"), account("beta"), account("calm")],
        [alert("acme", 3), alert("acme", 9), alert("beta", 4)],
        {"acme": 10, "beta": 12},
    )

    assert counts(found.precision) == (1, 2)
    assert (found.alerts, found.workspaces, found.per_week) == (3, 2, 0.75)


@pytest.mark.parametrize(("on", "reached"), [(10, 1), (11, 0)])
def test_exactly_the_horizon_still_counts(on: int, reached: int) -> None:
    found = quality([account("acme")], [alert("acme", 3)], {"acme": on})

    assert counts(found.precision) == (reached, 1)
    assert counts(found.recall) == (reached, 1)


def test_an_alert_that_comes_with_or_after_the_conversion_is_no_forecast() -> None:
    found = quality([account("acme"), account("beta")], [alert("acme", 5), alert("beta", 9)], {"acme": 5, "beta": 6})

    assert counts(found.precision) == (0, 0)
    assert counts(found.recall) == (0, 2)
    assert found.too_late == 2


def test_who_paid_before_is_in_no_share() -> None:
    found = quality(
        [account("old", paying=True), account("gone"), account("back"), account("new")],
        [alert("old", 3), alert("gone", 3), alert("back", 3), alert("new", 3)],
        {"back": 8, "new": 8},
        # The one has left; the other left, and came back.
        customer_since={"gone": 5, "back": 2},
    )

    assert counts(found.precision) == (1, 1)
    assert counts(found.recall) == (1, 1)
    assert found.customers == 3


def test_an_upgrade_after_the_conversion_makes_nobody_an_old_customer() -> None:
    found = quality([account("acme", paying=True)], [alert("acme", 3)], {"acme": 8}, customer_since={"acme": 9})

    assert counts(found.precision) == (1, 1)


def test_the_young_are_counted_apart() -> None:
    found = quality(
        [account("acme"), account("beta"), account("calm")],
        [alert("acme", 23), alert("beta", 24), alert("calm", 25)],
        {"calm": 26},
    )

    assert counts(found.precision) == (0, 1)
    assert counts(found.immature) == (1, 2)


def test_recall_asks_for_an_alert_in_the_horizon_before() -> None:
    found = quality(
        [account("acme"), account("beta"), account("calm")],
        [alert("acme", 1), alert("acme", 12), alert("beta", 2)],
        {"acme": 15, "beta": 20, "calm": 20},
    )

    assert counts(found.recall) == (1, 3)
    # From the first alert within the horizon, not from the first of all.
    assert found.lead_s == 3 * 86_400


def test_lead_is_the_median() -> None:
    found = quality(
        [account("a"), account("b"), account("c")],
        [alert("a", 3), alert("b", 3), alert("c", 3)],
        {"a": 4, "b": 6, "c": 10},
    )

    assert found.lead_s == 3 * 86_400


def test_lift_is_over_those_never_told_of_before_they_paid() -> None:
    accounts = [account(name) for name in ("told", "heard", "late", "quiet", "still", "calm")]
    # `late` was told of after it had paid: nobody had told of it before.
    alerts = [alert("told", 3), alert("heard", 3), alert("late", 20)]

    found = quality(accounts, alerts, {"told": 5, "late": 5})

    assert counts(found.precision) == (1, 2)
    assert counts(found.base) == (1, 4)
    assert found.lift.value == 2.0


def test_landmarks_classify_by_what_was_known_on_the_day() -> None:
    accounts = [account(name) for name in ("early", "later", "quick", "never")]
    # Told of by day 7 (the eighth of the month), after it, before an early conversion, and not at all.
    alerts = [alert("early", 8), alert("later", 9), alert("quick", 2)]

    found = quality(accounts, alerts, {"early": 12, "later": 15, "quick": 4})

    assert found.landmarks[0].day == 7
    assert counts(found.landmarks[0].alerted) == (1, 1)
    assert counts(found.landmarks[0].others) == (1, 2)
    assert found.landmarks[0].lift.value == 2.0


def test_a_landmark_needs_the_whole_horizon_after_it() -> None:
    found = quality([account("acme", 16), account("beta", 17)], [], {})

    assert [mark.others.of for mark in found.landmarks] == [1, 0]


def test_only_who_was_created_before_our_eyes_is_compared() -> None:
    old = account("old")
    old.is_new = False

    assert quality([old, account("new")], []).base.of == 1


def test_where_no_creation_is_carried_a_sign_up_does() -> None:
    old, new = account("old"), account("new")
    old.is_new = new.is_new = old.has_sign_ups = False

    assert quality([old, new], []).base.of == 1


def test_what_was_told_of_a_personal_workspace_counts_where_its_user_went() -> None:
    found = quality(
        [account("user:ann", moved_to="acme"), account("acme"), account("user:bob")],
        [alert("user:ann", 3), alert("user:bob", 3)],
        {"acme": 6},
    )

    assert counts(found.precision) == (1, 1)
    assert (found.workspaces, found.personal) == (2, 1)


def test_who_converted_before_counting_begins_is_a_customer() -> None:
    found = quality(
        [account("acme"), account("beta", 12)],
        [alert("acme", 12), alert("beta", 13)],
        {"acme": 8, "beta": 15},
        since=day(10),
    )

    assert counts(found.precision) == (1, 1)
    assert counts(found.recall) == (1, 1)


def test_of_nobody_there_is_no_share() -> None:
    found = quality([], [])

    assert (found.precision, found.lift.value, found.lead_s) == (Rate(0, 0), None, None)


@pytest.mark.parametrize(
    ("reached", "of", "low", "high"),
    # Worked out from the closed form with z = 1.6449.
    [(0, 10, 0.0, 0.2130), (10, 10, 0.7870, 1.0), (5, 10, 0.2693, 0.7307), (30, 240, 0.0941, 0.1642)],
)
def test_interval_is_that_of_wilson(reached: int, of: int, low: float, high: float) -> None:
    found = rate(reached, of)

    assert (found.low, found.high) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


def test_interval_of_a_ratio_of_many_is_that_of_its_logarithm() -> None:
    found = ratio(rate(2_000, 10_000), rate(1_000, 10_000))

    # Katz: exp(ln 2 -+ 1.6449 sqrt(1/2000 - 1/10000 + 1/1000 - 1/10000))
    assert found.value == 2.0
    assert (found.low, found.high) == (pytest.approx(1.8868, abs=5e-3), pytest.approx(2.1201, abs=5e-3))


def test_interval_of_a_ratio_stays_wide_where_all_of_two_reached_it() -> None:
    found = ratio(rate(2, 2), rate(400, 1_000))

    assert found.value == 2.5
    assert found.low is not None
    assert found.low < 1.2


def test_a_ratio_is_never_outside_its_interval() -> None:
    for reached in range(6):
        for others in range(1, 6):
            found = ratio(rate(reached, 5), rate(others, 5))

            assert found.low is not None
            assert found.value is not None
            assert found.high is not None
            assert 0 <= found.low <= found.value <= found.high


@pytest.mark.parametrize(("above", "below"), [((1, 5), (0, 5)), ((0, 0), (1, 5)), ((1, 5), (0, 0))])
def test_over_nothing_there_is_no_ratio(above: tuple[int, int], below: tuple[int, int]) -> None:
    assert ratio(rate(*above), rate(*below)) == Ratio()


# -- collected from the steps themselves


def collected(*lines: bytes, **settings: Any) -> tuple[Findings, dict[str, Account]]:
    lane_findings = Findings(keeps_signals=True)
    lane = Lane(
        Config.model_validate({"events": {"activated": ["Report Shared"]}} | settings), None, lane_findings.take
    )
    lane_findings.is_paying = lane.is_paying
    run = OnePass([lane])
    for number, one in enumerate(lines):
        run.feed(one, Source("file", 0, number))
    run.finish()
    accounts = (account_of(key, state, is_paying=lane.is_paying(key)) for key, state in lane.workspaces())
    return lane_findings, {one.id: one for one in accounts if one is not None}


def test_findings_of_a_small_history() -> None:
    findings, accounts = collected(
        track("ann", "Workspace Created", day(1)),
        track("ann", "Plan Changed", day(1, 13), plan="free"),
        track("ann", "Report Shared", day(1, 14)),
        track("ann", "MSA Requested", day(2)),
        track("ann", "Plan Changed", day(5), plan="team"),
        track("ann", "DPA Requested", day(10)),
    )

    alerts = list(findings.alerts.values())
    assert [(one.signal, one.sent_at, one.was_paying) for one in alerts] == [
        ("procurement", day(2), False),
        ("procurement", day(10), True),
    ]
    assert findings.converted == {"acme": day(5)}
    assert findings.fired["procurement"] == 2
    assert accounts["acme"].born == day(1)
    assert (accounts["acme"].is_new, accounts["acme"].is_paying) == (True, True)


def test_an_alert_tells_the_signals_of_its_minute_and_not_the_reasons_that_join_it() -> None:
    # The second request of the same day cools down; its reason joins the alert of the next one.
    findings, _ = collected(
        track("ann", "Report Shared", day(1)),
        track("ann", "MSA Requested", day(2)),
        track("ann", "DPA Requested", day(2) + 1_000),
        track("ann", "Security Review Requested", day(3)),
        track("ann", "Contact Sales Clicked", day(4)),
    )

    told = [(one.signal, sorted(one.signals.values())) for one in findings.alerts.values()]

    assert told == [("procurement", ["procurement", "procurement"]), ("hand_raised", ["", "hand_raised", "pql"])]
    assert [one.decision for one in findings.signals.values() if one.signal == "procurement"] == [
        "sent",
        "bundled",
        "cooling_down",
    ]
