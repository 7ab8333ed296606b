"""
Score: 0 to 100, from the company that a workspace belongs to and from the signals that fired in it (SIGNALS 5).

    score = clamp(fit + usage + intent - penalty, 0, 100)

Fit and penalty follow from what is known of the company at the moment. Usage and intent are what signals have added,
each fading by half in a half-life. What is stored are the points of each signal at the event time of its newest firing;
the score at any moment is a pure function of the state and that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import TYPE_CHECKING, Protocol

import msgspec

from signals.domains import DomainKind
from signals.rule import Kind
from signals.units import milliseconds

if TYPE_CHECKING:
    from datetime import timedelta

    from signals.domains import Domains
    from signals.facts import Firing
    from signals.fit import Fit, Penalty
    from signals.rule import Rule
    from signals.workspace import WorkspaceState

LOWEST, HIGHEST = 0.0, 100.0
# The levels of a score, from the lowest: the keys of the signal `pql`.
PQL, LEVELS = "pql", ("attention", "ready")
_PQL_KEYS = tuple(f"{PQL}|{level}" for level in LEVELS)
# A millionth of a point: the last bit of a machine's powers of two must not decide whether a level is reached.
_DIGITS = 6
_TOLERANCE = 1e-3
# As people see it.
_SHOWN_DIGITS = 1
_CACHED_COMPANIES = 10_000
# After so many half-lives not even a hundredth of a point is left of the most that a signal may have: it is forgotten.
_FORGOTTEN_AFTER = 14
_NOBODYS_KINDS = frozenset({DomainKind.FREE_MAIL, DomainKind.DISPOSABLE})
_CORPORATE, _ENTERPRISE, _ACADEMIC = DomainKind.CORPORATE, DomainKind.ENTERPRISE, DomainKind.ACADEMIC


class Points(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one signal has added: so many points at `time` (Unix milliseconds), fading from there."""

    points: float
    time: int


