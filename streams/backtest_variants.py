"""The configs of a sweep: one file with some of its values exchanged, as `--sweep` says."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from signals.config import Config
from signals.errors import ConfigError, PlgError
from streams.config_source import ConfigFile, check_document
from streams.config_text import Document, parse_text

# Each is a config with workspaces of its own in memory, and a row that somebody has to read.
MAX_RUNS = 64
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?")
_NOT_SET = "(not set)"


class SweepRefused(PlgError):
    """What `--sweep` says cannot be tried."""


@dataclass(frozen=True)
class Sweep:
    """Values to try for one key of the config, as they were written."""

    path: str
    values: tuple[str, ...]

    @property
    def signal(self) -> str | None:
        """The signal that the key belongs to; None for one that concerns all."""
        part, _, rest = self.path.partition(".")
        return rest.partition(".")[0] or None if part in {"signals", "custom"} else None


@dataclass(frozen=True)
class Variant:
    """A config with the values that it has at the keys of the sweeps; `is_own` where they are those of the file."""

    values: tuple[str, ...]
    config: Config
    is_own: bool = False


def read_sweep(text: str) -> Sweep:
    """
    Read `signals.multi_user.active_users=3..10`, `=3,5,8`, `=0.5..1..0.1` or `alerts.cooldown=3d,7d`.

    Raises:
        SweepRefused: It is not so.
    """
    path, sign, listed = text.partition("=")
    parts = [part.strip() for part in listed.split(",")]
    if not path.strip() or not sign or not all(parts):
        raise SweepRefused(f"--sweep {text}: write a key and its values, such as signals.multi_user.active_users=3..10")
    values = tuple(dict.fromkeys(value for part in parts for value in _values(part, text)))
    return Sweep(path.strip(), values)


def variants(file: ConfigFile, sweeps: Sequence[Sweep]) -> tuple[list[Variant], list[str]]:
    """
    The configs of a grid of sweeps, with the file's own among them, and why some values make none.

    Two values that mean the same (`60m`, `1h`) are one config. Of a single sweep over numbers the rows are in their
    order, wherever the file's own value comes.

    Raises:
        SweepRefused: There are too many, two sweeps have the same key, or a key leads nowhere.
        ConfigError: The config allows none of the values, one line each.
    """
    paths = [sweep.path for sweep in sweeps]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise SweepRefused(f"--sweep {twice}: is there twice; list all its values in one")
    count = 1
    for sweep in sweeps:
        count *= len(sweep.values)
    if count > MAX_RUNS:
        raise SweepRefused(f"--sweep: {count:,} configs, and {MAX_RUNS} are the most; try fewer values first")
    found: dict[str, Variant] = {}
    problems: list[str] = []
    for values in itertools.product(*(sweep.values for sweep in sweeps)):
        try:
            config = _with(file.document, paths, values)
        except ConfigError as error:
            problems += str(error).splitlines()
        else:
            found.setdefault(config.hash, Variant(values, config, config.hash == file.config.hash))
    problems = list(dict.fromkeys(problems))
    if not found:
        raise ConfigError("\n".join(problems))
    if file.config.hash not in found:
        own = tuple(_own_value(file.config, path) for path in paths)
        found[file.config.hash] = Variant(own, file.config, is_own=True)
    return _in_order(list(found.values())), problems


def _values(part: str, text: str) -> list[str]:
    match = _RANGE.fullmatch(part)
    if match is None:
        if ".." in part:
            raise SweepRefused(f"--sweep {text}: a range is FROM..TO or FROM..TO..STEP, such as 3..10 or 0.5..1..0.1")
        return [part]
    first, last, step = Decimal(match[1]), Decimal(match[2]), Decimal(match[3] or 1)
    if step <= 0 or last < first:
        raise SweepRefused(f"--sweep {text}: a range goes up, from the smaller number to the larger one")
    steps = int((last - first) / step)
    if steps >= MAX_RUNS:
        raise SweepRefused(f"--sweep {text}: {steps + 1:,} values, and {MAX_RUNS} are the most; give it a step")
    return [f"{(first + n * step).normalize():f}" for n in range(steps + 1)]


def _with(document: Document, paths: Sequence[str], values: Sequence[str]) -> Config:
    said = ", ".join(f"{path}={value}" for path, value in zip(paths, values, strict=True))
    changed = copy.deepcopy(document.values) or {}
    for path, value in zip(paths, values, strict=True):
        parsed = parse_text(f"value: {value}\n", f"--sweep {path}={value}").values
        _put(changed, path, parsed["value"] if isinstance(parsed, dict) and "value" in parsed else None)
    return check_document(Document(f"{document.name} with {said}:", changed)).config


def _put(values: object, path: str, value: object) -> None:
    *above, last = path.split(".")
    for key in above:
        below = _at(values, key)
        if below is None and isinstance(values, dict):
            below = values[key] = {}
        values = below
    if isinstance(values, dict):
        values[last] = value
    elif isinstance(values, list) and last.isdecimal() and int(last) < len(values):
        values[int(last)] = value
    else:
        raise SweepRefused(f"--sweep {path}: the file has nothing at {'.'.join(above) or path} to put a value into")


def _at(values: object, key: str) -> object:
    if isinstance(values, dict):
        return values.get(key)
    if isinstance(values, list) and key.isdecimal() and int(key) < len(values):
        return values[int(key)]
    return None


def _own_value(config: Config, path: str) -> str:
    found: object = config.model_dump(mode="json")
    for key in path.split("."):
        found = _at(found, key)
    return _NOT_SET if found is None else str(found)


def _in_order(found: list[Variant]) -> list[Variant]:
    try:
        return sorted(found, key=lambda variant: [Decimal(value) for value in variant.values])
    except ArithmeticError:
        return found
