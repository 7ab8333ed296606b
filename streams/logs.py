"""Logs: constant event names and fields; JSON for machines, a friendly line on a terminal. Nothing personal."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from streams.endings import described
from streams.terminal import printable

# A sentence of a library, not what it was given to read.
MAX_LIBRARY_CHARS = 500


def configure_logs(*, level: int = logging.INFO) -> None:
    """Send all that a process says to standard error, once per process: a line each, whatever stands in its fields."""
    on_terminal = sys.stderr.isatty()
    rendering: list[structlog.types.Processor] = (
        [_printable, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if on_terminal
        # Escapes all but plain ASCII.
        else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Faust, aiokafka and librdkafka log payloads and prose; only their errors pass, and Faust's not even at DEBUG.
    logging.basicConfig(level=logging.ERROR, handlers=[_Libraries()])
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


class _Libraries(logging.Handler):
    """Says what a library has to say as a line of ours, without what its exceptions quote."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one thing."""
        fields = described(record.exc_info[1]) if record.exc_info else {}
        log = structlog.get_logger()
        log.log(record.levelno, "library.error", logger=record.name, text=_text(record)[:MAX_LIBRARY_CHARS], **fields)


def _text(record: logging.LogRecord) -> str:
    if isinstance(record.args, tuple):
        record.args = tuple(type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in record.args)
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        # Its arguments do not fit the sentence, perhaps because one of them was an exception.
        return str(record.msg)


def _uncaught(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    """What ends a process or a thread and nobody foresaw; Python itself would print the exception's text."""
    structlog.get_logger().critical("process.failed", **described(error))


def _printable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Whatever is no text is shown by `repr`, which escapes.
    return {printable(name): printable(value) if isinstance(value, str) else value for name, value in event.items()}
