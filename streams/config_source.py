"""Where the config comes from: one YAML file, every mistake in it named at once with its line and column."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.tokens import AliasToken, AnchorToken, DirectiveToken, TagToken

from signals.config import Config
from signals.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

MAX_FILE_BYTES = 256 * 1024
_MAX_SHOWN = 60
# What YAML offers and this file does without: it would hide from a reader what a key's value is.
_REFUSED = {
    AnchorToken: "an anchor (&)",
    AliasToken: "an alias (*)",
    TagToken: "a tag (!)",
    DirectiveToken: "a directive (%)",
}

# What pydantic's errors ask for, in the words of who edits the file.
_EXPECTED = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "tuple_type": "a list, such as [first, second]",
    "list_type": "a list, such as [first, second]",
    "model_type": "keys with values below it",
    "dict_type": "keys with values below it",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "date_parsing": "a date such as 2026-11-01",
    "date_from_datetime_parsing": "a date such as 2026-11-01",
    "enum": "{expected}",
    "literal_error": "{expected}",
}


class _TextDates(RoundTripConstructor):
    """Leaves a date as text: 2026-13-40 is then a mistake with a line and a column like any other."""


_TextDates.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_yaml_str)

_Loc = tuple[int | str, ...]
# Line and column, counted from 1; (0, 0) where they are unknown.
_Place = tuple[int, int]


def load_config(path: Path) -> Config:
    """
    Read and check a config file. A key without a value keeps its default; an empty file means all defaults.

    Raises:
        ConfigError: The file cannot be read, is no YAML 1.2, or holds mistakes: one line each, in the file's order.
    """
    return parse_config(_read(path), path.name)


def parse_config(text: str, name: str) -> Config:
    """
    Check the text of a config file.

    Args:
        text: YAML 1.2.
        name: What the messages call the file.

    Raises:
        ConfigError: As `load_config`.
    """
    document = _parse(text, name)
    if document is None:
        return Config()
    if not isinstance(document, dict):
        raise ConfigError(f"{name}:1:1: must be keys with values, such as prefix: plg")
    try:
        return Config.model_validate(_plain(document))
    except ValidationError as error:
        problems = sorted((_place(document, _path_of(e)), _describe(e)) for e in error.errors(include_url=False))
        raise ConfigError("\n".join(_line(name, place, text) for place, text in problems)) from None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; config/plg.yaml is the one to start from") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name the file in it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_FILE_BYTES // 1024} kB; that is no config")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is no text in UTF-8 (byte {error.start})") from None


def _parse(text: str, name: str) -> object:
    try:
        _refuse_shorthands(text, name)
        yaml = YAML(typ="rt", pure=True)
        yaml.Constructor = _TextDates
        document: object = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        # The rest of the problem's text are a link and advice for programmers.
        problem = (error.problem or error.context or "is no YAML").splitlines()[0]
        raise ConfigError(_line(name, place, f": {problem}")) from None
    except YAMLError as error:
        raise ConfigError(f"{name}: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply; that is no config") from None
    return document


def _refuse_shorthands(text: str, name: str) -> None:
    problems = []
    for token in YAML(typ="rt", pure=True).scan(text):
        what = _REFUSED.get(type(token))
        if what is not None:
            place = (token.start_mark.line + 1, token.start_mark.column + 1)
            problems.append(_line(name, place, f": {what} is not allowed here; write the value out"))
    if problems:
        raise ConfigError("\n".join(problems))


def _plain(node: object) -> object:
    """The document in plain types, without the keys that have no value."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items() if value is not None}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    # Numbers and texts come as subclasses that remember how they were written.
    if isinstance(node, bool):
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _line(name: str, place: _Place, problem: str) -> str:
    where = f"{name}:{place[0]}:{place[1]}" if place != (0, 0) else name
    return where + (problem if problem.startswith(":") else f" {problem}")


def _path_of(error: ErrorDetails) -> _Loc:
    return tuple(part for part in error["loc"] if part != "[key]")


def _place(document: object, loc: _Loc) -> _Place:
    """Where the deepest part of `loc` that is in the document begins."""
    place, node = (1, 1), document
    for part in loc:
        if isinstance(node, dict) and part in node:
            line, column = node.lc.key(part)  # type: ignore[attr-defined]  # a CommentedMap, which has no types
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            line, column = node.lc.item(part)  # type: ignore[attr-defined]  # a CommentedSeq
        else:
            break
        place, node = (line + 1, column + 1), node[part]  # type: ignore[index]
    return place


def _describe(error: ErrorDetails) -> str:
    path = ".".join(str(part) for part in _path_of(error))
    return f"{path}: {_problem(error)}"


def _problem(error: ErrorDetails) -> str:
    """What is wrong, what was seen, and what to do, in the words of who edits the file."""
    kind, context, seen = error["type"], error.get("ctx", {}), _shown(error["input"])
    if kind == "extra_forbidden":
        return _unknown_key(_path_of(error))
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind].format(**context)}, got {seen}"
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {seen}"


def _shown(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return f"{len(value)} entries" if len(value) != 1 else "1 entry"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def _unknown_key(loc: _Loc) -> str:
    known = _keys_at(loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"there is no such key; {advice}"


def _keys_at(loc: _Loc) -> list[str]:
    """The keys that the config knows below `loc`."""
    model: type[BaseModel] = Config
    for part in loc:
        if isinstance(part, str):
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
