"""A config file as text: YAML without its surprises, plain values, and the line and column at which each key stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    TagToken,
)

from signals.errors import ConfigError
from signals.mistakes import Key, dotted
from streams.redaction import hidden

MAX_FILE_BYTES = 256 * 1024
# Ours has 4 levels. The scanner's work grows with each open bracket: ten thousand of them would take minutes.
MAX_DEPTH = 20
# What YAML offers and this file does without: it would hide from a reader what a key's value is.
_REFUSED = {
    AnchorToken: "an anchor (&)",
    AliasToken: "an alias (*)",
    TagToken: "a tag (!)",
    DirectiveToken: "a directive (%)",
}
_OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
_CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)
# Line and column, counted from 1; (0, 0) where they are unknown.
Place = tuple[int, int]


class _TextDates(RoundTripConstructor):
    """Leaves a date as text: 2026-13-40 is then a mistake with a line and a column like any other."""


_TextDates.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_yaml_str)


@dataclass
class Document:
    """
    A file that is YAML.

    `values` are in plain types, without the keys that have no value; `mistakes` are of keys, each with its place.
    """

    name: str
    values: object
    root: Node | None = None
    mistakes: list[tuple[Place, str]] = field(default_factory=list)

    def place(self, key: Key) -> Place:
        """Where the deepest part of `key` that is in the file begins; (0, 0) if none is."""
        place, node = (0, 0), self.root
        for part in key:
            found = _child(node, part)
            if found is None:
                break
            at, node = found
            place = _place(at)
        return place

    def line(self, place: Place, problem: str) -> str:
        """One line of a report, without what looks like a secret."""
        where = f"{self.name}:{place[0]}:{place[1]}" if place != (0, 0) else self.name
        return f"{where} {hidden(problem)}"


def read_text(path: Path) -> str:
    """
    The text of a config file.

    Raises:
        ConfigError: It is missing, unreadable, too large, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; config/plg.yaml is the one to start from") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name the file in it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return text_of(content, path)


def text_of(content: bytes, path: Path) -> str:
    """
    The same of a content that has been read, up to a byte more than `MAX_FILE_BYTES`.

    Raises:
        ConfigError: It is too large, or not UTF-8.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_FILE_BYTES // 1024} kB; that is no config")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no text in UTF-8 (byte {error.start})") from None


def parse_text(text: str, name: str) -> Document:
    """
    Read YAML 1.2.

    Args:
        name: What the messages call the file.

    Raises:
        ConfigError: It is no YAML, or uses what would hide a value from a reader.
    """
    try:
        _refuse_shorthands(text, name)
        root: Node | None = _yaml().compose(text)
        values = _plain(_yaml().load(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else name
        # The rest of the problem's text are a link and advice for programmers.
        problem = (error.problem or error.context or "is no YAML").splitlines()[0]
        raise ConfigError(f"{where}: {problem}") from None
    except YAMLError as error:
        raise ConfigError(f"{name}: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply; that is no config") from None
    except ValueError:
        # Python reads no integer of more than 4,300 digits, so that nobody can keep it busy with one.
        raise ConfigError(f"{name}: holds a number of thousands of digits; that is no config") from None
    return Document(name, values, root, sorted(_key_mistakes(root, ())))


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = _TextDates
    # The first of them counts; we say it ourselves, together with all other mistakes.
    yaml.allow_duplicate_keys = True
    return yaml


def _refuse_shorthands(text: str, name: str) -> None:
    """Refuse what hides values, and what is nested more deeply than any config, before anything is built of it."""
    problems, depth = [], 0
    for token in YAML(typ="rt", pure=True).scan(text):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            # At once: the scanner reads no further than this.
            raise ConfigError(f"{name}: is nested too deeply; that is no config")
        what = _REFUSED.get(type(token))
        if what is not None:
            line, column = _place(token)
            problems.append(f"{name}:{line}:{column}: {what} is not allowed here; write the value out")
    if problems:
        raise ConfigError("\n".join(problems))


def _plain(node: object) -> object:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items() if value is not None}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    # Numbers and texts come as subclasses that remember how they were written.
    if isinstance(node, bool):
        return node
    if isinstance(node, int):
        # Raises for hex digits, too, what Python raises for as many decimal ones: nobody could print it.
        str(node)
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _key_mistakes(node: Node | None, above: Key) -> Iterator[tuple[Place, str]]:
    """Keys that stand twice in one place, and merge keys, which would bring in keys that nobody sees."""
    if isinstance(node, SequenceNode):
        for n, item in enumerate(node.value):
            yield from _key_mistakes(item, (*above, n))
    if not isinstance(node, MappingNode):
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        if isinstance(key, ScalarNode):
            path = (*above, str(key.value))
            line, _column = _place(key)
            if key.value == "<<":
                yield _place(key), f"{dotted(path)}: a merge is not allowed here; write the keys out"
            elif key.value in first:
                yield _place(key), f"{dotted(path)}: is in line {first[key.value]} already; keep one of the two"
            first.setdefault(key.value, line)
            yield from _key_mistakes(value, path)


def _child(node: Node | None, part: str | int) -> tuple[Node, Node] | None:
    """What stands at a key or position: where it begins, and its value."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _place(marked: object) -> Place:
    mark = marked.start_mark  # type: ignore[attr-defined]  # a Node or a Token, which have no types
    return mark.line + 1, mark.column + 1