class Company(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is known of who is behind a workspace: what fit and penalty follow from."""

    domain: str | None
    domain_kind: DomainKind | None
    employees: int | float | None


class Standing(msgspec.Struct, frozen=True):
    """
    A workspace's score at a moment, and what it is made of.

    `parts` are points by `fit.<what>`, `usage.<signal>`, `intent.<signal>` and `penalty.<what>` (those are negative),
    in this order; their sum, held within 0 to 100, is `score`.
    """

    score: float
    parts: Mapping[str, float]

    def shown(self) -> tuple[float, dict[str, float]]:
        """Score and parts as people see them: to one decimal, without what comes to nothing."""
        parts = {name: round(points, _SHOWN_DIGITS) for name, points in self.parts.items()}
        return round(self.score, _SHOWN_DIGITS), {name: points for name, points in parts.items() if points}


class Numbers(Protocol):
    """What the config says about scores: `signals.scoring.Score`, which knows the rules, so that none may know it."""

    @property
    def half_life(self) -> timedelta:
        """How long it takes what a signal has added to be worth half."""

    @property
    def cap(self) -> float:
        """The most that one signal may have."""

    @property
    def weights(self) -> Mapping[str, float]:
        """What each signal adds when it fires."""

    @property
    def fit(self) -> Fit:
        """Points for the company."""

    @property
    def penalty(self) -> Penalty:
        """Points taken for what it is."""


class Scoring:
    """
    How workspaces are scored here.

    Args:
        config: Weights, half-life and caps.
        domains: The lists of domains.
        internal_domains: Our own.
        rules: All of them, in the order of the catalogue, in which the parts stand.
    """

    def __init__(
        self, config: Numbers, domains: Domains, internal_domains: frozenset[str], rules: Iterable[Rule]
    ) -> None:
        self.config = config
        # A memo of a pure look-up, bounded by a cap.
        self._companies: dict[Company, float] = {}
        self._half_life_ms = milliseconds(config.half_life)
        self._competitors = domains.competitors
        self._internal_domains = internal_domains
        # By signal: its kind, where its part stands, and what that is called.
        self._kinds: dict[str, Kind] = {}
        self._order: dict[str, tuple[int, int]] = {}
        self._names: dict[str, str] = {}
        for place, rule in enumerate(rules):
            is_intent = rule.kind is Kind.INTENT
            self._kinds[rule.name] = rule.kind
            self._order[rule.name] = (int(is_intent), place)
            self._names[rule.name] = f"{'intent' if is_intent else 'usage'}.{rule.name}"

    def standing(self, workspace: WorkspaceState, time: int, company: Company | None = None) -> Standing:
        """
        The score of a workspace at a moment.

        Args:
            workspace: The state.
            time: The moment, Unix milliseconds. Before a signal's newest firing its points are those at the firing.
            company: Instead of what is known of its company now.
        """
        company = company_of(workspace) if company is None else company
        parts = self._fit(company)
        for signal in sorted((signal for signal in workspace.score if signal in self._names), key=self._order.get):  # type: ignore[arg-type]  # all of them are there
            parts[self._names[signal]] = self._faded(workspace.score[signal], time)
        parts |= self._penalty(company)
        return Standing(self.score(workspace, time, company), parts)

    def score(self, workspace: WorkspaceState, time: int, company: Company | None = None) -> float:
        """The score of `standing` alone, at a part of its cost."""
        if company is None:
            company = company_of(workspace)
        points, names, half_life = [self._of_company(company)], self._names, self._half_life_ms
        for signal, had in workspace.score.items():
            if signal in names:
                # As `_faded`, without the call.
                elapsed = time - had.time
                points.append(had.points if elapsed <= 0 else round(had.points * 0.5 ** (elapsed / half_life), _DIGITS))
        return _clamped(points)

    def may_reach(self, workspace: WorkspaceState, score: float) -> bool:
        """Whether the score could be so high at any moment: false only if it could not if nothing had faded."""
        highest = self._of_company(company_of(workspace))
        for signal, had in workspace.score.items():
            if had.points > 0 and signal in self._names:
                highest += had.points
        return highest >= score - _TOLERANCE

    def _of_company(self, company: Company) -> float:
        points = self._companies.get(company)
        if points is None:
            if len(self._companies) >= _CACHED_COMPANIES:
                self._companies.clear()
            points = fsum([*self._fit(company).values(), *self._penalty(company).values()])
            self._companies[company] = points
        return points

    def weighs(self, firing: Firing) -> bool:
        """Whether a signal adds anything."""
        # What turned out a risk this time (a trial that ends unused) is no reason to sell.
        is_reason = firing.kind is not Kind.RISK or self._kinds.get(firing.signal) is Kind.RISK
        return is_reason and self.config.weights.get(firing.signal, 0.0) != 0

    def take(self, workspace: WorkspaceState, firings: Sequence[Firing], time: int, before: Company | None) -> bool:
        """
        Let what has just fired, or what has become known of the company, move the score.

        Args:
            workspace: With the firings recorded.
            firings: What fired, of any scope.
            time: Of the moment, Unix milliseconds.
            before: What was known of the company until now, if that is another.

        Returns:
            Whether anything moved it but time.
        """
        firings = [firing for firing in firings if self.weighs(firing)]
        if not firings and before is None:
            return False
        # Between moments the score only falls: how low it has been since it last said something shows just before it
        # may rise again. That arms `pql` anew.
        self._note_low(workspace, time, before)
        may_fall = before is not None
        for firing in firings:
            self._add(workspace, firing)
            may_fall |= self.config.weights[firing.signal] < 0
        if may_fall:
            # A penalty, or a signal that counts against, makes it fall at once.
            self._note_low(workspace, time, None)
        return True

    def _add(self, workspace: WorkspaceState, firing: Firing) -> None:
        points, time = self.config.weights[firing.signal], firing.time
        known = workspace.score.get(firing.signal)
        if known is not None:
            # Each as it stands at the later of both times: their order makes no difference but for the cap.
            time = max(known.time, firing.time)
            points = self._faded(known, time) + self._faded(Points(points, firing.time), time)
        cap = self.config.cap
        workspace.score.pop(firing.signal, None)
        workspace.score[firing.signal] = Points(round(min(max(points, -cap), cap), _DIGITS), time)
        oldest = firing.time - _FORGOTTEN_AFTER * self._half_life_ms
        for signal in [one for one, had in workspace.score.items() if had.time <= oldest]:
            del workspace.score[signal]

    def _faded(self, points: Points, time: int) -> float:
        elapsed = time - points.time
        return points.points if elapsed <= 0 else round(points.points * 0.5 ** (elapsed / self._half_life_ms), _DIGITS)

    def _note_low(self, workspace: WorkspaceState, time: int, company: Company | None) -> None:
        attention, ready = map(workspace.fired.get, _PQL_KEYS)
        if attention is None and ready is None:
            return
        score = self.score(workspace, time, company)
        for one in (attention, ready):
            if one is not None:
                one.low = score if one.low is None else min(one.low, score)

    def _fit(self, company: Company) -> dict[str, float]:
        fit, parts = self.config.fit, {}
        if company.domain_kind is _ENTERPRISE:
            parts["fit.enterprise"] = fit.enterprise
        elif company.domain_kind is _CORPORATE:
            parts["fit.corporate"] = fit.corporate
        employees = company.employees
        if employees is not None and employees > fit.large_above:
            parts["fit.large"] = fit.large
        elif employees is not None and employees > fit.mid_market_above:
            parts["fit.mid_market"] = fit.mid_market
        return parts

    def _penalty(self, company: Company) -> dict[str, float]:
        penalty, parts = self.config.penalty, {}
        if company.domain is not None and company.domain in self._competitors:
            parts["penalty.competitor"] = -penalty.competitor
        if company.domain is not None and company.domain in self._internal_domains:
            parts["penalty.internal"] = -penalty.internal
        if company.domain_kind is _ACADEMIC:
            parts["penalty.student"] = -penalty.student
        elif company.domain_kind in _NOBODYS_KINDS:
            parts["penalty.free_mail"] = -penalty.free_mail
        return parts


def _clamped(points: Iterable[float]) -> float:
    # Exact, so that the order makes no difference.
    return min(max(round(fsum(points), _DIGITS), LOWEST), HIGHEST)


def company_of(workspace: WorkspaceState) -> Company:
    """What is known of the company behind a workspace."""
    return Company(workspace.domain, workspace.domain_kind, workspace.employees)
