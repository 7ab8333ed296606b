"""
Every error this project raises on purpose, sorted by what the caller can do.

PlgError
├── BadRecord      the record is unusable for good: dead-letter it under `reason`, go on
├── ConfigError    a person must correct the config; the text lists every problem
├── BrokenLog      a log and the state folded from it contradict each other: stop, a person must look
├── StepError      a step could not apply a record: stop before anything is committed
├── SinkError      of the shell, sinks/base.py: Unavailable (try again later), Refused (park the record)
└── of the shell, streams/: BrokerUnavailable, TopicsMissing, NothingToRead, ReplayFailed, ReadingFailed,
    BacktestFailed, ChildDied, EmbeddedServerError, DemoFailed, BadPlace, NotSettled, OrderRefused, NotPermitted,
    UnknownSubject, ExplainRefused, ImportRefused, ImportNotSent: the command says it in one message and ends with 2
"""


class PlgError(Exception):
    """The root of all errors this project raises on purpose."""


class BadRecord(PlgError):
    """
    A record that can never become an Event.

    Args:
        reason: A code of `signals.event.Reason`, stable enough to count and alert on.
        detail: What was seen, without values of the record (they may be personal).
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class ConfigError(PlgError):
    """The config cannot be used; one line a problem, each with file, line and column where they are known."""


class BrokenLog(PlgError):
    """A fence points beyond the end of its log, or a state cannot be read: the log was recreated or damaged."""


class StepError(PlgError):
    """
    A step could not apply a record; `__cause__` says why.

    Args:
        position: Where the record stands in its partition, see `signals.codec.position_in_log`.
    """

    def __init__(self, position: int) -> None:
        super().__init__(f"the record at position {position} cannot be applied")
        self.position = position
