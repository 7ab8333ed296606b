"""Where the config comes from: one YAML file, every mistake in it named at once with its line and column."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError

from signals.config import Config
from signals.config_warnings import warnings
from signals.domains import Domains
from signals.errors import ConfigError
from signals.mistakes import Key, dotted
from streams.config_text import Document, parse_text, read_text, text_of
from streams.config_watch import Seen, look_at_start
from streams.redaction import hidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

_MAX_SHOWN = 60

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


@dataclass(frozen=True)
class ConfigFile:
    """A config with the file that it was read from."""

    config: Config
    document: Document

    def warnings(self) -> list[str]:
        """What is worth a second look, one line each, with the place of its key where it is in the file."""
        found = warnings(self.config, Domains(self.config.domains))
        placed = sorted((self.document.place(warning.key), str(warning)) for warning in found)
        return [self.document.line(place, text) for place, text in placed]


class ConfigSource:
    """
    The file that a process goes by, from its start on.

    Args:
        path: The file.
        prefix: Instead of the one that it names.
        begin: Instead of its `source.start`.
    """

    def __init__(self, path: Path, prefix: str | None = None, begin: str | None = None) -> None:
        self.path = path
        self._prefix = prefix
        self._begin = begin
        # Before it is read: what changes in between is seen as a change.
        self.start = look_at_start(path)

    def read(self, seen: Seen | None = None) -> Config:
        """
        Check what was seen of the file, and not what it has become since: somebody may be just writing it.

        Args:
            seen: A look at it; the one at the start if None.

        Raises:
            ConfigError: As `load_config`, or as `moved`; or it has become empty, which is a disk that is full or an
                editor that was stopped, and would mean all defaults.
        """
        content = (seen or self.start).content
        if content is None:
            # Says why it cannot be read. Where it can be by now, it is new, and may not be whole yet.
            loaded = load_config(self.path)
            if seen is not None:
                raise ConfigError(f"{self.path}: could not be read a moment ago; it is looked at again")
            return moved(loaded, self._prefix, self._begin)
        if seen is not None and not content.strip():
            raise ConfigError(f"{self.path}: is empty; for all defaults write a key of them, such as clock: wall")
        loaded = parse_config(text_of(content, self.path), str(self.path))
        return moved(loaded, self._prefix, self._begin)


def moved(config: Config, prefix: str | None, begin: str | None = None) -> Config:
    """
    The same config under another prefix: with topics, states and ids of its own.

    Args:
        prefix: The prefix; its own if None.
        begin: Another `source.start`, if not None.

    Raises:
        ConfigError: It cannot be a prefix or a start, or the config reads a topic that would be its own.
    """
    if prefix is None and begin is None:
        return config
    values = config.model_dump(mode="json")
    values["prefix"] = config.prefix if prefix is None else prefix
    if begin is not None:
        values["source"]["start"] = begin
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(found) for found in error.errors(include_url=False))) from None


def load_config(path: Path) -> Config:
    """
    Read and check a config file. A key without a value keeps its default; an empty file means all defaults.

    Raises:
        ConfigError: The file cannot be read, is no YAML 1.2, or holds mistakes: one line each, in the file's order.
    """
    return read_config(path).config


def read_config(path: Path) -> ConfigFile:
    """As `load_config`, with what is worth a second look."""
    return check_text(read_text(path), str(path))


def parse_config(text: str, name: str) -> Config:
    """The config of a text, as `check_text`."""
    return check_text(text, name).config


def check_text(text: str, name: str) -> ConfigFile:
    """
    Check the text of a config file.

    Args:
        text: YAML 1.2.
        name: What the messages call the file.

    Raises:
        ConfigError: As `load_config`.
    """
    return check_document(parse_text(text, name))


def check_document(document: Document) -> ConfigFile:
    """The same of what has been read already."""
    if document.values is not None and not isinstance(document.values, dict):
        raise ConfigError(f"{document.name}:1:1: must be keys with values, such as prefix: plg")
    problems = list(document.mistakes)
    try:
        config = Config.model_validate(document.values or {})
    except ValidationError as error:
        problems += [(document.place(_path_of(e)), _describe(e)) for e in error.errors(include_url=False)]
    if problems:
        raise ConfigError("\n".join(document.line(place, text) for place, text in sorted(problems)))
    return ConfigFile(config, document)


def _path_of(error: ErrorDetails) -> Key:
    return tuple(part for part in error["loc"] if part != "[key]")


def _describe(error: ErrorDetails) -> str:
    return f"{dotted(_path_of(error))}: {_problem(error)}"


def _problem(error: ErrorDetails) -> str:
    """What is wrong, what was seen, and what to do, in the words of who edits the file."""
    kind, context, seen = error["type"], error.get("ctx", {}), _shown(error["input"])
    if kind == "extra_forbidden":
        return _unknown_key(_path_of(error))
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind].format(**context)}, got {seen}"
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {seen}"


def _shown(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return f"{len(value)} entries" if len(value) != 1 else "1 entry"
    # Before it is cut: of half a secret nobody could tell that it is one.
    text = hidden(repr(value))
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def _unknown_key(loc: Key) -> str:
    known = _keys_at(loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"there is no such key; {advice}"


def _keys_at(loc: Key) -> list[str]:
    """The keys that the config knows below `loc`."""
    model: type[BaseModel] = Config
    for part in loc:
        if part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
