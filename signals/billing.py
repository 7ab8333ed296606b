"""What a workspace pays for and what it uses of it: plan, seats, reported usage, and how facts move them."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from signals.event import Role, Scalar
from signals.moments import Days, day_iso
from signals.names import CANCELLATIONS, normal_name

if TYPE_CHECKING:
    from signals.facts import Fact
    from signals.product import Plans

Number = int | float

# Below every level: nothing of the period has been passed.
NOTHING_PASSED = -1.0
_MONTH = "month"
# What a report may call a calendar unit (SIGNALS A12); any other text is the key of the product's own period.
_CALENDAR = {
    "day": "day",
    "daily": "day",
    "week": "week",
    "weekly": "week",
    _MONTH: _MONTH,
    "monthly": _MONTH,
    "year": "year",
    "yearly": "year",
    "annual": "year",
    "annually": "year",
}
_PLAN_CHANGED = Role.PLAN_CHANGED
# A product has some ten plans; one that makes names of ids must not fill the memory.
_CACHED_PLANS = 1_000
# ISO 4217.
_CURRENCY_CHARS = 3


class Plan(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    The current plan as it was last written, None after a cancellation where no plan is free.

    `time` is the newest event time of the kind that brought it; `is_billed` says that this was a `plan_changed`, after
    which group traits no longer set it.
    """

    name: str | None
    time: int
    is_billed: bool


