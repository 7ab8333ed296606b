"""The part of the config that says what a workspace's score is made of (SIGNALS 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from signals.product import Section
from signals.thresholds import SignalName, Signals
from signals.units import PositiveDuration

# The signals over signals: a score that fed on what it raised would raise itself.
DERIVED = frozenset({"pql", "expansion_ready"})

# What each signal adds when it fires. A hand that is raised is worth most, a need that is bought already least; what
# every workspace shows (a sign-up) tells none from another, and what says that one is leaving (risk) is no reason to
# sell, so both add nothing. With the fit below, a large company with an active team at a limit reaches 65 (attention),
# and 95 (ready) once it asks for a contract or a talk.
_WEIGHTS: dict[str, float] = {
    "activated": 3.0,
    "habit_formed": 3.0,
    "first_invite": 3.0,
    "power_user": 5.0,
    "hand_raised": 30.0,
    "gated_feature": 8.0,
    "second_user": 5.0,
    "multi_user": 15.0,
    "seat_growth": 10.0,
    "enterprise_domain": 10.0,
    "procurement": 30.0,
    "usage_limit": 15.0,
    "seat_limit": 15.0,
    "usage_spike": 10.0,
    "trial_ending": 5.0,
    "plan_upgraded": 5.0,
    "seats_added": 5.0,
    "limit_hit_no_upgrade": 10.0,
}

Amount = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


def _known_weights() -> dict[str, float]:
    return {signal: weight for signal, weight in _WEIGHTS.items() if signal in Signals.model_fields}


def _with_defaults(given: dict[str, float]) -> dict[str, float]:
    derived = next((signal for signal in given if signal in DERIVED), None)
    if derived is not None:
        raise ValueError(f"{derived} is made of other signals and adds nothing itself")
    return _known_weights() | given


class Fit(Section):
    """Points for the company behind a workspace, and for how many employees it has; they do not fade."""

    enterprise: Amount = 25.0
    corporate: Amount = 10.0
    mid_market: Amount = 5.0
    mid_market_above: Annotated[int, Field(ge=0)] = 100
    large: Amount = 10.0
    large_above: Annotated[int, Field(ge=0)] = 1_000

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.large_above <= self.mid_market_above:
            raise ValueError("large_above must be more than mid_market_above")
        return self


class Penalty(Section):
    """Points taken from a workspace that is nobody to sell to."""

    competitor: Amount = 100.0
    internal: Amount = 100.0
    student: Amount = 40.0
    free_mail: Amount = 20.0


class Score(Section):
    """
    What a workspace's score of 0 to 100 is made of.

    `weights` holds what a signal adds when it fires; one that is not named there adds nothing.
    """

    half_life: PositiveDuration = timedelta(days=14)
    cap: Amount = 30.0
    weights: Annotated[dict[SignalName, _Weight], AfterValidator(_with_defaults)] = Field(
        default_factory=_known_weights
    )
    fit: Fit = Fit()
    penalty: Penalty = Penalty()
