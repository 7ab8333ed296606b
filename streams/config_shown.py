"""A config as it is in force: every key with its value, and the default beside what differs from it."""

from __future__ import annotations

import io
import json
from typing import TypeGuard

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from signals.config import Config
from streams.config_schema import written_defaults

# Wider than any line, so that a long list stays on its line and its mark behind it.
_WIDTH = 100_000


def shown(config: Config) -> str:
    """Write a config as YAML that reads back as the same config."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    out.write(f"# Config {config.hash}. What differs from the default has the default beside it.\n")
    yaml.dump(_marked(config.model_dump(mode="json"), written_defaults()), out)
    return out.getvalue()


def _marked(values: dict[str, object], defaults: dict[str, object]) -> CommentedMap:
    marked = CommentedMap()
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict) and value and default:
            marked[key] = _marked(value, default)
        elif _is_list_of_sections(value) and _is_list_of_sections(default):
            # Each item is held against what an item without a key means.
            marked[key] = CommentedSeq(_marked(item, default[0]) for item in value)
        else:
            marked[key] = _on_one_line(value)
            if value != default:
                marked.yaml_add_eol_comment(f"default: {json.dumps(default, ensure_ascii=False)}", key, column=0)
    return marked


def _is_list_of_sections(value: object) -> TypeGuard[list[dict[str, object]]]:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _on_one_line(value: object) -> object:
    if not isinstance(value, list):
        return value
    line = CommentedSeq(value)
    line.fa.set_flow_style()
    return line
