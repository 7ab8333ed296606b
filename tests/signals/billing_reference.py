"""
The brute-force reference for plan, seats, usage and refused features: it keeps every event and reads all of them anew.

Like `tests.signals.reference` it shares nothing with the engine but the event itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from signals.event import Event, EventType, Role, Scalar
from signals.units import DAY_MS

Fired = tuple[str, str, str, int]
CALENDAR = {
    "%Y-%m-%d": ("day", "daily"),
    "%G-W%V": ("week", "weekly", "Weekly"),
    "%Y-%m": ("month", "monthly", "", None),
    "%Y": ("year", "yearly", "annual"),
}


@dataclass
class BillingNumbers:
    """The parameters that the tests vary."""

    free: tuple[str, ...] = ("free", "trial")
    order: tuple[str, ...] = ()
    levels: tuple[float, ...] = (0.8, 0.95, 1.0)
    seat_ratio: float = 0.8
    min_seats: int = 2
    seat_cooldown_days: float = 14
    attempts: int = 2
    attempt_window: int = 7
    attempt_cooldown_days: float = 7
    hand_cooldown_days: float = 1


@dataclass
class Carrier:
    """An event that carried a plan or a number of seats."""

    time: int
    is_billed: bool
    value: Scalar | None


@dataclass
class Account:
    """All that ever happened to the billing of a workspace."""

    plans: list[Carrier] = field(default_factory=list)
    seats: list[Carrier] = field(default_factory=list)
    members: int = 0
    is_created: bool = False
    # (share of the seats, event time, whether it fired) at every change of members or seats.
    shares: list[tuple[float, int, bool]] = field(default_factory=list)
    # By metric: time, period, limit, ratio of every report that counts.
    reports: dict[str, list[tuple[int, str, float, float]]] = field(default_factory=lambda: defaultdict(list))


def plain(name: str) -> str:
    """A name without what makes no difference."""
    return re.sub(r"[\s_-]+", "", name.casefold())


def current(carriers: list[Carrier]) -> Scalar | None:
    """The value in force: of the newest plan_changed, else of the newest group call; of equals the last applied."""
    pool = [carrier for carrier in carriers if carrier.is_billed] or carriers
    return max(reversed(pool), key=lambda carrier: carrier.time).value if pool else None


def quantity(value: Scalar | None) -> float | None:
    """A JSON number."""
    return value if type(value) in {int, float} else None  # type: ignore[return-value]  # says `type` what it is


class BillingReference:
    """Feed it what counts where; `fired` receives what fires."""

    def __init__(self, numbers: BillingNumbers, fired: list[Fired]) -> None:
        self.numbers = numbers
        self.fired = fired
        self.accounts: dict[str, Account] = defaultdict(Account)
        self.attempts: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.last: dict[tuple[str, ...], int] = {}
        self.invited: set[str] = set()

    def user_event(self, event: Event, roles: tuple[Role, ...]) -> None:
        """What a known user who is not internal did."""
        user = event.user_id or ""
        if Role.INVITE_SENT in roles and user not in self.invited:
            self.invited.add(user)
            self._fire("first_invite", user, event)
        if Role.SALES_CONTACTED in roles:
            self._at_most("hand_raised", user, event, self.numbers.hand_cooldown_days)
        if Role.FEATURE_GATED in roles:
            feature = event.properties.get("feature")
            feature = feature if isinstance(feature, str) and feature.strip() else ""
            tried = self.attempts[user, feature]
            tried.append(event.time // DAY_MS)
            age = [event.time // DAY_MS - day for day in tried]
            if sum(0 <= days < self.numbers.attempt_window for days in age) >= self.numbers.attempts:
                self._at_most("gated_feature", user, event, self.numbers.attempt_cooldown_days, feature)

    def workspace_event(
        self, event: Event, workspace: str, roles: tuple[Role, ...], members: int, signed_up_members: int
    ) -> None:
        """What happened in a workspace, with its members after it."""
        account = self.accounts[workspace]
        account.is_created |= Role.WORKSPACE_CREATED in roles
        is_billed = Role.PLAN_CHANGED in roles
        if is_billed or event.type is EventType.GROUP:
            values = event.properties if is_billed else event.traits
            self._plan(event, workspace, values, is_billed=is_billed, is_known=account.is_created or signed_up_members)
        has_changed = members != account.members
        account.members = members
        if is_billed or event.type is EventType.GROUP:
            has_changed |= self._seats(event, workspace, values, is_billed=is_billed)
        if has_changed:
            self._seat_limit(event, workspace)
        if Role.USAGE_REPORTED in roles:
            self._usage(event, workspace)

    def _plan(
        self, event: Event, workspace: str, values: dict[str, Scalar], *, is_billed: bool, is_known: bool | int
    ) -> None:
        carriers, value = self.accounts[workspace].plans, values.get("plan")
        name = value if isinstance(value, str) and plain(value) else None
        is_end = is_billed and plain(event.name or "") in {"subscriptioncancelled", "subscriptioncanceled"}
        if is_end and self._pays(name) is not False:
            name = self.numbers.free[0]
        if name is None:
            return
        first, before = not carriers, current(carriers)
        carriers.append(Carrier(event.time, is_billed, name))
        after = current(carriers)
        paid, pays = self._pays(before), self._pays(after)
        if first and not is_billed:
            return
        if pays and (paid is False or (paid is None and is_known)):
            self._fire("converted_to_paid", workspace, event)
        if paid and pays is False:
            self._fire("cancelled", workspace, event)
        ranks = [
            [plain(one) for one in self.numbers.order].index(plain(str(p)))
            for p in (before, after)
            if self._has_rank(p)
        ]
        if paid and pays and len(ranks) == 2 and ranks[0] != ranks[1]:
            self._fire("plan_upgraded" if ranks[1] > ranks[0] else "plan_downgraded", workspace, event)

    def pays(self, workspace: str) -> bool:
        """Whether a workspace pays now."""
        return bool(self._pays(current(self.accounts[workspace].plans)))

    def _pays(self, plan: Scalar | None) -> bool | None:
        return None if plan is None else plain(str(plan)) not in {plain(name) for name in self.numbers.free}

    def _has_rank(self, plan: Scalar | None) -> bool:
        return plan is not None and plain(str(plan)) in {plain(name) for name in self.numbers.order}

    def _seats(self, event: Event, workspace: str, values: dict[str, Scalar], *, is_billed: bool) -> bool:
        carriers, seats = self.accounts[workspace].seats, quantity(values.get("seats"))
        if seats is None or seats < 0:
            return False
        before = quantity(current(carriers))
        carriers.append(Carrier(event.time, is_billed, seats))
        after = quantity(current(carriers))
        if before is not None and after is not None and after != before:
            self._fire("seats_added" if after > before else "seats_removed", workspace, event)
        return before != after

    def _seat_limit(self, event: Event, workspace: str) -> None:
        account, numbers = self.accounts[workspace], self.numbers
        seats = quantity(current(account.seats))
        if not seats:
            return
        share = account.members / seats
        fired_at = [index for index, (_, _, has_fired) in enumerate(account.shares) if has_fired]
        is_armed = not fired_at or any(one < numbers.seat_ratio for one, _, _ in account.shares[fired_at[-1] :])
        is_late_enough = (
            not fired_at or event.time - account.shares[fired_at[-1]][1] >= numbers.seat_cooldown_days * DAY_MS
        )
        fires = seats >= numbers.min_seats and share >= numbers.seat_ratio and is_armed and is_late_enough
        account.shares.append((share, event.time, fires))
        if fires:
            self._fire("seat_limit", workspace, event)

    def _usage(self, event: Event, workspace: str) -> None:
        used, limit = quantity(event.properties.get("used")), quantity(event.properties.get("limit"))
        metric, period = event.properties.get("metric"), event.properties.get("period")
        reports = self.accounts[workspace].reports[metric if isinstance(metric, str) else ""]
        is_old = any(event.time < time for time, *_ in reports)
        if used is None or limit is None or used < 0 or limit <= 0 or is_old:
            return
        for form, words in CALENDAR.items():
            if period in words:
                period = datetime.fromtimestamp(event.time / 1_000, UTC).strftime(form)
        before = self._spent(reports)
        was_in = reports[-1][1] if reports else None
        reports.append((event.time, str(period), limit, used / limit))
        if was_in != period:
            before = set()
        elif limit > reports[-2][2]:
            before = {level for level in before if used / limit >= level}
        passed = [level for level in self.numbers.levels if used / limit >= level and level not in before]
        if passed:
            self._fire("usage_limit", workspace, event)

    def _spent(self, reports: list[tuple[int, str, float, float]]) -> set[float]:
        spent: set[float] = set()
        last_period, last_limit = "", 0.0
        for _, period, limit, ratio in reports:
            if period != last_period:
                spent = set()
            elif limit > last_limit:
                spent = {level for level in spent if ratio >= level}
            spent |= {level for level in self.numbers.levels if ratio >= level}
            last_period, last_limit = period, limit
        return spent

    def _at_most(self, signal: str, user: str, event: Event, days: float, *key: str) -> None:
        last = self.last.get((signal, user, *key))
        if last is None or event.time - last >= days * DAY_MS:
            self.last[signal, user, *key] = event.time
            self._fire(signal, user, event)

    def _fire(self, signal: str, subject: str, event: Event) -> None:
        self.fired.append((signal, subject, event.id, event.time))
