"""Regular expressions from the config: none that could hold up a process for long over a name."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The only parser that is sure to agree with the matcher; it has this name since Python 3.11.
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

# Kafka's limit for the name of a topic.
MAX_NAME_CHARS = 249
# Three times `.*` in a row: some 0.1 s for a name.
MAX_WAYS = (MAX_NAME_CHARS + 1) ** 3
_REPEATS = frozenset({ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT})
_ENDLESS = MAX_WAYS + 1
# A choice is taken back with all that was matched after it, which costs more than one more character of a repeat.
_CHOICE = 4


def checked_pattern(text: str) -> str:
    r"""
    Refuse what is no regular expression, or one that could take too long.

    Python's matcher tries every way to share out a name among the repeats of a pattern, and holds up the whole process
    meanwhile, its watchdog included. So the ways are counted: repeats in a row multiply, and what is repeated must be
    plain. That refuses some that are quick: `([a-z]+\.)*web` has to be written `[a-z.]*web`.

    Raises:
        ValueError: What is wrong, and what to write.
    """
    try:
        re.compile(text)
        ways = _ways(parser.parse(text))
    except (re.error, OverflowError, RecursionError) as error:
        problem = str(error) if isinstance(error, re.error) else "it is too large"
        raise ValueError(rf"must be a regular expression such as ^app\.events\..*, got {text!r}: {problem}") from None
    if ways > MAX_WAYS:
        raise ValueError(
            f"could take too long to match: at most three of * and + in a row, and none around a group that holds "
            f"repeats, alternatives or options ([a-z.]* instead of ([a-z]+[.])*), got {text!r}"
        )
    return text


def _ways(sequence: Iterable[tuple[object, Any]]) -> int:
    """In how many ways a name can be shared out among the parts of a pattern, at most; all beyond the limit are one."""
    ways = 1
    for operation, argument in sequence:
        ways = min(ways * _ways_of(operation, argument), _ENDLESS)
    return ways


def _ways_of(operation: object, argument: Any) -> int:  # noqa: ANN401, PLR0911  # the parser has no types; a return for each kind of part
    match operation, argument:
        case ops.SUBPATTERN, (_, _, _, inner):
            return _ways(inner)
        case ops.BRANCH, (_, alternatives):
            return _CHOICE * sum(_ways(alternative) for alternative in alternatives)
        case ((ops.ASSERT | ops.ASSERT_NOT), (_, inner)):
            return _ways(inner)
        case ops.ATOMIC_GROUP, inner:
            return _ways(inner)
        case ops.GROUPREF_EXISTS, (_, then, otherwise):
            return _CHOICE * (_ways(then) + (_ways(otherwise) if otherwise is not None else 1))
        case _, (least, most, inner) if operation in _REPEATS:
            if most == 1:
                return _CHOICE * (_ways(inner) + 1) if least == 0 else _ways(inner)
            # What is repeated more than once must have one way only: two ways each are 2 ** 249.
            return _ENDLESS if _ways(inner) > 1 else min(most, MAX_NAME_CHARS) - min(least, MAX_NAME_CHARS) + 1
        case _:
            return 1
