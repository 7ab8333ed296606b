"""Nothing that reads input can be told by it to run code: no pickle, no eval, no typed records of Faust."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.serializers import codecs

from signals.config import Config
from streams.app import faust_app
from streams.settings import Settings
from streams.transport import PassThroughSchema

ROOT = Path(__file__).parents[2]
# What a container runs, the simulator aside, which reads nothing.
PACKAGES = ("signals", "sinks", "streams")
MODULES = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "code", "codeop"})
CALLS = frozenset({"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"})
# What a type of Faust's would decode by the name that a record brings.
FAUST_TYPES = frozenset({"faust.Record", "Record.from_data", "faust.models"})


def dangers(source: str) -> Iterator[str]:
    """What in a file could turn data into code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            if name.partition(".")[0] in MODULES or name.startswith("faust.models"):
                yield name
            yield from (f"{name}.{alias.name}" for alias in node.names if f"{name}.{alias.name}" in FAUST_TYPES)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in FAUST_TYPES:
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    if name in CALLS:
        yield name
    if any(keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords):
        yield f"{name}(shell=...)"
    # ruamel.yaml builds objects by tag only with these.
    if name.endswith("YAML") and re.search(r"typ=['\"](unsafe|base)", ast.unparse(node)):
        yield ast.unparse(node)


FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_no_file_can_turn_data_into_code() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): names
        for path in FILES
        if (names := list(dangers(path.read_text(encoding="utf-8"))))
    }

    assert len(FILES) > 100
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "eval('1')",
        "exec(text)",
        "subprocess.run(text, shell=True)",
        "YAML(typ='unsafe')",
        "import yaml",
        "class Event(faust.Record): ...",
        "from faust import Record",
        "from faust.models.base import Model",
    ],
)
def test_a_danger_is_seen(source: str) -> None:
    assert list(dangers(source))


def test_a_harmless_file_is_not() -> None:
    assert list(dangers("import re\nre.compile('a')\nYAML(typ='rt', pure=True)\nmodel_validate(eval_at)")) == []


@pytest.mark.filterwarnings("ignore:The pickle codec")
@pytest.mark.parametrize("codec", ["pickle", "json", "yaml", "raw"])
def test_no_codec_of_fausts_ever_sees_a_record(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(codecs, "loads", lambda *what, **_options: asked.append(what))
    app: Any = SimpleNamespace(create_event=lambda key, value, _headers, _message: (key, value))
    decode = PassThroughSchema(key_serializer=codec, value_serializer=codec).compile(app)
    message: Any = SimpleNamespace(key=b"\x80\x04.", value=[b"\x80\x04cos\nsystem\n"])

    assert asyncio.run(decode(message)) == (message.key, message.value)
    assert asked == []


def test_a_worker_reads_through_that_schema_and_opens_no_web_server() -> None:
    async def conf() -> Any:
        return faust_app(Config(), Settings()).conf

    made = asyncio.run(conf())

    assert made.Schema is PassThroughSchema
    assert made.web_enabled is False
    assert made.topic_allow_declare is False
