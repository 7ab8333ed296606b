"""
The config as a JSON Schema for editors: what may stand under each key, in the words of config/plg.yaml.

The comment above a key in that file is its description here: one text, in one place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from signals.config import Config
from signals.custom import STANZAS
from signals.mistakes import Key
from signals.selling import Route
from signals.thresholds import Signals
from streams.config_text import parse_text, read_text

SHIPPED_CONFIG = Path(__file__).resolve().parent.parent / "config" / "plg.yaml"
# Editors know this draft best.
_DRAFT = "http://json-schema.org/draft-07/schema#"
# Stands for any position in a list.
_ANY = "*"
# What may stand at the keys that a stanza of `custom` must have: the others then show their defaults.
_LEAST: dict[str, object] = {"events": ["A"], "threshold": 1, "after": ["A"], "without": ["B"], "for": "1d"}

Schema = dict[str, Any]


def schema_text() -> str:
    """
    The JSON Schema of the config file.

    Raises:
        ConfigError: config/plg.yaml, whose comments describe the keys, is not beside the code.
    """
    made = Config.model_json_schema()
    inlined = _inlined(made, made.pop("$defs", {}))
    described = _described(inlined, written_defaults(), comments(read_text(SHIPPED_CONFIG)), ())
    root = {"$schema": _DRAFT, "title": "plg-signals config", **described}
    root["description"] = "What the product's events mean, who is sold to, and when sales should hear of it."
    return json.dumps(root, indent=2, ensure_ascii=False) + "\n"


def written_defaults() -> dict[str, Any]:
    """The default of every key as people write it; the one route is what an item without a key means."""
    return {**Config().model_dump(mode="json"), "routes": [Route().model_dump(mode="json")]}


def comments(text: str) -> dict[Key, str]:
    """The comment above each key of a YAML text, by the key's path, with `*` for list positions; the first counts."""
    lines = text.splitlines()
    found: dict[Key, str] = {}
    for path, line in _keys(parse_text(text, "plg.yaml").root, ()):
        above: list[str] = []
        # The first key of an item has its comment behind the dash.
        while line > 0 and (words := lines[line - 1].strip().removeprefix("- ")).startswith("#"):
            above.insert(0, words.removeprefix("#").strip())
            line -= 1  # noqa: PLW2901  # upwards from the key
        if above:
            found.setdefault(path, " ".join(above))
    return found


def _keys(node: Node | None, above: Key) -> Iterator[tuple[Key, int]]:
    """Every key with its line, counted from 0."""
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _keys(item, (*above, _ANY))
    if isinstance(node, MappingNode):
        for key, value in node.value:
            path = (*above, str(key.value))
            yield path, key.start_mark.line
            yield from _keys(value, path)


def _inlined(schema: Any, models: dict[str, Schema]) -> Any:  # noqa: ANN401  # JSON
    """The schema without references: editors show what stands beside a reference in different ways."""
    if isinstance(schema, list):
        return [_inlined(item, models) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        model = models[schema["$ref"].rpartition("/")[2]]
        schema = {**model, **{name: value for name, value in schema.items() if name != "$ref"}}
    return {name: _inlined(value, models) for name, value in schema.items()}


def _described(schema: Schema, default: object, texts: dict[Key, str], path: Key) -> Schema:
    """The schema of the value at `path`, with its description and its default as people write it."""
    made = {name: value for name, value in schema.items() if name not in ("title", "default", "description")}
    text = texts.get(path) or (schema.get("description") if "properties" not in schema else None)
    if text:
        made["description"] = text
    if "properties" in schema:
        defaults = default if isinstance(default, dict) else {}
        made["properties"] = {
            name: _nullable(_described(value, defaults.get(name), texts, (*path, name)))
            for name, value in schema["properties"].items()
        }
        return made
    if "patternProperties" in schema:
        [(pattern, value)] = schema["patternProperties"].items()
        made["additionalProperties"] = False
        if path == ("custom",):
            made["patternProperties"] = {pattern: {"anyOf": [_stanza(option) for option in value["anyOf"]]}}
            return made
        value = _nullable(_described(value, None, {}, path))
        value.pop("description", None)
        # As properties, so that an editor offers them; besides, there may be signals of the config's own.
        del made["patternProperties"]
        made["properties"] = dict.fromkeys(Signals.model_fields, value)
        made["propertyNames"], made["additionalProperties"] = {"pattern": pattern}, value
    if "properties" in schema.get("items", {}):
        item = default[0] if isinstance(default, list) and default else {}
        made["items"] = _described(schema["items"], item, texts, (*path, _ANY))
    elif default is not None:
        made["default"] = default
    return made


def _stanza(schema: Schema) -> Schema:
    """The schema of one of the kinds of stanzas under `custom`, whose models describe it."""
    rule, required = schema["properties"]["rule"]["const"], schema["required"]
    least = {name: rule if name == "rule" else _LEAST[name] for name in required}
    written = STANZAS[rule].model_validate(least).model_dump(mode="json")
    defaults = {name: value for name, value in written.items() if name not in required}
    return _described(schema, defaults, {}, ())


def _nullable(schema: Schema) -> Schema:
    """A key without a value keeps its default."""
    made = dict(schema)
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if "anyOf" in made:
        others = [option for option in made["anyOf"] if option.get("type") != "null"]
        made["anyOf"] = [*others, {"type": "null"}]
        return made
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    if "type" in made:
        types = made["type"]
        made["type"] = [*(types if isinstance(types, list) else [types]), "null"]
    return made