class Seats(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The current number of seats, with the same `time` and `is_billed` as the plan has."""

    count: Number
    time: int
    is_billed: bool


class Mrr(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    The monthly recurring revenue as the newest `plan_changed` that carried one says.

    `currency` is an ISO 4217 code, None while no event has named one; `n` counts the changes so far.
    """

    amount: Number
    currency: str | None
    time: int
    n: int


class Usage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    The newest report of one metric that counts.

    `passed` is the highest `used / limit` of the period that no higher limit has taken back: every level up to it is
    spent, whatever the levels are.
    """

    time: int
    period: str
    used: Number
    limit: Number
    passed: float


class Billing(msgspec.Struct, omit_defaults=True, gc=False):
    """The part of a workspace's state that is about money; `usage` has the metric reported last at its end."""

    plan: Plan | None = None
    seats: Seats | None = None
    usage: dict[str, Usage] = msgspec.field(default_factory=dict)
    mrr: Mrr | None = None
    # The newest import that named the plan, and the seats: whatever is older has no say, whoever brings it.
    plan_from: int | None = None
    seats_from: int | None = None


class PlanStep(msgspec.Struct, frozen=True, gc=False):
    """The plan became another one; `ranks` counts how far up in `plans.order`, None where one of them has no rank."""

    before: str | None
    after: str | None
    was_paying: bool
    is_paying: bool
    ranks: int | None

    @property
    def is_upgrade(self) -> bool:
        """Whether it is from a paid plan to one of a higher rank."""
        return self.was_paying and self.is_paying and self.ranks is not None and self.ranks > 0


class SeatStep(msgspec.Struct, frozen=True, gc=False):
    """The number of seats became another one; `before` is None where it was unknown."""

    before: Number | None
    after: Number


class RevenueStep(msgspec.Struct, frozen=True, gc=False):
    """
    The monthly recurring revenue became another one, for the `n`th time.

    `before` is None where it was unknown, or in another currency.
    """

    before: Number | None
    after: Number
    currency: str | None
    n: int


class UsageStep(msgspec.Struct, frozen=True, gc=False):
    """A report of usage counted: the levels above `passed` and up to `ratio` are newly passed."""

    metric: str
    period: str
    used: Number
    limit: Number
    ratio: float
    passed: float
    # Another metric has made room for it.
    has_forgotten: bool = False
    # `limits.fired_keys`: of so many keys at most it is remembered that they have fired.
    fired_keys: int = 0

    def key_of(self, level: float) -> str:
        """What `usage_limit` calls the passing of a level by this metric in this period."""
        # As JSON, so that no two of them share a key whatever a metric is called.
        return json.dumps((self.metric, self.period, level), separators=(",", ":"))


class Terms:
    """
    How plan names and reported periods are read here.

    Args:
        plans: The free plans, and the paid ones in their order.
        days: The calendar of the config's time zone.
        metrics: How many metrics are remembered of a workspace; the one not reported for longest leaves first.
        fired_keys: Of how many metrics, periods and levels it is remembered that they have fired.
    """

    def __init__(self, plans: Plans, days: Days, metrics: int, fired_keys: int) -> None:
        self.metrics = metrics
        self.fired_keys = fired_keys
        # What a cancelled workspace is on where the event names no free plan (SIGNALS A13).
        self.fallback = plans.free[0] if plans.free else None
        self._free = frozenset(normal_name(name) for name in plans.free)
        self._ranks = {normal_name(name): rank for rank, name in enumerate(plans.order)}
        self.days = days
        # Whether a plan is free, by its name as it was written.
        self._known: dict[str, bool] = {}

    def is_free(self, plan: str) -> bool:
        """Whether a plan costs nothing."""
        is_free = self._known.get(plan)
        if is_free is None:
            if len(self._known) >= _CACHED_PLANS:
                self._known.clear()
            is_free = self._known[plan] = normal_name(plan) in self._free
        return is_free

    def is_paying(self, plan: str | None) -> bool:
        """Whether who is on a plan pays for it: it is known, and not free."""
        return plan is not None and not self.is_free(plan)

    def ranks_between(self, before: str | None, after: str | None) -> int | None:
        """How many ranks a plan is above another, None where one of them has none (SIGNALS A22)."""
        if before is None or after is None:
            return None
        low, high = self._ranks.get(normal_name(before)), self._ranks.get(normal_name(after))
        return None if low is None or high is None else high - low

    def period(self, period: str | None, time: int) -> str:
        """The key of the period that a report at `time` (Unix milliseconds) is about (SIGNALS A12)."""
        unit = _MONTH if period is None else _CALENDAR.get(period.strip().casefold())
        if unit is None:
            return period or ""
        day = day_iso(self.days.day_of(time))
        if unit == "week":
            year, week, _ = date.fromisoformat(day).isocalendar()
            return f"{year}-W{week:02d}"
        return day[: {"day": 10, _MONTH: 7, "year": 4}[unit]]


def move_plan(billing: Billing, fact: Fact, terms: Terms) -> PlanStep | None:
    """
    Fold what a fact says about the plan.

    Returns:
        The change if there was one that may raise a signal: the first plan ever raises none if a group call brings it.
    """
    is_billed = _PLAN_CHANGED in fact.roles
    name = _plan_named(fact, terms) if is_billed else _plan_text(fact.traits.get("plan"))
    known = billing.plan
    is_cancelled = is_billed and _is_cancellation(fact)
    if (name is None and not is_cancelled) or _is_outdated(known, fact.time, is_billed=is_billed):
        return None
    if billing.plan_from is not None and fact.time < billing.plan_from:
        return None
    billing.plan = Plan(name, fact.time, is_billed)
    before = known.name if known is not None else None
    is_baseline = known is None and not is_billed
    if is_baseline or is_same_plan(before, name):
        return None
    return PlanStep(before, name, terms.is_paying(before), terms.is_paying(name), terms.ranks_between(before, name))


def move_seats(billing: Billing, fact: Fact) -> SeatStep | None:
    """Fold what a fact says about the number of seats; returns the change if there was one."""
    is_billed = _PLAN_CHANGED in fact.roles
    count = number((fact.properties if is_billed else fact.traits).get("seats"))
    known = billing.seats
    if count is None or count < 0 or _is_outdated(known, fact.time, is_billed=is_billed):
        return None
    if billing.seats_from is not None and fact.time < billing.seats_from:
        return None
    billing.seats = Seats(count, fact.time, is_billed)
    before = known.count if known is not None else None
    return None if before == count else SeatStep(before, count)


def move_mrr(billing: Billing, fact: Fact, terms: Terms, *, was_free: bool) -> RevenueStep | None:
    """
    Fold what a `plan_changed` says about the monthly recurring revenue, once its plan has been folded.

    Who goes to a free plan pays nothing, whether the event says so or not.

    Args:
        was_free: It paid nothing before, so far as we know: a first amount is new revenue and no baseline.

    Returns:
        The change if there was one.
    """
    amount, known, plan = number(fact.properties.get("mrr")), billing.mrr, billing.plan
    if amount is None and known is not None and plan is not None and plan.time <= fact.time:
        amount = known.amount if terms.is_paying(plan.name) else 0
    # Of two the earlier is ignored, as with plans (SIGNALS A4).
    if amount is None or amount < 0 or (known is not None and fact.time < known.time):
        return None
    currency = _currency(fact.properties.get("currency")) or (known.currency if known is not None else None)
    before = known.amount if known is not None else (0 if was_free else None)
    if known is not None and (amount, currency) == (known.amount, known.currency):
        billing.mrr = Mrr(amount, currency, fact.time, known.n)
        return None
    if known is not None and known.currency not in (None, currency):
        # Amounts in two currencies are no difference.
        before = None
    n = known.n + 1 if known is not None else 1
    billing.mrr = Mrr(amount, currency, fact.time, n)
    return RevenueStep(before, amount, currency, n)


def report_usage(billing: Billing, fact: Fact, terms: Terms) -> UsageStep | None:
    """Fold a report of usage; returns it if it counts (SIGNALS A12)."""
    used, limit = number(fact.properties.get("used")), number(fact.properties.get("limit"))
    if used is None or limit is None or used < 0 or limit <= 0:
        return None
    metric = text(fact.properties.get("metric")) or ""
    known = billing.usage.get(metric)
    if known is not None and fact.time < known.time:
        return None
    period, ratio = terms.period(text(fact.properties.get("period")), fact.time), used / limit
    passed = NOTHING_PASSED
    if known is not None and known.period == period:
        # A higher limit gives back the levels that are no longer reached, and only those.
        passed = known.passed if limit <= known.limit else min(known.passed, ratio)
    billing.usage.pop(metric, None)
    has_forgotten = len(billing.usage) >= terms.metrics
    if has_forgotten:
        del billing.usage[next(iter(billing.usage))]
    billing.usage[metric] = Usage(fact.time, period, used, limit, max(passed, ratio))
    return UsageStep(metric, period, used, limit, ratio, passed, has_forgotten, terms.fired_keys)


def number(value: Scalar | None) -> Number | None:
    """A JSON number; another kind is as if absent."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def text(value: Scalar | None) -> str | None:
    """Text as it was sent; blank text and another kind are as if absent."""
    return value if isinstance(value, str) and value.strip() else None


def _is_outdated(known: Plan | Seats | None, time: int, *, is_billed: bool) -> bool:
    # Of two of the same kind the earlier is ignored; a plan_changed outdoes every group call (SIGNALS A4).
    if known is None or (is_billed and not known.is_billed):
        return False
    return (known.is_billed and not is_billed) or time < known.time


def _plan_named(fact: Fact, terms: Terms) -> str | None:
    name = _plan_text(fact.properties.get("plan"))
    if not _is_cancellation(fact):
        return name
    # At once, even where the subscription runs to the end of what is paid (SIGNALS A13).
    return name if name is not None and terms.is_free(name) else terms.fallback


def _is_cancellation(fact: Fact) -> bool:
    return fact.name is not None and normal_name(fact.name) in CANCELLATIONS


def _currency(value: Scalar | None) -> str | None:
    code = (text(value) or "").strip().upper()
    return code if len(code) == _CURRENCY_CHARS and code.isascii() and code.isalpha() else None


def _plan_text(value: Scalar | None) -> str | None:
    # A name of blanks, - and _ compares like no name.
    return value.strip() if isinstance(value, str) and normal_name(value) else None


def is_same_plan(one: str | None, other: str | None) -> bool:
    """Whether two names mean one plan: they compare like event names (SIGNALS A22)."""
    return one == other or (one is not None and other is not None and normal_name(one) == normal_name(other))
