"""The public contract: the Signal and the Alert that others read, their JSON Schemas, and the bytes we write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from signals.facts import Alert as DecidedAlert
from signals.facts import Decision, Firing, Verdict
from signals.moments import iso
from signals.rule import Evidence, Kind, Scope

if TYPE_CHECKING:
    from signals.rule import Why

# Additive changes only: a reader of version 1 stays right.
VERSION = 1
_encode = msgspec.json.Encoder().encode
_Value = str | int | float | bool | None


class Cause(BaseModel):
    """The record of the customer's topics that made it happen."""

    model_config = ConfigDict(frozen=True)

    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    event_id: str


class Signal(BaseModel):
    """A rule fired for a subject at a moment: a value of the topic `plg.signals`."""

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = Field(description="Version of the contract.")
    id: str = Field(description="The same for the same events after any crash or replay: drop what you have seen.")
    signal: str = Field(description="Which one, see SIGNALS.md section 4.")
    kind: Kind
    scope: Scope
    user_id: str | None = Field(description="The subject in user scope; otherwise whose event completed it.")
    workspace_id: str | None = Field(description="The subject in workspace scope; otherwise where it happened.")
    occurred_at: AwareDatetime = Field(description="Event time.")
    detected_at: AwareDatetime = Field(description="When it was found; no part of its identity.")
    config: str = Field(description="Names the config that was in force.")
    evidence: dict[str, _Value] = Field(description="The observed values and the thresholds they were held against.")
    cause: Cause


class WhyItem(BaseModel):
    """One reason of an alert."""

    model_config = ConfigDict(frozen=True)

    fact: str
    value: _Value
    threshold: _Value


class Alert(BaseModel):
    """What a human should hear about now: a value of the topic `plg.alerts`."""

    model_config = ConfigDict(frozen=True)

    v: Literal[1]
    id: str
    signal: str = Field(description="The signal that opened it.")
    priority: Literal["urgent", "high", "normal", "low"]
    title: str
    why: list[WhyItem]
    play: str = Field(description="What the rep should do.")
    score: float = Field(ge=0, le=100, description="Of the workspace when the alert was sent or updated.")
    score_parts: dict[str, float] = Field(
        description="What the score is made of: fit.<what>, usage.<signal>, intent.<signal> and penalty.<what>."
        " Their sum, held within 0 to 100, is the score but for rounding."
    )
    user_id: str | None
    workspace_id: str
    workspace_name: str | None
    domain: str | None
    occurred_at: AwareDatetime = Field(description="Event time of what made it due: of a held signal, the activation.")
    detected_at: AwareDatetime
    route: str
    config: str
    signal_ids: list[str] = Field(description="All signals it speaks of, the one that opened it first.")
    status: Literal["open", "updated", "closed"]
    reason: str | None = Field(description="Why it was closed.")
    email: str | None = Field(default=None, description="Of the user; only with alerts.show_email.")


class _CauseLine(msgspec.Struct, gc=False):
    topic: str
    partition: int
    offset: int
    event_id: str


class _SignalLine(msgspec.Struct, gc=False):
    """A value of `plg.signals`. To write a struct takes half of what a dict does."""

    v: int
    id: str
    signal: str
    kind: Kind
    scope: Scope
    user_id: str | None
    workspace_id: str | None
    occurred_at: str
    detected_at: str
    config: str
    evidence: Evidence
    cause: _CauseLine


class _VerdictLine(msgspec.Struct, gc=False):
    """A value of `plg.verdicts`."""

    v: int
    signal_id: str
    signal: str
    workspace_id: str | None
    verdict: Decision
    reason: str | None
    alert_id: str | None
    decided_at: str


def signal_record(firing: Firing, detected_at: int, config_hash: str) -> dict[str, object]:
    """A signal as JSON will show it; `detected_at` is Unix milliseconds."""
    record = _signal_line(firing, detected_at, config_hash)
    return {**msgspec.structs.asdict(record), "cause": msgspec.structs.asdict(record.cause)}


def signal_json(firing: Firing, detected_at: int, config_hash: str) -> bytes:
    """A value of `plg.signals`, see `Signal`."""
    return _encode(_signal_line(firing, detected_at, config_hash))


def _signal_line(firing: Firing, detected_at: int, config_hash: str) -> _SignalLine:
    source = firing.cause
    return _SignalLine(
        VERSION,
        firing.id,
        firing.signal,
        firing.kind,
        firing.scope,
        firing.user_id,
        firing.workspace_id,
        iso(firing.time),
        iso(detected_at),
        config_hash,
        firing.evidence,
        _CauseLine(source.topic, source.partition, source.offset, firing.event_id),
    )


def alert_json(alert: DecidedAlert, detected_at: int, config_hash: str) -> bytes:
    """A value of `plg.alerts`, see `Alert`."""
    return _encode(
        {
            "v": VERSION,
            "id": alert.id,
            "signal": alert.signal,
            "priority": alert.priority,
            "title": alert.title,
            "why": [_why(reason) for reason in alert.why],
            "play": alert.play,
            "score": alert.score,
            "score_parts": alert.score_parts,
            "user_id": alert.user_id,
            "workspace_id": alert.workspace_id,
            "workspace_name": alert.workspace_name,
            "domain": alert.domain,
            "occurred_at": iso(alert.time),
            "detected_at": iso(detected_at),
            "route": alert.route,
            "config": config_hash,
            "signal_ids": alert.signal_ids,
            "status": alert.status.value,
            "reason": alert.reason,
            "email": alert.email,
        }
    )


def verdict_json(verdict: Verdict) -> bytes:
    """A final verdict as a value of `plg.verdicts`."""
    return _encode(
        _VerdictLine(
            VERSION,
            verdict.signal_id,
            verdict.signal,
            verdict.workspace_id,
            verdict.verdict,
            verdict.reason,
            verdict.alert_id,
            iso(verdict.time),
        )
    )


def _why(reason: Why) -> dict[str, object]:
    return {"fact": reason.fact, "value": reason.value, "threshold": reason.threshold}
