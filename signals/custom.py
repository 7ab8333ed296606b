"""The config's own signals: what a stanza under `custom:` may say, which needs no code (docs/custom-signals.md)."""

from __future__ import annotations

import difflib
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as model_check
from pydantic_core import InitErrorDetails

from signals.mistakes import misplaced
from signals.names import Names, Play, normal_name
from signals.rule import RuleParams, Scope
from signals.units import Duration, PositiveDuration, Window

# So many are kept apart in every state; signals/bounds.py counts on it.
MAX_STANZAS = 50
# Before the name of a stanza: its event ends a wait. No signal's name begins with it.
ENDS = "-"

_Title = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True)]
_Cooldown = Annotated[Duration, Field(ge=timedelta(0))]


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name an event, got an empty list")
    return names


_Events = Annotated[Names, AfterValidator(_some), Field(json_schema_extra={"minItems": 1})]
_Threshold = Annotated[int, Field(ge=1, le=1_000_000)]


class CustomParams(RuleParams):
    """What all stanzas have: what the signal is about, when it may repeat, and what people read of it."""

    kind: Literal["activation", "expansion", "intent", "risk"] = Field(
        default="expansion", description="What the signal is about."
    )
    cooldown: _Cooldown = Field(
        default=timedelta(days=7), description="After it fired for a subject, it is quiet so long."
    )
    title: _Title | None = Field(default=None, description="What happened, in the alert; empty: in numbers.")
    play: Play | None = Field(default=None, description="What the rep should do.")


class CustomCount(CustomParams):
    """The subject's events of these names within a window of days reach a number."""

    rule: Literal["count"] = Field(description="Events are counted.")
    scope: Scope = Field(default=Scope.WORKSPACE, description="Whose events: those of a user, or of a workspace.")
    events: _Events = Field(description="The names of the events, any of them.")
    threshold: _Threshold = Field(description="So many of them are a signal.")
    window: Window = Field(default=7, description="The days that count, up to the day of the event.")

    def marks(self, name: str) -> dict[str, tuple[str, ...]]:
        """What an event carries for the stanza of this name, and the names of the events that do."""
        return {name: self.events}


class CustomDistinctUsers(CustomParams):
    """So many users of a workspace did one of these within a window of days."""

    rule: Literal["distinct_users"] = Field(description="The users who did it are counted.")
    scope: Literal["workspace"] = Field(default="workspace", description="Users are those of a workspace.")
    events: _Events = Field(description="The names of the events, any of them.")
    threshold: _Threshold = Field(description="So many users are a signal.")
    window: Window = Field(default=7, description="The days that count.")
    cooldown: _Cooldown = Field(default=timedelta(days=30), description="Between two window ends that fire.")

    def marks(self, name: str) -> dict[str, tuple[str, ...]]:
        """As `CustomCount.marks`."""
        return {name: self.events}


class CustomAbsence(CustomParams):
    """After one event of the subject, another has not come for a time."""

    # `for` is no name in Python.
    model_config = ConfigDict(serialize_by_alias=True)

    rule: Literal["absence"] = Field(description="Something is waited for and does not come.")
    scope: Scope = Field(default=Scope.WORKSPACE, description="Whose events: those of a user, or of a workspace.")
    after: _Events = Field(description="The names of the events that begin the wait.")
    without: _Events = Field(description="The names of the events that end it.")
    for_: PositiveDuration = Field(alias="for", description="How long it is waited.")

    @model_check(mode="after")
    def _waits_for_another_event(self) -> Self:
        after = {normal_name(name) for name in self.after}
        for n, name in enumerate(self.without):
            if normal_name(name) in after:
                raise misplaced(
                    ("without", n), name, f"{name!r} is also under after: it would end the wait that it begins"
                )
        return self

    def marks(self, name: str) -> dict[str, tuple[str, ...]]:
        """As `CustomCount.marks`; those that end a wait are marked so."""
        return {name: self.after, f"{ENDS}{name}": self.without}


STANZAS: dict[str, type[CustomCount | CustomDistinctUsers | CustomAbsence]] = {
    "count": CustomCount,
    "distinct_users": CustomDistinctUsers,
    "absence": CustomAbsence,
}


def _stanza(value: object) -> object:
    """Read a stanza by its `rule`, so that a mistake is told as one of that rule's keys."""
    if isinstance(value, CustomParams):
        return value
    if not isinstance(value, dict):
        raise ValueError("must be keys with values below it")  # noqa: TRY004  # pydantic takes no other
    rule = value.get("rule")
    model = STANZAS.get(rule) if isinstance(rule, str) else None
    if model is None:
        wanted = "must be count, distinct_users or absence"
        raise misplaced(("rule",), rule, f"{wanted}; it is missing" if rule is None else f"{wanted}, got {rule!r}")
    known = [field.alias or name for name, field in model.model_fields.items()]
    mistakes = [_unknown(key, value[key], known) for key in value if key not in known]
    try:
        stanza = model.model_validate({key: part for key, part in value.items() if key in known})
    except ValidationError as error:
        mistakes += [
            InitErrorDetails(type=one["type"], loc=one["loc"], input=one["input"], ctx=one.get("ctx", {}))
            for one in error.errors(include_url=False)
        ]
    if mistakes:
        raise ValidationError.from_exception_data("config", mistakes)
    return stanza


def _unknown(key: object, value: object, known: list[str]) -> InitErrorDetails:
    near = difflib.get_close_matches(str(key), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    problem = ValueError(f"there is no such key; {advice}")
    return InitErrorDetails(type="value_error", loc=(str(key),), input=value, ctx={"error": problem})


CustomSignal = Annotated[CustomCount | CustomDistinctUsers | CustomAbsence, BeforeValidator(_stanza)]
