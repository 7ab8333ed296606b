"""
The published JSON Schemas are those of the models in signals/contract.py.

After a change of the contract write them again:  .venv/bin/python -m tests.docs.test_schemas
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from signals.contract import Alert, Signal
from signals.orders import CommandMessage

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
PUBLISHED: dict[str, type[BaseModel]] = {"signal.json": Signal, "alert.json": Alert, "command.json": CommandMessage}


def schema_text(model: type[BaseModel]) -> str:
    """The JSON Schema of a model as the file holds it."""
    # Pydantic writes this draft and does not say so.
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_schema_is_that_of_the_model(name: str) -> None:
    published = (SCHEMAS / name).read_text(encoding="utf-8")

    assert published == schema_text(PUBLISHED[name]), "write it again: .venv/bin/python -m tests.docs.test_schemas"


def test_no_schema_is_published_that_nothing_keeps_up_to_date() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == set(PUBLISHED)


if __name__ == "__main__":
    for file_name, published_model in PUBLISHED.items():
        (SCHEMAS / file_name).write_text(schema_text(published_model), encoding="utf-8")
