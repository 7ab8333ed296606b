"""The part of the config that says what a workspace's score is made of (SIGNALS 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from signals.fit import Amount, Fit, Penalty
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

_Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


def _known_weights() -> dict[str, float]:
    return {signal: weight for signal, weight in _WEIGHTS.items() if signal in Signals.model_fields}


def _with_defaults(given: dict[str, float]) -> dict[str, float]:
    derived = next((signal for signal in given if signal in DERIVED), None)
    if derived is not None:
        raise ValueError(f"{derived} is made of other signals and adds nothing itself")
    return _known_weights() | given


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
