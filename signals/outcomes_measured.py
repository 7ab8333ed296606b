"""How good alerts were: precision, recall, lift and lead time against the conversions of the same history."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist, median

import msgspec

from signals.outcomes import Histories, SeenAlert
from signals.units import DAY_MS

CONFIDENCE = 0.9
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
# Days after its beginning at which an account is classified, told of or not, for the landmark version of the lift.
LANDMARKS = (7, 14)
_WEEK_MS = 7 * DAY_MS


class Rate(msgspec.Struct, frozen=True):
    """A share, `reached` of `of`; `low` and `high` hold the true one in 90 of 100 histories (Wilson); None of none."""

    reached: int
    of: int
    share: float | None = None
    low: float | None = None
    high: float | None = None


class Ratio(msgspec.Struct, frozen=True):
    """One share over another, with its interval at 90 %; None where there is nobody, or nobody below who reached it."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Landmark(msgspec.Struct, frozen=True):
    """
    Accounts that had not converted `day` days after their beginning, told of by then (`alerted`) or not (`others`).

    Each share is of those who converted within the horizon after that day; all have had the whole of it.
    """

    day: int
    alerted: Rate
    others: Rate
    lift: Ratio


class Quality(msgspec.Struct, frozen=True):
    """
    What a set of alerts was worth.

    `precision`: of the accounts whose first alert is at least the horizon ago, those that converted within the horizon
    after it; `immature`: the same of the younger ones, a lower bound. `recall`: of the accounts that converted, those
    with an alert in the horizon before. `base`: of the accounts that had no alert before they converted, or none at
    all, those that converted within the horizon after their beginning; `lift` is precision over that, and biased (who
    pays at once has no time to be told of); `landmarks` are without that bias. `lead_s` is the median time from the
    first alert within the horizon before a conversion to it, in seconds.

    Left out of all shares: `customers`, accounts that paid before; `too_late`, accounts whose first alert came with or
    after their conversion; `personal`, accounts of one user without a workspace.
    """

    alerts: int
    workspaces: int
    per_week: float | None
    precision: Rate
    immature: Rate
    recall: Rate
    base: Rate
    lift: Ratio
    landmarks: list[Landmark]
    lead_s: float | None
    customers: int
    too_late: int
    personal: int


def rate(reached: int, of: int) -> Rate:
    """A share with its Wilson score interval."""
    if not of:
        return Rate(reached, of)
    share, z2 = reached / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    low = 0.0 if reached == 0 else max(0.0, middle - half)
    high = 1.0 if reached == of else min(1.0, middle + half)
    return Rate(reached, of, round(share, 6), round(low, 6), round(high, 6))


def ratio(above: Rate, below: Rate) -> Ratio:
    """
    One share over another.

    Its interval is made of the two Wilson intervals (MOVER, Donner and Zou 2012): unlike that of the logarithm (Katz)
    it stays wide where two of two were reached.
    """
    p1, l1, u1 = above.share, above.low, above.high
    p2, l2, u2 = below.share, below.low, below.high
    if p1 is None or l1 is None or u1 is None or not p2 or not l2 or u2 is None:
        return Ratio()
    both, over, under = p1 * p2, u2 * (2 * p2 - u2), l2 * (2 * p2 - l2)
    low = (both - math.sqrt(max(0.0, both * both - l1 * (2 * p1 - l1) * over))) / over if over else 0.0
    high = (both + math.sqrt(max(0.0, both * both - u1 * (2 * p1 - u1) * under))) / under
    return Ratio(round(p1 / p2, 4), round(low, 4), round(high, 4))


def quality_of(alerts: Iterable[SeenAlert], histories: Histories, *, horizon_ms: int, span_ms: int) -> Quality:
    """
    Hold alerts against what their accounts did later.

    Args:
        alerts: All that are to be judged, of one config.
        histories: The accounts of the same backtest.
        horizon_ms: How long after an alert a conversion counts as its success; exactly so much still does.
        span_ms: How long the history is, for the number a week.
    """
    alerts = list(alerts)
    told: dict[str, list[int]] = {}
    workspaces, personal, payers = set(), set(), set()
    for alert in alerts:
        account_id = histories.account_id(alert.workspace_id)
        workspaces.add(account_id or alert.workspace_id)
        if account_id is None:
            personal.add(alert.workspace_id)
        else:
            told.setdefault(account_id, []).append(alert.sent_at)
            if alert.was_paying and account_id not in histories.converted:
                payers.add(account_id)
    customers = {one for one in told if one in histories.customers} | payers
    times = {account_id: sorted(moments) for account_id, moments in told.items() if account_id not in customers}
    converted = {one: at for one, at in histories.converted.items() if one not in histories.customers}
    in_time = {one: moments for one, moments in times.items() if one not in converted or moments[0] < converted[one]}
    precision, immature = _precision(in_time, converted, histories.until, horizon_ms)
    recall, leads = _recall(times, converted, horizon_ms)
    base = _base(in_time, customers, converted, histories, horizon_ms)
    return Quality(
        alerts=len(alerts),
        workspaces=len(workspaces),
        per_week=round(len(alerts) / (span_ms / _WEEK_MS), 2) if span_ms > 0 else None,
        precision=precision,
        immature=immature,
        recall=recall,
        base=base,
        lift=ratio(precision, base),
        landmarks=[_landmark(day, times, converted, histories, horizon_ms) for day in LANDMARKS],
        lead_s=median(leads) / 1_000 if leads else None,
        customers=len(customers),
        too_late=len(times) - len(in_time),
        personal=len(personal),
    )


_Times = dict[str, list[int]]


def _precision(in_time: _Times, converted: dict[str, int], until: int, horizon_ms: int) -> tuple[Rate, Rate]:
    counts = {True: [0, 0], False: [0, 0]}
    for account_id, moments in in_time.items():
        count = counts[moments[0] + horizon_ms <= until]
        at = converted.get(account_id)
        count[0] += at is not None and at <= moments[0] + horizon_ms
        count[1] += 1
    return rate(*counts[True]), rate(*counts[False])


def _recall(times: _Times, converted: dict[str, int], horizon_ms: int) -> tuple[Rate, list[int]]:
    leads = []
    for account_id, at in converted.items():
        first = next((moment for moment in times.get(account_id, ()) if at - horizon_ms <= moment < at), None)
        if first is not None:
            leads.append(at - first)
    return rate(len(leads), len(converted)), leads


def _base(
    in_time: _Times, customers: set[str], converted: dict[str, int], histories: Histories, horizon_ms: int
) -> Rate:
    reached = of = 0
    for account_id, born in histories.born.items():
        if account_id not in in_time and account_id not in customers and born + horizon_ms <= histories.until:
            at = converted.get(account_id)
            reached += at is not None and at <= born + horizon_ms
            of += 1
    return rate(reached, of)


def _landmark(day: int, times: _Times, converted: dict[str, int], histories: Histories, horizon_ms: int) -> Landmark:
    counts = {True: [0, 0], False: [0, 0]}
    for account_id, born in histories.born.items():
        mark, at = born + day * DAY_MS, converted.get(account_id)
        if mark + horizon_ms > histories.until or (at is not None and at <= mark):
            continue
        count = counts[any(moment <= mark for moment in times.get(account_id, ()))]
        count[0] += at is not None and at <= mark + horizon_ms
        count[1] += 1
    alerted, others = rate(*counts[True]), rate(*counts[False])
    return Landmark(day, alerted, others, ratio(alerted, others))
