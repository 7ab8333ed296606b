"""The part of the config that says what the company behind a workspace adds to its score, or takes from it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from signals.product import Section

Amount = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


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
