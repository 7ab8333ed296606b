"""Finds every log line of the code: its constant event name, and how loud it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("signals", "sinks", "streams")
LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
# Functions that hand a name on to the log: at which argument it stands, and how loud they say it.
FORWARDERS = {
    "fail_stop": (0, "critical"),
    "Deadline": (1, "critical"),
    "_say_once": (0, "warning"),
    "_reject": (0, "error"),
}


class Line(NamedTuple):
    """One place that logs; `event` is None where the name is not constant."""

    place: str
    event: str | None
    level: str


def log_lines() -> list[Line]:
    """Every place in the code that logs."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [
        line for path in files for line in lines_of(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]


def lines_of(source: str, name: str = "") -> Iterator[Line]:
    """The log lines of one file."""
    tree = ast.parse(source)
    constants = _constants(tree)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in _calls(function):
            found = _name_and_level(call)
            if found is None or (function.name in {*FORWARDERS, "__init__"} and _is_parameter(found[0], function)):
                continue
            argument, level = found
            place = f"{name}:{call.lineno}"
            yield from (Line(place, event, level) for event in _texts(argument, constants) or [None])


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """The calls of a function, those of functions inside it left to them."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.Call):
            yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _calls(child)


def _name_and_level(call: ast.Call) -> tuple[ast.expr, str] | None:
    function = call.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if called in FORWARDERS:
        at, level = FORWARDERS[called]
        return call.args[at], level
    if not isinstance(function, ast.Attribute) or not _is_logger(function.value):
        return None
    if called == "log":
        return call.args[1], "error"
    return (call.args[0], called) if called in LEVELS else None


def _is_logger(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] in {"log", "_log", "get_logger()"}


def _is_parameter(argument: ast.expr, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return isinstance(argument, ast.Name) and argument.id in {arg.arg for arg in function.args.args}


def _constants(tree: ast.Module) -> dict[str, list[str]]:
    """The texts that a name is given, where it is given nothing else."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).extend(_texts(node.value, {}))
    return found


def _texts(node: ast.expr, constants: dict[str, list[str]]) -> list[str]:
    """The constant texts that an expression can be; empty where it can be anything."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        both = [_texts(node.body, constants), _texts(node.orelse, constants)]
        return [text for texts in both for text in texts] if all(both) else []
    return constants.get(node.id, []) if isinstance(node, ast.Name) else []
