"""Nothing that reads input can be told by it to run code: no pickle, no eval, no typed records of Faust."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import faust
import pytest
from faust.serializers import codecs
from faust.types.tuples import TP

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
    if name in CALLS or name.endswith(".loads") and "pickle" in name:
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


@pytest.mark.parametrize("codec", ["pickle", "json", "yaml", "raw"])
def test_no_codec_of_fausts_ever_sees_a_record(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives goes through our schema, which passes it on as it is; a codec would be reached through it alone."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError(f"the codec {codec} was asked")

    monkeypatch.setattr(codecs, "loads", fail)
    app = faust.App("test", broker="kafka://localhost", web_enabled=False)
    schema = PassThroughSchema(key_serializer=codec, value_serializer=codec)
    record = b"\x80\x04cos\nsystem\n"

    class Message:
        value, key, headers, tp = [record], record, (), TP("t", 0)

    assert schema.loads_value(app, Message()) == [record]
    assert schema.loads_key(app, Message()) in (record, None)
