"""
The published JSON Schemas are those of the models in signals/contract.py and of the config.

After a change of the contract, or of the config and its comments, write them again:
.venv/bin/python -m tests.docs.test_schemas
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pydantic import BaseModel

from signals.contract import Alert, Signal
from signals.orders import CommandMessage
from streams import config_schema

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def model_schema_text(model: type[BaseModel]) -> str:
    """The JSON Schema of a model as the file holds it."""
    # Pydantic writes this draft and does not say so.
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


PUBLISHED: dict[str, Callable[[], str]] = {
    "signal.json": partial(model_schema_text, Signal),
    "alert.json": partial(model_schema_text, Alert),
    "command.json": partial(model_schema_text, CommandMessage),
    "config.json": config_schema.schema_text,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_schema_is_that_of_the_model(name: str) -> None:
    published = (SCHEMAS / name).read_text(encoding="utf-8")

    assert published == PUBLISHED[name](), "write it again: .venv/bin/python -m tests.docs.test_schemas"


def test_no_schema_is_published_that_nothing_keeps_up_to_date() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == set(PUBLISHED)


if __name__ == "__main__":
    for file_name, published_text in PUBLISHED.items():
        (SCHEMAS / file_name).write_text(published_text(), encoding="utf-8")
