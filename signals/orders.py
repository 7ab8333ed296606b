"""What people tell policy: the messages of `plg.commands`, checked when they are sent and again when they are read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from signals.errors import BadRecord
from signals.event import Reason
from signals.facts import Command, Order
from signals.thresholds import SignalName, check_signal

MAX_REASON_CHARS = 200
MAX_BYTES = 4_096


class CommandMessage(BaseModel):
    """An order of a person: a value of the topic `plg.commands`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    command: Order
    workspace_id: str | None = Field(default=None, min_length=1, description="Null: wherever the signal fires.")
    signal: SignalName | None = Field(default=None, description="Null: all signals of the workspace.")
    until: AwareDatetime | None = Field(default=None, description="When a mute or snooze ends; null: never.")
    reason: str | None = Field(default=None, min_length=1, max_length=MAX_REASON_CHARS, description="Of a close.")
    issued_at: AwareDatetime

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.workspace_id is None and (self.signal is None or self.command in {Order.SNOOZE, Order.CLOSE}):
            raise ValueError("a workspace is missing: only mute and unmute of a signal may be about all of them")
        if self.command is Order.SNOOZE and (self.until is None or self.signal is not None):
            raise ValueError("a snooze is of a workspace and has an end")
        if self.command in {Order.UNMUTE, Order.CLOSE} and self.until is not None:
            raise ValueError("only a mute or a snooze has an end")
        return self

    def at(self, partition: int, offset: int) -> Command:
        """The order as it goes into the log of facts, from its place on `plg.commands`."""
        return Command(
            self.command,
            _milliseconds(self.issued_at),
            partition,
            offset,
            self.workspace_id,
            self.signal,
            None if self.until is None else _milliseconds(self.until),
            self.reason,
        )


def read_command(value: bytes | None, custom: Collection[str] = ()) -> CommandMessage:
    """
    Read a record of `plg.commands`.

    Args:
        value: Its bytes.
        custom: The names of the config's own signals.

    Raises:
        BadRecord: It is no order that anybody could follow.
    """
    if value is None or len(value) > MAX_BYTES:
        raise BadRecord(Reason.BAD_COMMAND, "no value" if value is None else f"{len(value)} bytes")
    try:
        message = CommandMessage.model_validate_json(value)
    except ValidationError as error:
        # Places and kinds, never the values.
        found = [f"{'.'.join(map(str, problem['loc']))}: {problem['type']}" for problem in error.errors()]
        raise BadRecord(Reason.BAD_COMMAND, "; ".join(found[:5])) from None
    if message.signal is not None:
        try:
            check_signal(message.signal, custom)
        except ValueError:
            raise BadRecord(Reason.BAD_COMMAND, "signal: there is none of this name") from None
    return message


def _milliseconds(moment: AwareDatetime) -> int:
    return int(moment.timestamp() * 1_000)
